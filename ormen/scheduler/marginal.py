"""E-PVM's cost of one node after the other: the formula of `strategies.epvm`, written out for speed.

What a node carries is looked at once after each change, for all classes of needs; a class adds what it asks. Where
that fits no share of a resource reaches `MOST`, and a resource of which nothing is asked costs nothing. The rest are
the same operations in the same order: equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TypeAlias

from ormen.node import Resources
from ormen.scheduler.strategies import JOBS, MOST, Load

Carried: TypeAlias = tuple[int, int, int, int, int, int, float, float, float, float]
"""Of cpu, memory and disk what is free, what counts as carried, and base ** its share; then the job term."""


class Marginal:
    """What nodes carry, as `load`, which holds lists, has it; `forget` those that have changed."""

    def __init__(self, load: Load, base: float) -> None:
        self._load, self._base = load, base
        self._jobs: dict[int, float] = {}
        self._carried: list[Carried | None] = [None] * len(load.tasks)

    def forget(self, i: int) -> None:
        """Look at node `i` again when next asked."""
        self._carried[i] = None

    def cost_of(self, asked: Resources, is_open: Sequence[bool]) -> Callable[[int], float]:
        """Return what tells a node's cost as it is then: infinite where `asked` does not fit."""
        more_cpu, more_memory, more_disk = asked.cpu_milli, asked.memory_bytes, asked.disk_bytes
        cpu, memory, disk = self._load.cpu, self._load.memory, self._load.disk
        base, carried, look = self._base, self._carried, self._look

        def cost_of(i: int) -> float:
            there = carried[i] or look(i)
            free_cpu, free_memory, free_disk, on_cpu, on_memory, on_disk, was_cpu, was_memory, was_disk, job = there
            if more_cpu > free_cpu or more_memory > free_memory or more_disk > free_disk or not is_open[i]:
                return inf
            cost = base ** ((on_cpu + more_cpu) / cpu[i]) - was_cpu if more_cpu else 0.0
            if more_memory:
                cost += base ** ((on_memory + more_memory) / memory[i]) - was_memory
            if more_disk:
                cost += base ** ((on_disk + more_disk) / disk[i]) - was_disk
            return cost + job

        return cost_of

    def _look(self, i: int) -> Carried:
        load = self._load
        free_cpu, on_cpu, was_cpu = self._one(load.cpu[i], load.reserved_cpu[i], load.busy_cpu[i])
        free_memory, on_memory, was_memory = self._one(load.memory[i], load.reserved_memory[i], load.busy_memory[i])
        free_disk, on_disk, was_disk = self._one(load.disk[i], load.reserved_disk[i], load.busy_disk[i])
        job = self._job(load.tasks[i])
        found = free_cpu, free_memory, free_disk, on_cpu, on_memory, on_disk, was_cpu, was_memory, was_disk, job
        self._carried[i] = found
        return found

    def _one(self, whole: int, reserved: int, busy: int) -> tuple[int, int, float]:
        on = max(reserved, min(busy, whole))
        return whole - reserved, on, self._base ** min(on / whole, MOST) if whole > 0 else 1.0

    def _job(self, tasks: int) -> float:
        if tasks not in self._jobs:
            self._jobs[tasks] = self._base ** min((tasks + 1) / JOBS, MOST) - self._base ** min(tasks / JOBS, MOST)
        return self._jobs[tasks]
