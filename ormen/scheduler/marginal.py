"""E-PVM's cost of one node after the other: the formula of `strategies.epvm`, written out for speed.

What a node carries is looked at once after each change, for all classes of needs; a class adds what it asks. Where
that fits no share of a resource reaches `MOST`, and a resource of which nothing is asked costs nothing. The rest are
the same operations in the same order: equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TypeAlias

from ormen.node import Resources
from ormen.scheduler.strategies import JOBS, MOST, Load

Share: TypeAlias = tuple[int, int, int, float]
Carried: TypeAlias = tuple[int, int, int, float, int, int, int, float, int, int, int, float, float]
"""Of cpu, memory and disk what is free, what there is, what counts as carried and base ** its share; the job term."""

GROWING = (1.5, 100_000.0)
"""Bases between which every task that a node gains makes it dearer, as long as it has fewer than `GROWS_TO`.

With each task the job term gains (base ** 0.01 - 1)² at least, and nothing else falls but by rounding, which is less:
below 1e-14 for the one base and 1e-3 for the other, where the gain is 1.6e-5 and 1.5e-2.
"""

GROWS_TO = 3100
"""Tasks below which the job term grows; at 32 times `JOBS` it falls to nothing."""


class Marginal:
    """What nodes carry, as `load`, which holds lists, has it; `forget` those that have changed."""

    def __init__(self, load: Load, base: float) -> None:
        self._load, self.base = load, base
        self._jobs: dict[int, float] = {}
        self.carried: list[Carried | None] = [None] * len(load.tasks)

    def forget(self, i: int) -> None:
        """Look at node `i` again when next asked."""
        self.carried[i] = None

    def look(self, i: int) -> Carried:
        """Return what node `i` carries now."""
        load, share = self._load, self._share
        tasks = load.tasks[i]
        self.carried[i] = found = (
            share(load.cpu[i], load.reserved_cpu[i], load.busy_cpu[i])
            + share(load.memory[i], load.reserved_memory[i], load.busy_memory[i])
            + share(load.disk[i], load.reserved_disk[i], load.busy_disk[i])
            + (self._jobs.get(tasks) or self._job(tasks),)
        )
        return found

    def _share(self, whole: int, reserved: int, busy: int) -> Share:
        on = busy if busy < whole else whole
        if reserved > on:
            on = reserved
        if not on or whole <= 0:
            return whole - reserved, whole or 1, on, 1.0
        share = on / whole
        return whole - reserved, whole, on, self.base ** (share if share < MOST else MOST)

    def _job(self, tasks: int) -> float:
        job: float = self.base ** min((tasks + 1) / JOBS, MOST) - self.base ** min(tasks / JOBS, MOST)
        self._jobs[tasks] = job
        return job


class MarginalCosts:
    """What one class of needs costs on each node: `asked`, where `is_open`."""

    __slots__ = ("_asked", "_is_open", "_marginal", "growth")

    def __init__(self, marginal: Marginal, asked: Resources, is_open: Sequence[bool]) -> None:
        self._marginal, self._is_open = marginal, is_open
        self._asked = asked.cpu_milli, asked.memory_bytes, asked.disk_bytes
        self.growth = 0.9 * (marginal.base ** (1 / JOBS) - 1) ** 2

    def cost(self, i: int) -> float:
        """Return a node's cost as it is now: infinite where what is asked does not fit."""
        marginal, base = self._marginal, self._marginal.base
        more_cpu, more_memory, more_disk = self._asked
        (
            free_cpu, cpu, on_cpu, was_cpu, free_memory, memory, on_memory, was_memory, free_disk, disk, on_disk,
            was_disk, job,
        ) = marginal.carried[i] or marginal.look(i)  # fmt: skip
        if more_cpu > free_cpu or more_memory > free_memory or more_disk > free_disk or not self._is_open[i]:
            return inf
        cost = base ** ((on_cpu + more_cpu) / cpu) - was_cpu if more_cpu else 0.0
        if more_memory:
            cost += base ** ((on_memory + more_memory) / memory) - was_memory
        if more_disk:
            cost += base ** ((on_disk + more_disk) / disk) - was_disk
        return cost + job

    def costs(self, nodes: Sequence[int]) -> list[float]:
        """Return the costs of nodes where what is asked fits; of what is not asked, a share costs 0.0 exactly."""
        more_cpu, more_memory, more_disk = self._asked
        if more_disk:
            return [self.cost(i) for i in nodes]
        marginal, base = self._marginal, self._marginal.base
        carried, look = marginal.carried, marginal.look
        return [
            base ** ((on_cpu + more_cpu) / cpu)
            - was_cpu
            + (base ** ((on_memory + more_memory) / memory) - was_memory)
            + job
            for _, cpu, on_cpu, was_cpu, _, memory, on_memory, was_memory, _, _, _, _, job in [
                carried[i] or look(i) for i in nodes
            ]
        ]
