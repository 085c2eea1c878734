"""What the deck's verbs are given and what they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ormen.node import Resources
from ormen.reasons import Reason
from ormen.spec import NO_RULES, USUAL_PRIORITY, Rules
from ormen.store.picture import Look
from ormen.task import Port, State, Task, Wanted


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be stored. Tasks of one submission with the same spec as sent share `spec_id`.

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

    def waiting(self, spec: Mapping[str, Any]) -> Task:
        """Return the record as it was just stored, but for its times: enough to place it without reading it."""
        return Task(
            self.id, self.name, spec, Wanted.RUNNING, State.PENDING, 0, self.container_name,
            revision=1, spec_id=self.spec_id, pin_id=self.pin_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Created:
    """The ids that were known already with the same content, and the fleet as it was just then."""

    known: frozenset[str]
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


@dataclass(frozen=True, slots=True)
class Assigned:
    """What became of an assignment: `code` is OK, STATE, NODE, FIT, PORT, GPU, MAX_PER_NODE, NEAR or FAR.

    `unrung` are nodes that want a ring and were given none: they may still have a container of an earlier attempt.
    """

    task: str
    node: str
    code: str
    detail: str
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
