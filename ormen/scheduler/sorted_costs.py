"""Every node's cost for one class of needs, kept so that the lowest is at hand after each change.

Only the cheapest nodes stand in order; what comes after them is put in order when they are used up. A change moves one
node. Where costs only grow while a list is placed, a node is priced again when it comes up and not before: until then
its former cost bounds it from below. The answer is that of a search through all costs as they are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf
from typing import Protocol

from ormen.scheduler.ranks import Column, Columns

FRONT = 1024
"""Nodes that stand in order, about."""


class Pricing(Protocol):
    """What each node costs now, as tasks are placed; it grows by more than `growth` with each that the node gains."""

    growth: float

    def cost(self, i: int) -> float:
        """Return a node's cost, infinite where the need does not fit."""

    def costs(self, nodes: Sequence[int]) -> list[float]:
        """Return the costs of nodes where the need fits; where it does not any more, any number above."""


Lowest = tuple[int, float, int, float]
"""A node and its cost, and the runner-up with its own, infinite where there is none."""


class SortedCosts:
    """A cost a node, infinite where the need does not fit; `fitted` says how many are not."""

    __slots__ = ("_column", "_columns", "_limit", "_order", "_who", "fitted")

    def __init__(self, column: Column, columns: Columns) -> None:
        self._column, self._columns = column, columns
        self.fitted = columns.finite(column)
        # The nodes that cost at most the limit: their costs negated, so that the lowest is last, where a list loses and
        # gains items without moving the others; and beside them who they are, of equal cost in the fleet's order.
        self._limit = -inf
        self._order: list[float] = []
        self._who: list[int] = []

    def __getitem__(self, i: int) -> float:
        return float(self._column[i])

    def move(self, i: int, cost: float) -> None:
        """Say what node `i` costs from now on."""
        former = self[i]
        self.fitted += int(cost < inf) - int(former < inf)
        self._column[i] = cost
        if former <= self._limit:
            self._drop(i, former)
        if cost <= self._limit:
            self._add(i, cost)

    def lowest(self, start: int) -> int:
        """Return the index of the lowest cost, of equal ones the first at or after `start`, cyclically."""
        order, who = self._order, self._who
        if not order:
            self._limit, who[:] = self._columns.cheapest(self._column, FRONT)
            order[:] = [-self[i] for i in who]
        if len(order) < 2 or order[-2] != order[-1]:
            return who[-1] if order else start
        begin = bisect_left(order, order[-1])
        place = bisect_left(who, start, begin)
        return who[place] if place < len(who) else who[begin]

    def take_lowest(self, start: int) -> Lowest:
        """Return `lowest` and what is `lowest` without it. The former counts as unfit until it is told what it costs.

        One node at least must fit.
        """
        chosen = self.lowest(start)
        cost = self[chosen]
        self.move(chosen, inf)
        second = self.lowest(start)
        return chosen, cost, second, self[second]

    def _add(self, i: int, cost: float) -> None:
        place = self._place(i, -cost)
        self._order.insert(place, -cost)
        self._who.insert(place, i)

    def _drop(self, i: int, cost: float) -> None:
        place = self._place(i, -cost)
        del self._order[place], self._who[place]

    def _place(self, i: int, negated: float) -> int:
        order = self._order
        begin = bisect_left(order, negated)
        if begin == len(order) or order[begin] != negated:
            return begin
        return bisect_left(self._who, i, begin, bisect_right(order, negated, begin))


class LateCosts(SortedCosts):
    """Costs that grow with each task that a node gains: nodes are priced as they come up.

    Who comes up with a former cost is put aside; while the lowest is below the least that any of those can cost now,
    none of them needs a price, and then all get theirs at once. `tasks` says how many a node has now. `short` are the
    nodes, more of them as time goes by, that are priced at once, as they may fit no more. ``[i]`` and `lowest` are
    right once `settle` was called and `move` for all that gained a task.
    """

    __slots__ = ("_aside", "_bound", "_priced", "_pricing", "_seen", "_short", "_tasks")

    def __init__(
        self, column: Column, columns: Columns, *, pricing: Pricing, tasks: list[int], short: Sequence[int]
    ) -> None:
        super().__init__(column, columns)
        self._pricing, self._tasks, self._short = pricing, tasks, short
        self._priced, self._seen = tasks[:], len(short)
        self._aside: list[int] = []
        self._bound = inf

    def catch_up(self) -> None:
        """Price the nodes that have run short since."""
        if self._seen < len(self._short):
            for i in set(self._short[self._seen :]):
                self.move(i, self._pricing.cost(i))
            self._seen = len(self._short)

    def move(self, i: int, cost: float) -> None:
        """Say what node `i` costs from now on, until it gains a task."""
        self.settle()
        super().move(i, cost)
        self._priced[i] = self._tasks[i]

    def settle(self) -> None:
        """Price those that were put aside."""
        aside, column, priced, tasks, limit = self._aside, self._column, self._priced, self._tasks, self._limit
        for i, cost in zip(aside, self._pricing.costs(aside), strict=True):
            column[i], priced[i] = cost, tasks[i]
            if cost == inf:
                self.fitted -= 1
            elif cost <= limit:
                self._add(i, cost)
        aside.clear()
        self._bound = inf

    def take_lowest(self, start: int) -> Lowest:
        """Return the node with the lowest cost, and the next; the former gains a task, or its cost stays as it is."""
        order, who = self._order, self._who
        chosen = self._current(start)
        cost = -order[-1]
        if chosen == who[-1]:
            order.pop()
            who.pop()
        else:
            self._drop(chosen, cost)
        self._column[chosen] = inf
        second = self._current(start)
        self._column[chosen] = cost
        price = -order[-1] if order else inf
        if price > cost:
            order.append(-cost)
            who.append(chosen)
        else:
            self._add(chosen, cost)
        return chosen, cost, second, price

    def _current(self, start: int) -> int:
        """Return `lowest` of the costs as they are."""
        priced, tasks, order, who, aside = self._priced, self._tasks, self._order, self._who, self._aside
        while True:
            while order and priced[who[-1]] != tasks[who[-1]]:
                least = self._pricing.growth - order.pop()
                if least < self._bound:  # Who was chosen before comes up below those that were put aside then.
                    self._bound = least
                aside.append(who.pop())
            if aside and (not order or -order[-1] >= self._bound):
                self.settle()
                continue
            if len(order) > 1 and order[-1] != order[-2]:
                return who[-1]
            i = self.lowest(start)
            if priced[i] == tasks[i]:
                return i
            if i != who[-1]:
                self.move(i, self._pricing.cost(i))
