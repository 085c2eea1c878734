"""Every node's cost for one class of needs, kept so that the lowest is at hand after each change.

Nodes of equal cost stand together, in the order of the fleet, and the distinct costs are in order. A change moves one
node; a cost that nobody has any more goes when it comes up. So no placement searches through all nodes, and the answer
is that of such a search.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from math import inf


class SortedCosts:
    """A cost a node, infinite where the need does not fit; `fitted` says how many are not."""

    __slots__ = ("_alike", "_costs", "_order", "fitted")

    def __init__(self, costs: Sequence[float]) -> None:
        self._costs = list(costs)
        # By cost the node that has it, or the nodes where several have: a list for each of thousands would be slow.
        self._alike: dict[float, int | list[int]] = {}
        for i, cost in enumerate(self._costs):
            if cost < inf and self._alike.setdefault(cost, i) != i:
                self._add(i, cost)
        self.fitted = sum(cost < inf for cost in self._costs)
        # Negated, so that the lowest cost is last: there a list loses and gains items without moving the others.
        self._order = sorted([-cost for cost in self._alike])

    def __getitem__(self, i: int) -> float:
        return self._costs[i]

    def move(self, i: int, cost: float) -> None:
        """Say what node `i` costs from now on."""
        former, alike = self._costs[i], self._alike
        if former < inf:
            self.fitted -= 1
            there = alike[former]
            if isinstance(there, int) or len(there) == 1:
                del alike[former]
            else:
                del there[bisect_left(there, i)]
        self._costs[i] = cost
        if cost < inf:
            self.fitted += 1
            if cost in alike:
                self._add(i, cost)
            else:
                alike[cost] = i
                insort(self._order, -cost)

    def lowest(self, start: int) -> int:
        """Return the index of the lowest cost, of equal ones the first at or after `start`, cyclically."""
        order, alike = self._order, self._alike
        while order:
            there = alike.get(-order[-1])
            if there is None:
                order.pop()
            elif isinstance(there, int):
                return there
            else:
                return there[0] if there[-1] < start else there[bisect_left(there, start)]
        return start

    def take_lowest(self, start: int) -> tuple[int, float, int]:
        """Return `lowest` with its cost, which becomes infinite, and what is `lowest` then. One at least must fit."""
        chosen = self.lowest(start)
        cost = self._costs[chosen]
        self.move(chosen, inf)
        return chosen, cost, self.lowest(start)

    def _add(self, i: int, cost: float) -> None:
        there = self._alike.setdefault(cost, i)
        if not isinstance(there, int):
            insort(there, i)
        elif there != i:
            self._alike[cost] = [there, i] if there < i else [i, there]
