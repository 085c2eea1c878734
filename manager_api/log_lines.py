"""A log as one JSON object a line: with the place and the time of each line, so that a reader can go on after a break.

The first object says of which attempt the lines are: ``task``, ``name``, ``attempt``, ``node``, ``live`` (false: the
kept lines of an attempt whose container is gone), and ``at``, the node's time when it began. Then ``{"at", "text"}``
for each line, with ``"more": true`` where the line goes on in the next object; ``{}`` where nothing was printed for a
while; and last ``{"end", "sentence"}``: ``ENDED``, or the code of what ended it early. An answer without that last
object has broken off.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ormen.errors import OrmenError
from ormen.task import Task

STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ")
"""The time before each line, as the engine writes it."""

LONGEST = 65_536
"""Of a longer line the beginning is passed on before its end has come."""

SIGN_S = 10.0
"""How long the answer is silent at most."""


class Lines:
    """Cuts pieces of text, each line of it with its time, into objects."""

    def __init__(self) -> None:
        self._held = ""
        self._at: str | None = None
        self._inside = False

    def feed(self, text: str) -> Iterator[dict[str, Any]]:
        """Yield the lines that are whole now."""
        *whole, self._held = (self._held + text).split("\n")
        for line in whole:
            yield self._object(line, more=False)
        if len(self._held) > LONGEST:
            yield from self.rest()

    def rest(self) -> Iterator[dict[str, Any]]:
        """Yield what is there of a line that has no end yet."""
        if self._held:
            held, self._held = self._held, ""
            yield self._object(held, more=True)

    def _object(self, line: str, *, more: bool) -> dict[str, Any]:
        if not self._inside:
            found = STAMP.match(line)
            self._at = found[1] if found else None
            line = line[found.end() :] if found else line
        self._inside = more
        return {"at": self._at, "text": line, **({"more": True} if more else {})}


def head(task: Task, *, attempt: int, node: str | None, live: bool, at: str | None = None) -> dict[str, Any]:
    """Return the first object."""
    return {"task": task.id, "name": task.name, "attempt": attempt, "node": node, "live": live, "at": at}


def kept(lines: Iterable[str], first: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on record of an attempt."""
    yield "".join(_text(each) for each in (first, *({"at": None, "text": line} for line in lines), {"end": "ENDED"}))


def told(pieces: Iterable[str], first: dict[str, Any]) -> Iterator[str]:
    """Yield a log as it comes; an empty piece is a sign that the node is there."""
    lines = Lines()
    yield _text(first)
    said_at = time.monotonic()
    last: dict[str, Any] = {"end": "ENDED", "sentence": None}
    try:
        for piece in pieces:
            found = "".join(map(_text, lines.feed(piece)))
            if found or time.monotonic() - said_at > SIGN_S:
                said_at = time.monotonic()
                yield found or "{}\n"
    except OrmenError as error:
        last = {"end": error.code, "sentence": error.sentence}
    yield "".join(map(_text, (*lines.rest(), last)))


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
