"""What the scheduler is asked, what it looks at, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ormen.node import Node, Resources
from ormen.reasons import Code
from ormen.spec import USUAL_PRIORITY, PortSpec, Rules
from ormen.task import Port

if TYPE_CHECKING:
    from ormen.scheduler.survey import Survey

Counts = Mapping[str, Mapping[str, int]]
"""Per name of a task or group, and node: a number of tasks."""

Taken = Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]
"""Per engine id and host port (``8080/tcp``): who holds it, as pairs (bind address, task id)."""

POOL = range(20000, 30000)
"""Host ports for specs that name none: outside the kernel's ephemeral range (32768 to 60999)."""

DEFAULT_BIND = "0.0.0.0"
"""The bind address of a node that told none."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one attempt asks of a node.

    `key` is the task's id. `seat` is the node that already holds this task's reservation: there its own
    amounts count as free; its own host ports never block it. `prefer` is taken when it fits and is not in
    `avoid`; a node of `avoid` only when no other fits. `pinned` is the only node that will do, since the named
    `volume` is there. Of a list, those of a higher `priority` have their turn first; that is the caller's to see to.
    `gpu_ids` names the GPUs that it wants, where any will not do; `gpus_before` are those that it had, which it gets
    again where they are free.

    `name` and `group` are what it counts as for others, and `rules` what it asks of nodes beyond room, None: nothing.
    """

    key: str
    resources: Resources = field(default_factory=Resources)
    ports: tuple[PortSpec, ...] = ()
    constraints: tuple[str, ...] = ()
    strategy: str | None = None
    prefer: str | None = None
    avoid: frozenset[str] = frozenset()
    pinned: str | None = None
    seat: str | None = None
    volume: str | None = None
    priority: int = USUAL_PRIORITY
    gpu_ids: tuple[str, ...] = ()
    gpus_before: tuple[str, ...] = ()
    name: str = ""
    group: str = ""
    rules: Rules | None = None

    def fixed_ports(self) -> tuple[PortSpec, ...]:
        """Return the ports whose host port the spec names."""
        return tuple(port for port in self.ports if port.host is not None)

    def pool_ports(self) -> tuple[PortSpec, ...]:
        """Return the ports that take one from the pool."""
        return tuple(port for port in self.ports if port.host is None)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All known nodes, and what they share. The order of `nodes` is that in which ties are broken.

    `turn` rotates ties and the pool, so that two managers do not choose alike. `binds` maps a node to the
    address that ports without one listen on. `base` replaces the base of E-PVM's cost (None: the number of
    nodes, as in the paper, and at least `strategies.LEAST_BASE`). `names` maps task ids to names, for sentences only.
    `beside` says how many tasks of a name or group each node has, for those that the needs' rules speak of; `apart` how
    many tasks each node has that keep the tasks of a name or group away. `survey` may hold the columns of just these
    nodes, where they were kept.
    """

    nodes: Sequence[Node]
    taken: Taken = field(default_factory=dict)
    strategy: str = "epvm"
    pool: range = POOL
    turn: int = 0
    binds: Mapping[str, str] = field(default_factory=dict)
    base: float | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    beside: Counts = field(default_factory=dict)
    apart: Counts = field(default_factory=dict)
    survey: Survey | None = field(default=None, repr=False, compare=False)

    def bind(self, node: Node, port: PortSpec) -> str:
        """Return the host address on which `port` listens on `node`."""
        return port.bind or self.binds.get(node.name, DEFAULT_BIND)


def engine_of(node: Node) -> str:
    """Return what owns the node's host ports: its engine's id, or the node itself while that is unknown."""
    return node.engine or node.name


class Placement(NamedTuple):
    """The choice of a node. `cost` is the strategy's, `fitted` the number of nodes that fit, `next` the runner-up.

    `suited` is how many of those that fit met the need's preferences and spread best; None where it has neither.
    """

    key: str
    node: str
    strategy: str
    cost: float
    fitted: int
    next: tuple[tuple[str, float], ...] = ()
    ports: tuple[Port, ...] = ()
    gpus: tuple[str, ...] = ()
    suited: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the member ``placement`` of a task, costs with three significant digits."""
        return {
            "strategy": self.strategy,
            "cost": _shown(self.cost),
            "fitted": self.fitted,
            **({} if self.suited is None else {"suited": self.suited}),
            "next": [{"node": node, "cost": _shown(cost)} for node, cost in self.next],
        }

    def sentence(self) -> str:
        """Return the sentence of ``task.placed`` after "attempt N on": ``node-1, cheapest of 3 nodes that fit``."""
        if self.fitted == 1:
            return f"{self.node}, the only node that fits"
        if self.suited == 1:
            return f"{self.node}, best suited of {self.fitted} nodes that fit"
        if self.suited is not None and self.suited < self.fitted:
            best = _SUPERLATIVES[self.strategy]
            return f"{self.node}, {best} of the {self.suited} best suited of {self.fitted} nodes that fit"
        return f"{self.node}, {_SUPERLATIVES[self.strategy]} of {self.fitted} nodes that fit"


_SUPERLATIVES = {
    "epvm": "cheapest",
    "spread": "emptiest",
    "binpack": "fullest",
    "greedy": "least loaded",
    "roundrobin": "next",
}


def _shown(cost: float) -> float:
    return float(f"{cost:.3g}")


@dataclass(frozen=True, slots=True)
class Change:
    """What would have to become so for a blocker to go: as text of a table cell, and as JSON."""

    text: str
    document: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the document with the text as its sentence."""
        return {**self.document, "sentence": self.text}


_UNITS = {Code.FIT_MEMORY: "_bytes", Code.FIT_DISK: "_bytes", Code.FIT_CPU: "_cpu"}


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that keeps a task off one node.

    `asked` and `free` are amounts (milli-cores, bytes, ports) or None; `fits_if` is None when nothing that an
    operator does to a running node helps. `details` are further members of its document.
    """

    code: Code
    sentence: str
    asked: int | None = None
    free: int | None = None
    fits_if: Change | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return code, amounts with their unit in the name (``asked_bytes``, ``asked_cpu`` in cores), sentence."""
        document: dict[str, Any] = {"code": self.code.value}
        scale = 1000 if self.code is Code.FIT_CPU else 1
        for name, amount in (("asked", self.asked), ("free", self.free)):
            if amount is not None:
                document[name + _UNITS.get(self.code, "")] = amount / scale if scale > 1 else amount
        return {**document, **self.details, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Finding:
    """What the scan found: a code, the sentence, and what follows "NAME waits" if it is not "because" + sentence."""

    code: Code
    sentence: str
    clause: str = ""
    notes: tuple[str, ...] = ()
    fixes: tuple[tuple[str, str | None], ...] = ()
