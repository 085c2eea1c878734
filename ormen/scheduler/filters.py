"""What a node must fulfil, one filter a demand: each says whether it admits, and what blocks when it does not.

`explain` returns nothing exactly when `admits` is true. Both read `node.reserved` as it is now, so whoever
places a list hands in nodes with what was taken since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ormen.clock import rfc3339
from ormen.node import Node, NodeState, Resources
from ormen.reasons import Code
from ormen.scheduler.constraints import FACTS, Constraint, parse, values_of
from ormen.scheduler.ports import Clash, PortBook
from ormen.scheduler.values import Blocker, Change, Need
from ormen.scheduler.words import size_beside, size_down, size_up, without_unit
from ormen.units import format_age, format_cores


class Filter(Protocol):
    """One demand on a node."""

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether `node` fulfils the demand."""

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return what blocks, with amounts and names; nothing when `admits` is true."""


def room(need: Need, node: Node) -> Resources:
    """Return what is free on `node` for this need: its own reservation counts as free on its seat."""
    return node.free + need.resources if need.seat == node.name else node.free


_STATE_CODES = {
    NodeState.DRAINING: Code.NODE_DRAINING,
    NodeState.CORDONED: Code.NODE_CORDONED,
    NodeState.SUSPECT: Code.NODE_SUSPECT,
    NodeState.LOST: Code.NODE_LOST,
}


class Open:
    """The node takes tasks: it is ready, and its agent has told all that runs there."""

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether placement may choose the node at all."""
        return node.takes_tasks

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return why the node takes no tasks."""
        if node.takes_tasks:
            return ()
        code = _STATE_CODES.get(node.state, Code.NODE_SUSPECT)
        manual = code in (Code.NODE_DRAINING, Code.NODE_CORDONED)
        if node.state is NodeState.READY:
            text = f"{node.name} has reported all its containers"
        else:
            text = f"{node.name} {'is active again' if manual else 'comes back'}"
        change = Change(text, {"node": node.name, "state": "ready"})
        details = {"since": rfc3339(node.since_ms), "by": node.marked_by, "why": node.marked_why}
        return (Blocker(code, state_phrase(node), fits_if=change, details=details),)


def state_phrase(node: Node) -> str:
    """Return why a node takes no tasks, to stand beside its name: ``draining since 10:02 by ann``."""
    if node.state is NodeState.READY:
        return "ready, but its agent is still listing its containers"
    told = node.state_reason.sentence.rstrip(".") if node.state_reason else ""
    if told.lower().startswith(node.state.value):
        return told[0].lower() + told[1:]
    if told:
        return f"{node.state.value}: {told}"
    if node.state in (NodeState.SUSPECT, NodeState.LOST):
        return f"{node.state.value}, last spoke {format_age(node.heartbeat_age_s)} ago"
    return node.state.value


class Constraints:
    """The node's labels and facts meet every constraint."""

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether all constraints hold."""
        return all(parse(text).admits(node) for text in need.constraints)

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return one blocker for each constraint that does not hold; a label is not cured by waiting."""
        broken = [one for one in map(parse, need.constraints) if not one.admits(node)]
        return tuple(Blocker(Code.CONSTRAINT, _mismatch(one, node)) for one in broken)


def _mismatch(constraint: Constraint, node: Node) -> str:
    has = ", ".join(values_of(node, constraint.key))
    if constraint.key in FACTS:
        return f"{constraint.text}: is {has or 'unknown'}"
    return f"label {constraint.text}: has {f'{constraint.key}={has}' if has else f'no label {constraint.key}'}"


class Volume:
    """The node is the one that has the task's volume."""

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether the task may run where `node` is."""
        return need.pinned is None or need.pinned == node.name

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return where the volume is."""
        if self.admits(need, node):
            return ()
        return (Blocker(Code.VOLUME_ELSEWHERE, f"{volume_phrase(need)} is on {need.pinned}"),)


def volume_phrase(need: Need) -> str:
    """Return what keeps a pinned task: ``volume pgdata``."""
    return f"volume {need.volume}" if need.volume else "its volume"


