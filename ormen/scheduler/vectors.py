"""Columns for fleets of thousands of nodes. Imports numpy, as `runs` does, so import it lazily."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from ormen.node import Resources
from ormen.scheduler.strategies import Amount, Formula, Load

Column = NDArray[np.float64]


class Columns:
    """`Arithmetic` on whole columns.

    Whole numbers of a column are below 2**53, so division gives what Python's gives. Powers go through Python
    one by one: numpy has fast ones of its own, which differ in the last bit from processor to processor.
    """

    def ratio(self, part: Amount, whole: Amount) -> Amount:
        """Return part / whole, 0 where there is no whole."""
        return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)

    def larger(self, one: Amount, other: Amount) -> Amount:
        """Return the larger of each pair."""
        return np.maximum(one, other)

    def smaller(self, one: Amount, other: Amount) -> Amount:
        """Return the smaller of each pair."""
        return np.minimum(one, other)

    def power(self, base: float, exponent: Amount) -> Amount:
        """Return base ** exponent by the C library's ``pow``."""
        return np.array([base**one for one in exponent.tolist()])


def packed(load: Load) -> Load:
    """Return the load's lists as arrays."""
    return Load(*(np.array(getattr(load, name), dtype=np.int64) for name in Load.__slots__))


def flags(values: Sequence[bool]) -> NDArray[np.bool_]:
    """Return a column of yes and no."""
    return np.array(values, dtype=bool)


def costs(columns: Load, asked: Resources, *, formula: Formula, base: float, fits: NDArray[np.bool_]) -> Column:
    """Return every node's cost, infinite where `fits` is false or what is asked is not free."""
    return fitting(prices(columns, asked, formula=formula, base=base), columns, asked, fits)


def prices(columns: Load, asked: Resources, *, formula: Formula, base: float) -> Column:
    """Return every node's cost, whether or not what is asked fits there."""
    return np.asarray(formula(columns, asked, base, Columns()), dtype=np.float64)


def fitting(prices: Column, columns: Load, asked: Resources, fits: NDArray[np.bool_]) -> Column:
    """Return the costs, infinite where `fits` is false or what is asked is not free; a column of the caller's own."""
    free = (
        (asked.cpu_milli <= columns.cpu - columns.reserved_cpu)
        & (asked.memory_bytes <= columns.memory - columns.reserved_memory)
        & (asked.disk_bytes <= columns.disk - columns.reserved_disk)
    )
    return np.where(free & fits, prices, np.inf)


class Arrays:
    """The columns of ranks as numpy's arrays."""

    def packed(self, numbers: Sequence[int]) -> Amount:
        """Return a column of these numbers."""
        return np.array(numbers, dtype=np.int64)

    def cheapest(self, costs: Column, amount: int) -> tuple[float, list[int]]:
        """Return a cost and the nodes that cost no more, at least so many, the dearest first, of equal cost in turn."""
        limit = min(float(np.partition(costs, amount)[amount]) if amount < len(costs) else inf, float_info.max)
        nodes = np.flatnonzero(costs <= limit)
        ordered: list[int] = nodes[np.argsort(-costs[nodes], kind="stable")].tolist()
        return limit, ordered

    def looked_up(self, values: Amount, table: Sequence[int]) -> Amount:
        """Return the table's entry for each value."""
        return np.array(table, dtype=np.int64)[values]

    def kept_least(self, costs: Amount, ranks: Amount) -> Amount:
        """Return the costs, infinite wherever `ranks` has more than its least among the nodes that fit."""
        fits = costs < np.inf
        return np.where(ranks == ranks[fits].min(), costs, np.inf) if fits.any() else costs

    def finite(self, costs: Amount) -> int:
        """Return how many costs are not infinite."""
        return int(np.count_nonzero(costs < np.inf))

    def lowest(self, costs: Column, start: int) -> int:
        """Return the index of the lowest cost, of equal ones the first at or after `start`, cyclically."""
        after = start + int(costs[start:].argmin())
        if not start:
            return after
        before = int(costs[:start].argmin())
        return before if costs[before] < costs[after] else after
