"""What comes before the cost: an even spread over a label's values first, then what is preferred.

Of the nodes that fit only those are kept whose value of the label has the fewest tasks of the group, and of these only
those where the weights of the preferences that are met add up to the most; the strategy chooses among what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from sys import float_info
from typing import Any, Protocol, TypeAlias

from ormen.node import Node
from ormen.scheduler.constraints import parse, values_of
from ormen.spec import Rules

Column: TypeAlias = Any
"""A number for each node: a list, or numpy's array of them."""


class Columns(Protocol):
    """What ranks need of columns, as lists or as numpy's arrays: both answer the same."""

    def packed(self, numbers: Sequence[int]) -> Column:
        """Return a column of these numbers."""

    def cheapest(self, costs: Column, amount: int) -> tuple[float, list[int]]:
        """Return a cost and all nodes that cost no more, the dearest first, of equal cost in order.

        They are about so many, or more where that is as easy or where many cost the same; none that is infinite.
        """

    def looked_up(self, values: Column, table: Sequence[int]) -> Column:
        """Return the table's entry for each value."""

    def kept_least(self, costs: Column, ranks: Column) -> Column:
        """Return the costs, infinite wherever `ranks` has more than its least among the nodes that fit."""

    def finite(self, costs: Column) -> int:
        """Return how many costs are not infinite."""

    def lowest(self, costs: Column, start: int) -> int:
        """Return the index of the lowest cost, of equal ones the first at or after `start`, cyclically."""


class Lists:
    """`Columns` as lists."""

    def packed(self, numbers: Sequence[int]) -> Column:
        """Return a column of these numbers."""
        return list(numbers)

    def cheapest(self, costs: Column, amount: int) -> tuple[float, list[int]]:
        """Return the highest cost that there can be, and all nodes that cost no more, the dearest first."""
        return float_info.max, sorted((i for i, cost in enumerate(costs) if cost < inf), key=lambda i: -costs[i])

    def looked_up(self, values: Column, table: Sequence[int]) -> Column:
        """Return the table's entry for each value."""
        return [table[value] for value in values]

    def kept_least(self, costs: Column, ranks: Column) -> Column:
        """Return the costs, infinite wherever `ranks` has more than its least among the nodes that fit."""
        least = min((rank for rank, cost in zip(ranks, costs, strict=True) if cost < inf), default=None)
        return [cost if rank == least else inf for rank, cost in zip(ranks, costs, strict=True)]

    def finite(self, costs: Column) -> int:
        """Return how many costs are not infinite."""
        return sum(cost < inf for cost in costs)

    def lowest(self, costs: Column, start: int) -> int:
        """Return the index of the lowest cost, of equal ones the first at or after `start`, cyclically."""
        least = min(costs)
        try:
            return int(costs.index(least, start))
        except ValueError:
            return int(costs.index(least))


class ColumnCosts:
    """Every node's cost for one class of needs, in a column; `fitted` says how many are not infinite."""

    __slots__ = ("column", "fitted")

    def __init__(self, column: Column, columns: Columns) -> None:
        self.column, self.fitted = column, columns.finite(column)

    def __getitem__(self, i: int) -> float:
        return float(self.column[i])

    def move(self, i: int, cost: float) -> None:
        """Say what node `i` costs from now on."""
        self.fitted += int(cost < inf) - int(self.column[i] < inf)
        self.column[i] = cost


class Ranks:
    """What one class of needs wishes of the nodes; `there` says how many of its group each node has to begin with."""

    def __init__(self, rules: Rules, nodes: Sequence[Node], there: Mapping[str, int], columns: Columns) -> None:
        self._columns = columns
        self._values: list[int] = []
        self._counts: list[int] = []
        self._wishes: Column | None = None
        if rules.spread is not None:
            known: dict[tuple[str, ...], int] = {}
            self._values = [known.setdefault(values_of(node, rules.spread), len(known)) for node in nodes]
            self._packed = columns.packed(self._values)
            self._counts = [0] * len(known)
            for node, value in zip(nodes, self._values, strict=True):
                self._counts[value] += there.get(node.name, 0)
        if rules.preferences:
            wishes = [(parse(each.constraint), each.weight) for each in rules.preferences]
            sums = [-sum(weight for wish, weight in wishes if wish.admits(node)) for node in nodes]
            self._wishes = columns.packed(sums)

    def take(self, i: int) -> None:
        """Count another of the group on node `i`."""
        self._counts[self._values[i]] += 1

    def narrowed(self, costs: Column, *, seat: int | None) -> Column:
        """Return the costs with only the best suited nodes left; a task's own `seat` does not count for its spread."""
        if self._counts:
            counts = list(self._counts)
            if seat is not None:
                counts[self._values[seat]] -= 1
            costs = self._columns.kept_least(costs, self._columns.looked_up(self._packed, counts))
        return costs if self._wishes is None else self._columns.kept_least(costs, self._wishes)
