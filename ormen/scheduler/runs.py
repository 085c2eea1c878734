"""Needs of one class, one after the other, placed many at a time. Imports numpy, so import it lazily.

A node costs what it costs now, and once it has one more of the class what it costs then, which for most strategies is
no less. So of all nodes that cost less now than any will cost then, each is chosen once, in order of cost, before any
is chosen twice: that is one round. The answer is that of choosing one after the other, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ormen.node import Resources
from ormen.scheduler.strategies import Formula, Load
from ormen.scheduler.vectors import Arrays, Column, costs, flags, packed

Picks: TypeAlias = tuple[list[int], list[float], list[int], list[int], list[float]]
"""Of each choice the node, its cost, how many fitted, the runner-up and its cost, infinite where there is none."""

LEAST = 48
"""Choices in a round below which it is quicker to choose one after the other."""

Nodes = NDArray[np.int64]


@dataclass(slots=True)
class Run:
    """The fleet's columns while needs of a class are placed; `now` is each node's cost, `then` that with one more."""

    load: Load
    asked: Resources
    formula: Formula
    base: float
    now: Column
    then: Column

    @classmethod
    def of(cls, load: Load, asked: Resources, formula: Formula, *, base: float, fits: list[bool]) -> Run:
        """Return the run on `load`, which holds lists and is not changed."""
        columns, may = packed(load), flags(fits)
        now = costs(columns, asked, formula=formula, base=base, fits=may)
        then = costs(_grown(columns, asked), asked, formula=formula, base=base, fits=may)
        return cls(columns, asked, formula, base, now, then)

    def picks(self, amount: int, turn: int) -> Picks:
        """Choose for at most so many needs.

        They are fewer when rounds are small, as where few nodes fit or costs fall while a node fills.
        """
        found: Picks = ([], [], [], [], [])
        while (rest := amount - len(found[0])) > 0:
            cheap = np.flatnonzero(self.now < self.then.min())
            if len(cheap) < LEAST:
                break
            order, seconds = _in_turn(cheap, self.now[cheap], turn)
            order, seconds = order[:rest], seconds[:rest]
            for column, more in zip(found, self._chosen(order, seconds, turn), strict=True):
                column += more.tolist()
            turn = int(order[-1]) + 1
        return found

    def _chosen(self, order: Nodes, seconds: Nodes, turn: int) -> Sequence[NDArray[Any]]:
        """Put one task on each of these nodes, in this order."""
        prices, fitted = self.now[order], int(np.count_nonzero(self.now < inf))
        full = np.cumsum(self.then[order] == inf)
        fitting = fitted - np.concatenate(([0], full[:-1]))
        next_prices = self.now[seconds]
        self.now[order] = self.then[order]
        for column, more in self._reserved():
            column[order] += more
        part = Load(*(getattr(self.load, name)[order] for name in Load.__slots__))
        grown, every = _grown(part, self.asked), np.ones(len(order), dtype=bool)
        self.then[order] = costs(grown, self.asked, formula=self.formula, base=self.base, fits=every)
        # Whom the last one leaves behind is seen only now: it may be a node that was chosen in this round.
        last, since = int(order[-1]), int(order[-2]) + 1 if len(order) > 1 else turn
        cost, self.now[last] = self.now[last], inf
        seconds[-1] = second = Arrays().lowest(self.now, since % len(self.now))
        next_prices[-1], self.now[last] = self.now[second], cost
        return order, prices, fitting, seconds, next_prices

    def write(self, load: Load) -> None:
        """Write what is reserved now into a load that holds lists."""
        for name in ("reserved_cpu", "reserved_memory", "reserved_disk", "tasks"):
            getattr(load, name)[:] = getattr(self.load, name).tolist()

    def _reserved(self) -> list[tuple[Column, int]]:
        load, asked = self.load, self.asked
        return [
            (load.reserved_cpu, asked.cpu_milli),
            (load.reserved_memory, asked.memory_bytes),
            (load.reserved_disk, asked.disk_bytes),
            (load.tasks, 1),
        ]


def _grown(load: Load, asked: Resources) -> Load:
    """Return the columns with one more task of the class on each node."""
    held = load.reserved_cpu + asked.cpu_milli, load.reserved_memory + asked.memory_bytes
    busy = load.busy_cpu, load.busy_memory, load.busy_disk
    return Load(load.cpu, load.memory, load.disk, *held, load.reserved_disk + asked.disk_bytes, *busy, load.tasks + 1)


def _in_turn(nodes: Nodes, prices: Column, turn: int) -> tuple[Nodes, Nodes]:
    """Return the nodes, given in the fleet's order, as they are chosen, and beside each its runner-up.

    Of equal prices each time the next after the node chosen before comes first. The last one's runner-up is not known.
    """
    by_price = np.argsort(prices, kind="stable")
    order, sorted_prices = nodes[by_price], prices[by_price]
    ends = np.flatnonzero(np.diff(sorted_prices, append=inf)) + 1
    seconds = np.append(order[1:], order[-1])
    if len(ends) == len(order):
        return order, seconds
    begin = 0
    for end in ends.tolist():
        if end - begin > 1:
            alike = order[begin:end].copy()
            if begin:
                since = int(order[begin - 2]) + 1 if begin > 1 else turn
                seconds[begin - 1] = alike[np.searchsorted(alike, since) % len(alike)]
                turn = int(order[begin - 1]) + 1
            order[begin:end] = np.roll(alike, -int(np.searchsorted(alike, turn)))
            seconds[begin : end - 1] = order[begin + 1 : end]
        elif begin:
            seconds[begin - 1] = order[begin]
        begin = end
    return order, seconds
