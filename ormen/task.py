"""A task: what was asked for, what is wanted now, and what is so.

The permitted changes of the observed state are `TRANSITIONS`; every set of states is derived from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ormen.clock import rfc3339
from ormen.image_pin import Pin
from ormen.reasons import Code, Reason
from ormen.units import parse_duration


class State(StrEnum):
    """What a task was last seen doing."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def number(self) -> int:
        """Return the number the seed systems use: pending 0 … failed 4."""
        return list(State).index(self)


class Wanted(StrEnum):
    """What the user wants of a task. REMOVED is the tombstone that ``rm`` leaves until the agent has confirmed."""

    RUNNING = "running"
    STOPPED = "stopped"
    REMOVED = "removed"


class Health(StrEnum):
    """What the task's check says; None stands for a task without a check or without a container."""

    STARTING = "starting"
    HEALTHY = "healthy"
    FAILING = "failing"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.SCHEDULED, State.COMPLETED, State.FAILED}),
    State.SCHEDULED: frozenset({State.RUNNING, State.PENDING, State.COMPLETED}),
    State.RUNNING: frozenset({State.PENDING, State.COMPLETED, State.FAILED}),
    State.COMPLETED: frozenset({State.PENDING}),
    State.FAILED: frozenset({State.PENDING}),
}
"""From each observed state, the states it may change to. The store's scripts get their permissions from here."""

ENDED = frozenset(
    state for state, targets in TRANSITIONS.items() if targets <= {State.PENDING} and state is not State.PENDING
)
"""States without a next attempt unless somebody asks for one: completed, failed."""

LIVE = frozenset(State) - ENDED
"""States in which a task owns its name: pending, scheduled, running."""

PLACED = frozenset({State.SCHEDULED, State.RUNNING})
"""States in which a task belongs to a node."""


def sources(target: State) -> tuple[State, ...]:
    """Return the states from which `target` may be reached."""
    return tuple(state for state in State if target in TRANSITIONS[state])


