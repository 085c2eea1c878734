"""The whole story of a task that came to grief, in one column of time: its client, its events, the faults around it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from tests.chaos.book import Book
from tests.chaos.clients import Away, ask
from tests.chaos.verdict import Flaw
from tests.cluster.bed import Bed

Line = tuple[float, str]
LOG_LINES = 12


def story(flaw: Flaw, bed: Bed, book: Book, faults: Sequence[Line]) -> str:
    """Return everything that is known about a flaw's task, oldest first."""
    entry = book.entries.get(flaw.task)
    lines = [(at, f"fault   {text}") for at, text in faults]
    if entry is not None:
        lines += [(at, f"client  {text}") for at, text in entry.deeds]
        lines += [(at, f"event   {text}") for at, text in _events(bed, entry.id)]
        begin = entry.deeds[0][0] - 5 if entry.deeds else 0.0
        lines = [line for line in lines if line[0] >= begin]
    text = [str(flaw), *(f"  {_clock(at)}  {what}" for at, what in sorted(lines)[-200:])]
    if entry is not None:
        text += [f"  {line}" for line in _logs(bed, entry.name)]
    return "\n".join(text)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03}"


def _events(bed: Bed, task: str) -> Iterator[Line]:
    for event in _items(bed, f"/v1/events?task={task}&limit=1000"):
        at = datetime.fromisoformat(event["at"]).timestamp()
        code = (event["reason"] or {}).get("code", "")
        yield at, f"{event['type']} {event['node'] or ''} {event['attempt'] or ''} {code} {event['sentence']}"


def _items(bed: Bed, path: str) -> list[dict[str, Any]]:
    try:
        status, document = ask(bed, "GET", path, patience_s=20)
    except Away:
        return []
    return list(document["items"]) if status == 200 and isinstance(document, dict) else []


def _logs(bed: Bed, name: str) -> Iterator[str]:
    for host in bed.hosts:
        lines = [line for line in host.log.splitlines() if name in line]
        yield from (f"{host.name} says: {line}" for line in lines[-LOG_LINES:])
