"""`ormen events`: time, what, event, sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.text import Look, clean, clock, epoch, paint, word_colour, wrap
from ormen.units import format_duration

Record = Mapping[str, Any]

_EVENT_WIDE = 9
_BAD = frozenset({"lost", "failed", "gap", "on"})
_GOOD = frozenset({"running", "healthy", "ready"})


def what(event: Record) -> str:
    """Return whom an event is about: the task's name, the node's, or the brake."""
    if str(event["type"]).startswith("brake."):
        return "brake"
    about_node = str(event["type"]).startswith("node.")
    return clean((event.get("node") if about_node else event.get("name")) or event.get("task") or "-")


def kind(event: Record) -> str:
    """Return the last part of an event's type: ``task.placed`` → ``placed``."""
    return str(event["type"]).rpartition(".")[2]


def line(event: Record, look: Look, *, wide: int = 6) -> str:
    """Return one event as a line (wrapped under its sentence on a terminal); `wide` is WHAT's width."""
    time = clock(event.get("at"), look, millis=True)
    name = what(event)
    return _drawn(event, (time, name + " " * max(wide - len(name), 0)), look)


def history(events: Sequence[Record], look: Look) -> str:
    """Return one task's or node's events with the gaps between them instead of its name."""
    lines, before = [], None
    for event in events:
        now = epoch(event.get("at"))
        gap = "" if before is None or now is None else f"+{format_duration(now - before)}"
        before = now
        lines.append(_drawn(event, (clock(event.get("at"), look, millis=True), gap.ljust(max(8, len(gap)))), look))
    return "\n".join(lines)


def listed(events: Sequence[Record], look: Look) -> str:
    """Return events of all kinds, their names aligned."""
    return "\n".join(line(event, look, wide=width(events)) for event in events)


def width(events: Sequence[Record]) -> int:
    """Return how wide the names of these events are, at least 6."""
    return max([6, *(len(what(event)) for event in events)])


def _drawn(event: Record, before: tuple[str, str], look: Look) -> str:
    word = kind(event)
    colour = "red" if word in _BAD else "green" if word in _GOOD else word_colour(word)
    head = f"{before[0]}  {before[1]}  "
    sentence = clean(event.get("sentence") or "").removesuffix(".")
    if word == "running":
        sentence = sentence.removesuffix(" started")
    reason = event.get("reason")
    if reason and word == "pending":
        sentence = f"{reason['code']}: {clean(reason['sentence']).removesuffix('.')}"
    lead = f"{head}{word.ljust(_EVENT_WIDE)}  "
    lines = wrap(sentence, look.width, first=lead, rest=" " * len(lead))
    if look.colour:
        painted = paint(before[0], "dim", look) + head[len(before[0]) :] + paint(word, colour, look)
        lines[0] = painted + lines[0][len(head) + len(word) :]
    return "\n".join(lines).rstrip()
