"""Which of the nodes that fit: a cost for each, the lowest wins.

Every formula is written once, over `Load` and an `Arithmetic`: one node's numbers with `Scalar`, or a whole
fleet's columns with `ormen.scheduler.vectors.Columns`. Both do the same IEEE operations in the same order, so the
answers are equal to the last bit and it does not matter which path a fleet takes.

E-PVM: Y. Amir, B. Awerbuch, A. Barak, R. S. Borgstrom and A. Keren, "An opportunity cost approach for job
assignment in a scalable computing cluster", IEEE Transactions on Parallel and Distributed Systems 11 (7), 2000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from ormen.node import Resources

Amount: TypeAlias = Any
"""One number, or a column with one number for each node."""

LIEB = 1.53960071783900203869
"""Lieb's square ice constant, the base the seed systems use. It leaves small nodes idle until big ones are full."""

LEAST_BASE = 1000.0
"""Base of E-PVM's costs in fleets of fewer nodes than this: a small base leaves small nodes idle beside big ones."""

JOBS = 100
"""Tasks that count as a full node in E-PVM's job term; a node may hold more."""

MOST = 32.0
"""Highest utilisation that is told apart, so that base ** utilisation stays finite for any fleet."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a node has and carries. Amounts in milli-cores and bytes, `busy_*` what the host really uses."""

    cpu: Amount
    memory: Amount
    disk: Amount
    reserved_cpu: Amount
    reserved_memory: Amount
    reserved_disk: Amount
    busy_cpu: Amount
    busy_memory: Amount
    busy_disk: Amount
    tasks: Amount


class Arithmetic(Protocol):
    """What formulas need beyond ``+ - *``, for one number or for a column."""

    def ratio(self, part: Amount, whole: Amount) -> Amount:
        """Return part / whole, 0 where there is no whole."""

    def larger(self, one: Amount, other: Amount) -> Amount:
        """Return the larger of each pair."""

    def smaller(self, one: Amount, other: Amount) -> Amount:
        """Return the smaller of each pair."""

    def power(self, base: float, exponent: Amount) -> Amount:
        """Return base ** exponent by the C library's ``pow``, for columns too."""


class Scalar:
    """`Arithmetic` on plain numbers."""

    def ratio(self, part: Amount, whole: Amount) -> Amount:
        """Return part / whole, 0 where there is no whole."""
        return part / whole if whole > 0 else 0.0

    def larger(self, one: Amount, other: Amount) -> Amount:
        """Return the larger."""
        return one if one > other else other

    def smaller(self, one: Amount, other: Amount) -> Amount:
        """Return the smaller."""
        return one if one < other else other

    def power(self, base: float, exponent: Amount) -> Amount:
        """Return base ** exponent."""
        return base**exponent


Formula: TypeAlias = Callable[[Load, Resources, float, Arithmetic], Amount]
"""Cost of putting `Resources` on a node with `Load`, in a fleet whose E-PVM base is the float."""


def epvm(load: Load, asked: Resources, base: float, math: Arithmetic) -> Amount:
    """Return the marginal cost: over cpu, memory, disk and jobs, base ** after - base ** before.

    "Before" is what is reserved or really used, whichever is more: a busy host counts as busy although nothing
    is reserved there, and a reservation counts although its container idles. "After" adds what is asked.
    """

    def marginal(carried: Amount, extra: int, whole: Amount) -> Amount:
        before = math.smaller(math.ratio(carried, whole), MOST)
        after = math.smaller(math.ratio(carried + extra, whole), MOST)
        return math.power(base, after) - math.power(base, before)

    cost = marginal(_carried(load.reserved_cpu, load.busy_cpu, load.cpu, math), asked.cpu_milli, load.cpu)
    if asked.memory_bytes:
        memory = _carried(load.reserved_memory, load.busy_memory, load.memory, math)
        cost = cost + marginal(memory, asked.memory_bytes, load.memory)
    if asked.disk_bytes:
        disk = _carried(load.reserved_disk, load.busy_disk, load.disk, math)
        cost = cost + marginal(disk, asked.disk_bytes, load.disk)
    return cost + marginal(load.tasks, 1, load.tasks * 0 + JOBS)


def _carried(reserved: Amount, busy: Amount, whole: Amount, math: Arithmetic) -> Amount:
    """Return what counts as carried: reserved or really used, of that at most what the node has."""
    return math.larger(reserved, math.smaller(busy, whole))


def spread(load: Load, asked: Resources, base: float, math: Arithmetic) -> Amount:
    """Return the number of tasks, and as the fraction half the largest share that would be reserved."""
    return load.tasks + _fullest(load, asked, math) * 0.5


def binpack(load: Load, asked: Resources, base: float, math: Arithmetic) -> Amount:
    """Return the share of cpu and memory that would stay free, so that the fullest node wins."""
    cpu = math.ratio(load.cpu - load.reserved_cpu - asked.cpu_milli, load.cpu)
    memory = math.ratio(load.memory - load.reserved_memory - asked.memory_bytes, load.memory)
    return (cpu + memory) * 0.5


def greedy(load: Load, asked: Resources, base: float, math: Arithmetic) -> Amount:
    """Return the cpu load the node would have, of what is reserved or really used, whichever is more."""
    carried = _carried(load.reserved_cpu, load.busy_cpu, load.cpu, math)
    return math.ratio(carried + asked.cpu_milli, load.cpu)


def roundrobin(load: Load, asked: Resources, base: float, math: Arithmetic) -> Amount:
    """Return 0 for every node: ties go to the next one after the node chosen last."""
    return load.tasks * 0.0


def _fullest(load: Load, asked: Resources, math: Arithmetic) -> Amount:
    cpu = math.ratio(load.reserved_cpu + asked.cpu_milli, load.cpu)
    memory = math.ratio(load.reserved_memory + asked.memory_bytes, load.memory)
    disk = math.ratio(load.reserved_disk + asked.disk_bytes, load.disk)
    return math.larger(math.larger(cpu, memory), disk)


STRATEGIES: Mapping[str, Formula] = {
    "epvm": epvm,
    "spread": spread,
    "binpack": binpack,
    "greedy": greedy,
    "roundrobin": roundrobin,
}


def named(strategy: str) -> Formula:
    """Return the formula of a strategy; raise ValueError that lists the known ones."""
    if strategy not in STRATEGIES:
        raise ValueError(f'"{strategy}" is no strategy; there are {", ".join(STRATEGIES)}')
    return STRATEGIES[strategy]
