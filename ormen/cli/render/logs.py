"""What is said around logs; the lines themselves are never touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ormen.cli.render.text import Look, age, clean, listed

Record = Mapping[str, Any]


def ended(task: Record, attempt: Record, look: Look) -> str:
    """Return what stands before the lines of a task's last attempt when none is under way."""
    name = clean(task["name"])
    if task["state"] in ("completed", "failed"):
        said = f"{name} {task['state']} {age(task.get('ended_at'), look)} ago on {clean(attempt['node'])}"
    else:
        said = f"{name} is {task['state']}"
    return f"{said}; attempt {attempt['attempt']}:"


def known(numbers: Sequence[int]) -> str | None:
    """Return which attempts can be asked for."""
    return f"on record: {listed([str(number) for number in sorted(numbers)])}." if numbers else None


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines of pieces that are cut anywhere; a last line without an end counts, too."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest
