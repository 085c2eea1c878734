"""What `ormen wait` says of each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen.cli.render.text import clean, small
from ormen.outcome import sentence_of
from ormen.units import format_duration

Record = Mapping[str, Any]


def there(task: Record, waited_s: float) -> str:
    """Return ``web: running on node-1 after 3.2s``, with the exit code of what has ended."""
    place = f" on {clean(task['node'])}" if task.get("node") else ""
    code = task.get("exit_code")
    ended = task["state"] in ("completed", "failed")
    rest = f", exit code {code}" if ended and code is not None else ""
    return f"{clean(task['name'])}: {state(task)}{place} after {format_duration(waited_s)}{rest}"


def state(task: Record) -> str:
    """Return the state, and ``healthy`` beside a passed check."""
    return f"{task['state']} and healthy" if task.get("health") == "healthy" else str(task["state"])


def never(task: Record, goal: str) -> str:
    """Return why a task cannot come to what it is waited for."""
    why = small(clean(sentence_of(task)))
    return f"{clean(task['name'])} is {task['state']} and not {goal}" + (f": {why}" if why else "")


def late(task: Record, goal: str, timeout_s: float) -> str:
    """Return what a task is when the time is over."""
    why = small(clean(sentence_of(task) or task.get("detail") or ""))
    spent = f"{clean(task['name'])} is not {goal} after {format_duration(timeout_s)}: it is {task['state']}"
    return spent + (f", {why}" if why else "")


def advice(task: Record) -> str:
    """Return the next command to type."""
    return f"ormen why {clean(task['name'])}"
