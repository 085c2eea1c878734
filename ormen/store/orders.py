"""What the deck's verbs are given and what they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ormen.node import Resources
from ormen.reasons import Reason
from ormen.spec import NO_RULES, USUAL_PRIORITY, Rules
from ormen.store.picture import Look
from ormen.store.records import as_sent
from ormen.task import Attempt, Port, State, Task, Wanted

FIRST_LOOK_MS = 5000
"""A new task is placed by the request that creates it; the loops look at it this much later, should that die."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be stored. Tasks of one submission whose spec is the same as it is `kept` share `spec_id`.

    Those with the same tag share `pin_id`, so that they run one image; "": the tag is not resolved.
    `patience_ms` is how long it may wait to run before it fails; None: for ever. Of those that wait, one with a higher
    `priority` is placed first.
    """

    id: str
    name: str
    spec_id: str
    digest: str
    container_name: str
    need: Resources
    patience_ms: int | None = None
    priority: int = USUAL_PRIORITY
    pin_id: str = ""

    def waiting(self, spec: Mapping[str, Any], now_ms: int) -> Task:
        """Return the record as it was stored then, so that it need not be read to be placed."""
        return Task(
            self.id, self.name, as_sent(spec, self.id, self.name), Wanted.RUNNING, State.PENDING, now_ms,
            self.container_name, next_try_ms=now_ms + FIRST_LOOK_MS,
            until_ms=None if self.patience_ms is None else now_ms + self.patience_ms,
            revision=1, spec_id=self.spec_id, pin_id=self.pin_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Created:
    """The ids that were known already with the same content, when each other was stored, the fleet as it was then."""

    known: frozenset[str]
    at_ms: Mapping[str, int]
    look: Look


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task to be given to a node; `placement` is the document the API shows, empty for none.

    `group` is what it is counted by, and `rules` what else must be or not be on the node; both are checked again.
    `name` is the task's, for whoever reads the node's queue.
    """

    task: str
    node: str
    address: str
    ports: tuple[Port, ...]
    placement: Mapping[str, Any]
    text: str
    gpus: tuple[str, ...] = ()
    group: str = ""
    rules: Rules = NO_RULES
    name: str = ""

    def given(self, task: Task, at_ms: int) -> Task:
        """Return the record of a task that had had no attempt, as this has left it then."""
        return replace(
            task, state=State.SCHEDULED, attempt=1, node=self.node, seat=self.node, detail=f"sent to {self.node}",
            reason=None, could_fit=None, next_try_ms=None, placement=self.placement or None, gpus=self.gpus,
            ports=self.ports, address=self.address if self.ports else None,
            attempts=(Attempt(1, self.node, assigned_ms=at_ms),), revision=task.revision + 1,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assigned:
    """What became of an assignment: `code` is OK, STATE, NODE, FIT, PORT, GPU, MAX_PER_NODE, NEAR or FAR.

    `detail` is what stood in the way; of one that is placed the attempt, and `at_ms` when it was. `unrung` are nodes
    that want a ring and were given none: they may still have a container of an earlier attempt.
    """

    task: str
    node: str
    code: str
    detail: str
    at_ms: int = 0
    unrung: tuple[str, ...] = ()

    @property
    def placed(self) -> bool:
        """Return whether the task now belongs to the node."""
        return self.code == "OK"


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a pending task fits nowhere, and after how long it is looked at again.

    `attempt` is the record's as it was looked at: where another has been made since, nothing is noted.
    """

    task: str
    attempt: int
    reason: Reason
    could_fit: str
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Changed:
    """What a verb did to a task.

    `ring` are nodes that want a ring; `room` says that somebody waits for what was freed; `due` that the task may
    be placed now.
    """

    state: State
    ring: tuple[str, ...] = ()
    room: bool = False
    due: bool = False
