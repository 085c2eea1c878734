"""What a webhook's message says: the event, the task as it is now, and why it is so."""

from __future__ import annotations

import json
from typing import Any

from manager_api.explaining import case_of
from manager_api.submission import Deck
from ormen.clock import rfc3339
from ormen.events import Event
from ormen.task import Task
from ormen.why.document import explain

LEFT_OUT = ("spec", "placement")
"""Of the record: a spec may hold secrets in its environment."""

NO_LINES = {"log_attempt", "log_node", "log_tail", "probes"}
"""Of the answer why: what a program has printed may hold anything, and a message leaves the cluster."""


def tell(deck: Deck, event: Event) -> bytes:
    """Return the body that tells of an event. Raises StoreUnavailable."""
    task = deck.store.read([event.task])[event.task] if event.task else None
    why = reason(deck, task) if task and still_so(task, event) else None
    return message(event, task, why, cluster=deck.store.cluster())


def message(event: Event, task: Task | None, why: dict[str, Any] | None, *, cluster: str) -> bytes:
    """Return the body of an event; without `why` its sentence is the event's own."""
    said = why["sentence"] if why else sentence(event)
    data = {"cluster": cluster, "sentence": said, "event": event.to_json(), "task": shown(task), "why": why}
    body = {"type": event.type, "timestamp": rfc3339(event.at_ms), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def still_so(task: Task, event: Event) -> bool:
    """Return whether the task is as the event has left it: only then does why it is so explain the event."""
    return event.target is not None and (task.state.value, task.attempt) == (event.target, event.attempt)


def reason(deck: Deck, task: Task) -> dict[str, Any]:
    """Return why a task is as it is, without what it has printed."""
    return {key: value for key, value in explain(case_of(deck, task)).items() if key not in NO_LINES}


def sentence(event: Event) -> str:
    """Return what happened, for people: ``web failed on node-1: Exited with code 1.``."""
    what = event.type.partition(".")[2].replace("_", " ")
    who = event.name or event.node or event.type.partition(".")[0]
    where = f" on {event.node}" if event.name and event.node else ""
    word = what if event.type in ("task.failed", "task.completed") else f"is {what}"
    return f"{who} {word}{where}" + (f": {event.sentence}" if event.sentence else "")


def shown(task: Task | None) -> dict[str, Any] | None:
    """Return what a message tells of a task's record."""
    if task is None:
        return None
    record = {key: value for key, value in task.to_json().items() if key not in LEFT_OUT}
    return record | {"image": task.spec.get("image")}
