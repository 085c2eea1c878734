"""What agents and the store say to each other: cards, heartbeats, reports, and the answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ormen.node import Resources
from ormen.reasons import Code, Reason
from ormen.task import Health, Port, Probe, State, Task


@dataclass(frozen=True, slots=True)
class NodeCard:
    """What a node says of itself when it joins. `facts` is anything small that the API shows by name."""

    name: str
    instance: str
    address: str
    status_url: str
    engine: str
    engine_version: str
    os: str
    arch: str
    agent_version: str
    labels: Mapping[str, str]
    capacity: Resources
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Joined:
    """The cluster a node has joined; `known` says whether it had been there before."""

    cluster: str
    interval_s: float
    known: bool


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One sign of life.

    `trouble` is why the node is no good just now (ENGINE_DOWN, ENGINE_HUNG, NOT_CONSUMING …). `facts`, if any,
    replace what was measured with an earlier beat.
    """

    node: str
    instance: str
    cluster: str
    used: Resources
    load: float
    pass_age_s: float = 0.0
    consumed_age_s: float = 0.0
    trouble: Reason | None = None
    sent_ms: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a heartbeat, which is the second doorbell.

    `known` false: this Redis knows no such node or is another cluster's; change nothing. `replaced`: another
    instance is this node, which last spoke at `heard_ms`; change nothing. `resync`: report a complete pass over Docker
    before anything is given to the node.
    """

    known: bool
    replaced: bool
    resync: bool
    inbox: int
    inbox_age_s: float
    interval_s: float
    now_ms: int
    heard_ms: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """Something a reader wants of this node: `kind` and its options."""

    id: str
    kind: str
    task: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What was in the inbox: tasks with their records as they are now, ids without a record, requests."""

    tasks: tuple[Task, ...] = ()
    gone: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """An agent's news of one attempt: one transition to `target`.

    `release` gives the reservation back (the container is gone or exited); without it a pending task keeps its
    seat on the node. `spends` counts one try of the restart policy. `delay_ms` is the back-off before the next
    attempt, `delays` the new number of back-offs in a row, `avoid_ms` how long another node is preferred.
    `also_started` is the sentence of the start when a container ended before its start was reported.
    """

    task: str
    node: str
    attempt: int
    target: State
    reason: Reason | None = None
    container_id: str | None = None
    exit_code: int | None = None
    ports: tuple[Port, ...] | None = None
    health: Health | None = None
    log_tail: Sequence[str] = ()
    spends: bool = False
    delay_ms: int = 0
    delays: int | None = None
    avoid_ms: int = 0
    release: bool = False
    also_started: str | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a report: refused when the record is another attempt's, another node's or in another state."""

    accepted: bool
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something worth knowing of an attempt that is no transition; None leaves a field as it is.

    `paused` says that somebody has paused its container, or let it go on. `probes` are the last checks, newest first;
    empty: those on record are over. `resize` is the change of its limits that is settled: told late, after another
    change, nothing is written. `refused` is why it could not be made. `revision` is the record's as it was read, where
    nothing is to be written if it has changed since.
    """

    task: str
    node: str
    attempt: int
    event: str | None = None
    sentence: str = ""
    code: Code | None = None
    detail: str | None = None
    health: Health | None = None
    container_id: str | None = None
    paused: bool | None = None
    probes: tuple[Probe, ...] | None = None
    resize: int | None = None
    refused: str | None = None
    revision: int | None = None
