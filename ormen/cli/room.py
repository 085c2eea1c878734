"""Whether a task that waits could ever fit: no node has so much even when empty."""

from __future__ import annotations

from typing import Any

from ormen.client import Client
from ormen.outcome import code_of
from ormen.transport import ClientError, Document
from ormen.units import UnitError, parse_size

_AMOUNTS = {"FIT_CPU": "cpu", "FIT_MEMORY": "memory", "FIT_DISK": "disk"}


def with_room(client: Client, task: Document) -> Document:
    """Return the record with ``could_fit`` never, if it asks more of something than any node has at all."""
    field = _AMOUNTS.get(code_of(task) or "")
    if task["state"] != "pending" or field is None or "could_fit" in task:
        return task
    asked = _asked(task.get("spec") or {}, field)
    try:
        key = "cpu" if field == "cpu" else f"{field}_bytes"
        most = max((float(node["capacity"][key]) for node in client.nodes()), default=None)
    except ClientError:
        return task  # not known: it goes on waiting
    if asked is None or most is None:
        return task
    return {**task, "could_fit": "never" if asked > most else "later"}


def _asked(spec: dict[str, Any], field: str) -> float | None:
    value = spec.get(field)
    try:
        return None if value is None else float(value) if field == "cpu" else parse_size(value)
    except (UnitError, TypeError, ValueError):
        return None
