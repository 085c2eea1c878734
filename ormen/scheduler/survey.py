"""What placing needs of all nodes, as columns: made once, and brought up to date where a node has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ormen.node import Node, Resources
from ormen.scheduler.strategies import Formula, Load, Scalar
from ormen.scheduler.values import DEFAULT_BIND, engine_of

if TYPE_CHECKING:
    from ormen.scheduler.vectors import Column

CLASSES = 8
"""Classes of needs whose costs are brought up to date with the nodes, those that were asked for last."""
FEW = 8
"""While fewer than one node of so many has changed, bringing costs up to date is quicker than working out all."""

Class: TypeAlias = tuple[Resources, Formula, float]
"""What costs depend on besides the nodes: the amounts asked, the formula and its base."""

_SCALAR = Scalar()


@dataclass(slots=True)
class Survey:
    """Nodes in order, the place of each and of those on each engine, what they carry, and which take tasks.

    `binds` are the nodes' addresses for ports without one, of those that told another than the usual.

    Nothing of it is changed once it is made. `packed` are the load's columns as arrays, once somebody asked for them,
    and `priced` what the classes that were asked for last cost on each node, whether or not they fit there.
    """

    nodes: Sequence[Node]
    index: Mapping[str, int]
    mates: Mapping[str, Sequence[int]]
    load: Load
    takes: list[bool]
    binds: Mapping[str, str]
    packed: Load | None = field(default=None, repr=False)
    priced: dict[Class, Column] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, nodes: Sequence[Node], before: Survey | None = None) -> Survey:
        """Return the survey of these nodes; one that is the same object in `before` costs nothing."""
        changed = before.changed(nodes) if before is not None else None
        if before is None or changed is None:
            return cls(
                nodes, _index(nodes), _mates(nodes), _load(nodes), [node.takes_tasks for node in nodes], _binds(nodes)
            )
        if not changed:
            return before
        load, takes = copied(before.load), before.takes[:]
        packed = copied(before.packed) if before.packed is not None else None
        fresh = _load([nodes[i] for i in changed])
        for name in Load.__slots__:
            for column in (getattr(whole, name) for whole in (load, packed) if whole is not None):
                for i, value in zip(changed, getattr(fresh, name), strict=True):
                    column[i] = value
        for i in changed:
            takes[i] = nodes[i].takes_tasks
        names = {nodes[i].name for i in changed}
        binds = {name: bind for name, bind in before.binds.items() if name not in names}
        binds |= _binds([nodes[i] for i in changed])
        survey = cls(nodes, before.index, before.mates, load, takes, binds, packed)
        if len(changed) * FEW <= len(nodes):
            survey.priced = {word: survey._moved(prices, word, changed) for word, prices in list(before.priced.items())}
        return survey

    def changed(self, nodes: Sequence[Node]) -> list[int] | None:
        """Return the places of the nodes that are other objects; None where a node came, went or changed its engine."""
        if len(nodes) != len(self.nodes):
            return None
        places = [i for i, (old, new) in enumerate(zip(self.nodes, nodes, strict=True)) if old is not new]
        same = all(
            (self.nodes[i].name, engine_of(self.nodes[i])) == (nodes[i].name, engine_of(nodes[i])) for i in places
        )
        return places if same else None

    def columns(self) -> Load:
        """Return the load as arrays, which are not to be changed. Imports numpy."""
        if self.packed is None:
            from ormen.scheduler.vectors import packed

            self.packed = packed(self.load)
        return self.packed

    def prices(self, asked: Resources, formula: Formula, base: float) -> Column:
        """Return what a class costs on each node, whether or not it fits; not to be changed. Imports numpy."""
        word = asked, formula, base
        prices = self.priced.pop(word, None)
        if prices is None:
            from ormen.scheduler.vectors import prices as priced

            prices = priced(self.columns(), asked, formula=formula, base=base)
        self.priced[word] = prices
        for former in list(self.priced)[:-CLASSES]:
            self.priced.pop(former, None)
        return prices

    def _moved(self, prices: Column, word: Class, changed: Sequence[int]) -> Column:
        """Return a class's costs, which were these before these nodes changed."""
        prices, (asked, formula, base), load = prices.copy(), word, self.load
        for i in changed:
            there = Load(*(getattr(load, name)[i] for name in Load.__slots__))
            prices[i] = formula(there, asked, base, _SCALAR)
        return prices


def growing(load: Load) -> Load:
    """Return the load with lists of its own for what grows while tasks are placed."""
    own = {name: getattr(load, name)[:] for name in ("reserved_cpu", "reserved_memory", "reserved_disk", "tasks")}
    return replace(load, **own)


def copied(load: Load) -> Load:
    """Return the load with columns of its own, lists or arrays."""
    return Load(*(getattr(load, name).copy() for name in Load.__slots__))


def _index(nodes: Sequence[Node]) -> dict[str, int]:
    return {node.name: i for i, node in enumerate(nodes)}


def _mates(nodes: Sequence[Node]) -> dict[str, list[int]]:
    mates: dict[str, list[int]] = {}
    for i, node in enumerate(nodes):
        mates.setdefault(engine_of(node), []).append(i)
    return mates


def _binds(nodes: Sequence[Node]) -> dict[str, str]:
    told = ((node.name, str(node.facts.get("bind", DEFAULT_BIND))) for node in nodes)
    return {name: bind for name, bind in told if bind != DEFAULT_BIND}


def _load(nodes: Sequence[Node]) -> Load:
    columns: dict[str, list[Any]] = {
        "cpu": [node.capacity.cpu_milli for node in nodes],
        "memory": [node.capacity.memory_bytes for node in nodes],
        "disk": [node.capacity.disk_bytes for node in nodes],
        "reserved_cpu": [node.reserved.cpu_milli for node in nodes],
        "reserved_memory": [node.reserved.memory_bytes for node in nodes],
        "reserved_disk": [node.reserved.disk_bytes for node in nodes],
        "busy_cpu": [node.used.cpu_milli for node in nodes],
        "busy_memory": [node.used.memory_bytes for node in nodes],
        "busy_disk": [node.used.disk_bytes for node in nodes],
        "tasks": [node.tasks for node in nodes],
    }
    return Load(**columns)