@dataclass(frozen=True)
class Amount:
    """The node has enough of one resource that is not reserved."""

    code: Code
    noun: str
    field: str
    of: Callable[[Resources], int]

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether what is asked is free."""
        return self.of(need.resources) <= self.of(room(need, node))

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return what is asked and what is free."""
        asked, free = self.of(need.resources), self.of(room(need, node))
        if asked <= free:
            return ()
        has = self.down(free) if self.is_counted else size_beside(free, self.up(asked))
        said = without_unit(has, beside=self.up(asked))
        sentence = f"{self.noun}: asks {self.up(asked)}, {said} free"
        change = None
        if free > 0:
            flag = "cpus" if self.code is Code.FIT_CPU else self.field
            change = Change(f"{flag} <= {has}", self._document(free))
        return (Blocker(self.code, sentence, asked=asked, free=free, fits_if=change),)

    def up(self, amount: int) -> str:
        """Return an amount that is asked."""
        return self._count(amount) or size_up(amount)

    def down(self, amount: int) -> str:
        """Return an amount that is free."""
        return self._count(max(amount, 0)) or size_down(amount)

    def phrase(self, amount: int) -> str:
        """Return what is asked with its noun: ``4 GiB of memory``, ``2 cpu``."""
        of = "" if self._count(amount) else "of "
        return f"{self.up(amount)} {of}{self.noun if amount != 1 else self.noun.replace('GPUs', 'GPU')}"

    def more(self, amount: int) -> str:
        """Return an amount as a remedy names it: ``1.5 cpu``, ``2 GPUs``, ``4 GiB``."""
        return self.phrase(amount) if self._count(amount) else self.down(amount)

    @property
    def is_counted(self) -> bool:
        """Return whether it is a number of things, and no size."""
        return self.code in (Code.FIT_CPU, Code.FIT_GPU)

    def _count(self, amount: int) -> str:
        """Return a number that stands for itself, empty for what has a unit."""
        if self.code is Code.FIT_GPU:
            return str(amount)
        return format_cores(amount) if self.code is Code.FIT_CPU else ""

    def _document(self, free: int) -> dict[str, object]:
        if self.code is Code.FIT_CPU:
            return {"field": self.field, "at_most": free / 1000}
        if self.code is Code.FIT_GPU:
            return {"field": self.field, "at_most": free}
        return {"field": self.field, "at_most_bytes": free}


MEMORY = Amount(Code.FIT_MEMORY, "memory", "memory", lambda amounts: amounts.memory_bytes)
CPU = Amount(Code.FIT_CPU, "cpu", "cpu", lambda amounts: amounts.cpu_milli)
DISK = Amount(Code.FIT_DISK, "disk", "disk", lambda amounts: amounts.disk_bytes)
GPUS = Amount(Code.FIT_GPU, "GPUs", "gpus", lambda amounts: amounts.gpus)
AMOUNTS = (MEMORY, CPU, DISK, GPUS)
"""In the order in which sentences name them."""


class HostPorts:
    """The node's engine has every host port free that the task names, and enough of the pool for the others."""

    def __init__(self, book: PortBook, names: dict[str, str]) -> None:
        self._book = book
        self._names = names

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether all ports can be had."""
        return self._book.admits(need, node)

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return one blocker for each port that is taken, and one for a pool that is empty."""
        if not need.ports:
            return ()
        found = [self._taken(need, clash) for clash in self._book.clashes(need, node)]
        short = self._book.short(need, node)
        if short and not found:
            wanted = len(need.pool_ports())
            sentence = f"ports: asks {wanted} of the pool, {wanted - short} free"
            change = Change("a task with a port of the pool stops", {"field": "ports", "at_most": wanted - short})
            found.append(Blocker(Code.FIT_PORT, sentence, asked=wanted, free=wanted - short, fits_if=change))
        return tuple(found)

    def holder(self, task: str) -> str:
        """Return a task as sentences name it: ``task web (7f3c2a10)``, or by its short id alone."""
        name = self._names.get(task)
        return f"task {name} ({task[:8]})" if name else f"task {task[:8]}"

    def _taken(self, need: Need, clash: Clash) -> Blocker:
        port = f"port {clash.host}" + ("" if clash.protocol == "tcp" else f"/{clash.protocol}")
        if clash.holder == need.key:
            return Blocker(Code.FIT_PORT, f"{port}: named twice by the task itself")
        who = self._names.get(clash.holder, clash.holder[:8])
        change = Change(f"{who} stops", {"task": clash.holder, "state": "completed"})
        return Blocker(Code.FIT_PORT, f"{port}: {self.holder(clash.holder)}", fits_if=change)


OPEN, CONSTRAINTS, VOLUME = Open(), Constraints(), Volume()
WHERE: tuple[Filter, ...] = (CONSTRAINTS, VOLUME)
"""Filters that depend neither on what is taken nor on how the node is: if they refuse, waiting does not help."""