@dataclass(frozen=True, slots=True)
class Port:
    """A container port published on the host: `host` is never 0 once a node is chosen."""

    container: int
    host: int
    protocol: str = "tcp"
    bind: str = "0.0.0.0"

    def to_list(self) -> list[Any]:
        """Return the packed form of the record: ``[container, host, protocol, bind]``."""
        return [self.container, self.host, self.protocol, self.bind]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One ended or current run of a task on one node. Times are milliseconds of Redis's clock, None if it never was."""

    number: int
    node: str
    container_id: str | None = None
    assigned_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    log_tail: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the attempt as the API shows it."""
        return {
            "attempt": self.number,
            "node": self.node,
            "container_id": self.container_id,
            "assigned_at": rfc3339(self.assigned_ms),
            "started_at": rfc3339(self.started_ms),
            "ended_at": rfc3339(self.ended_ms),
            "exit_code": self.exit_code,
            "reason": self.reason.to_json() if self.reason else None,
            "log_tail": list(self.log_tail),
        }


@dataclass(frozen=True, slots=True)
class Probe:
    """One check of a container, by its host's clock. `status` is that of HTTP or an exit code, None without answer."""

    at_ms: int
    ok: bool
    sentence: str
    took_ms: int = 0
    status: int | None = None
    output: str = ""

    def to_list(self) -> list[Any]:
        """Return the packed form of the record: the fields in their order."""
        return [self.at_ms, self.ok, self.sentence, self.took_ms, self.status, self.output]

    def to_json(self) -> dict[str, Any]:
        """Return the check as the API shows it."""
        return {
            "at": rfc3339(self.at_ms),
            "ok": self.ok,
            "status": self.status,
            "took_ms": self.took_ms,
            "output": self.output,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Task:
    """A task's record as the store holds it. Times are milliseconds of Redis's clock.

    `spec` is what the user sent, unchanged. `tries` counts the ends that spent the restart policy, `delays` the
    back-offs in a row; `seat` is the node that holds the task's reservation, also while a back-off waits.
    `restart` is the attempt that is to be ended and followed by another, `restart_code` why. `could_fit` says of a
    task that waits for room whether any known node could ever hold it: ``later`` or ``never``. `avoid` maps a node
    to the time until which another is preferred. `node` of a pending task is the one of its last attempt.
    `until_ms` is when a task fails that does not run by then. `paused_ms` is when the container was seen paused by
    somebody. `probes` are the last checks of an attempt that does not pass them, newest first. `resize` numbers the
    change of limits that its node has still to make, 0 when there is none; `refused` is why it could not be made.
    `spec_id` is under which id the store keeps its spec. `pin` is the image that the tag meant when a task of the
    submission first found it, `pin_id` under which id the store keeps that, "" where a tag is not resolved. `gpus` are
    those of the latest attempt. `received` says that the agent has the scheduled attempt in hand. `revision` grows with
    every write.
    """

    id: str
    name: str
    spec: Mapping[str, Any]
    wanted: Wanted
    state: State
    created_ms: int
    container_name: str
    attempt: int = 0
    node: str | None = None
    seat: str | None = None
    health: Health | None = None
    container_id: str | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    detail: str | None = None
    next_try_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    healthy_ms: int | None = None
    paused_ms: int | None = None
    until_ms: int | None = None
    resize: int = 0
    refused: str | None = None
    ports: tuple[Port, ...] = ()
    address: str | None = None
    placement: Mapping[str, Any] | None = None
    tries: int = 0
    delays: int = 0
    could_fit: str | None = None
    restart: int = 0
    restart_code: Code | None = None
    avoid: Mapping[str, int] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    probes: tuple[Probe, ...] = ()
    received: bool = False
    revision: int = 0
    spec_id: str = ""
    pin_id: str = ""
    pin: Pin | None = None
    gpus: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Return the names by which its image is known: as the spec has it, and pinned by its digest."""
        sent = str(self.spec.get("image") or "")
        return (sent, self.pin.reference(sent)) if self.pin else (sent,)

    @property
    def fence(self) -> tuple[str | None, int]:
        """Return (node, attempt): whoever carries another pair is refused."""
        return self.node, self.attempt

    @property
    def deadline_ms(self) -> int | None:
        """Return when it fails unless it runs by then or, once it runs, when it is ended; None: never."""
        if self.state in (State.PENDING, State.SCHEDULED):
            return self.until_ms
        longest = (self.spec.get("deadline") or {}).get("run")
        if longest is None or self.state is not State.RUNNING or self.started_ms is None:
            return None
        return self.started_ms + round(parse_duration(longest) * 1000)

    def to_json(self) -> dict[str, Any]:
        """Return the record as the API shows it: absent is null, times are RFC 3339 with milliseconds."""
        placed = self.state in PLACED
        return {
            "id": self.id,
            "name": self.name,
            "wanted": self.wanted.value,
            "state": self.state.value,
            "health": self.health.value if self.health else None,
            "attempt": self.attempt,
            "node": self.node,
            "container_name": self.container_name,
            "container_id": self.container_id,
            "exit_code": self.exit_code,
            "reason": self.reason.to_json() if self.reason else None,
            "detail": self.detail,
            "image_digest": self.pin.digest if self.pin else None,
            "paused_at": rfc3339(self.paused_ms),
            "resizing": self.resize > 0,
            "resize_refused": self.refused,
            "could_fit": self.could_fit,
            "next_try_at": rfc3339(self.next_try_ms),
            "deadline_at": rfc3339(self.deadline_ms),
            "created_at": rfc3339(self.created_ms),
            "started_at": rfc3339(self.started_ms),
            "ended_at": rfc3339(self.ended_ms),
            "restarts": self.tries,
            "ports": [
                {
                    "container": port.container,
                    "host": port.host,
                    "protocol": port.protocol,
                    "address": self.reachable(port),
                }
                for port in (self.ports if placed else ())
            ],
            "gpus": list(self.gpus) if placed else [],
            "placement": self.placement,
            "labels": dict(self.spec.get("labels") or {}),
            "spec": dict(self.spec),
        }

    def reachable(self, port: Port) -> str | None:
        """Return the address at which a published port answers: the bind address, or the node's for a wildcard."""
        return self.address if port.bind in ("0.0.0.0", "::") else port.bind
