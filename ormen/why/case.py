"""What an explanation is made of, and what a finding says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ormen.brake import Brake
from ormen.events import Event
from ormen.node import Node
from ormen.reasons import Code
from ormen.scheduler.explanation import Refusal
from ormen.scheduler.values import Fleet, Need
from ormen.spec import Spec
from ormen.task import Attempt, Task


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of one task at one moment. Times are ms of Redis's clock.

    `node` is that of the latest attempt, None if there is none or it is known no more. `events` are those of the latest
    attempt, oldest first, as far as they were read. `need`, `fleet` and `refusal` are there for a task that waits, or
    when it was asked for a node; `refusal` then also where some node fits. `queue` is (place, length) among those that
    wait for room. `circle` is the task and those that it waits for, each to be near the next, if that comes round.
    `interval_ms` is the time between heartbeats, `lost_ms` the silence after which a node is lost.
    """

    task: Task
    spec: Spec
    now_ms: int
    node: Node | None = None
    events: tuple[Event, ...] = ()
    need: Need | None = None
    fleet: Fleet | None = None
    refusal: Refusal | None = None
    queue: tuple[int, int] | None = None
    circle: tuple[Task, ...] = ()
    brake: Brake = field(default_factory=Brake)
    interval_ms: int = 1_000
    lost_ms: int = 8_000

    @property
    def ended(self) -> tuple[Attempt, ...]:
        """Return the attempts that have ended, the newest first."""
        return tuple(one for one in reversed(self.task.attempts) if one.ended_ms is not None)

    def ago_s(self, ms: int | None) -> float:
        """Return how long ago a moment was, 0 for none and for one that is still to come."""
        return max(0.0, (self.now_ms - ms) / 1000) if ms is not None else 0.0

    def event(self, kind: str) -> Event | None:
        """Return the last event of a type in the latest attempt."""
        return next((event for event in reversed(self.events) if event.type == kind), None)


@dataclass(frozen=True, slots=True)
class Fix:
    """A remedy; `kind` ``retry`` only saves the wait for the next try."""

    sentence: str
    command: str | None = None
    kind: str = "cure"

    def to_json(self) -> dict[str, Any]:
        """Return the remedy as the document has it."""
        return {"sentence": self.sentence, "command": self.command, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class Story:
    """What was found: the code (None where nothing is wrong), the sentence, and the members of the document it fills.

    `fixes` None leaves the remedies to the catalogue.
    """

    code: Code | None
    sentence: str
    fixes: tuple[Fix, ...] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
