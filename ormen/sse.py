"""Server-sent events, read as they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event."""

    id: str
    event: str
    data: str


def read_messages(lines: Iterable[bytes], *, at: Callable[[str], None] | None = None) -> Iterator[Message]:
    """Yield the events of a text/event-stream; comments and events without data are passed over.

    A message counts only once its empty line has come, so a cut one is asked for again. `at` is told an id that comes
    without data: the place from which the stream begins.
    """
    last_id, event = "", ""
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if at and last_id and not data:
                at(last_id)
            if data:
                yield Message(last_id, event or "message", "\n".join(data))
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id":
            last_id = value
