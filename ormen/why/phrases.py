"""Pieces of sentences that the deck and the command line both need. Light: it imports no scheduler."""

from __future__ import annotations

from ormen.units import format_age, format_clock, format_duration

MINUTES, DATE = 5, 5
"""How much of ``10:02:11`` and of ``11-18 10:02:11`` stands beside a node that an operator has marked."""


def standing(word: str, since_ms: int | None, marked: tuple[str | None, str | None], *, now_ms: int) -> str:
    """Return ``draining since 10:02 by ann, kernel``, ``lost since 10:03:45``; `marked` says by whom, and why.

    A drain is a purpose in itself; a cordon for which nobody gave a reason says so.
    """
    by, why = marked
    if since_ms is None:
        return word
    clock = format_clock(since_ms, now_ms=now_ms)
    if word not in ("draining", "cordoned"):
        return f"{word} since {clock}"
    short = clock[:DATE] if " " in clock else clock[:MINUTES]
    reason = f", {why}" if why else ", no reason" if word == "cordoned" else ""
    return f"{word} since {short} by {by or 'somebody'}{reason}"


def about(seconds: float) -> str:
    """Return a measured time as one says it of several: ``2s`` of 2.1 s, ``0.3s``."""
    return format_age(round(seconds)) if seconds >= 1 else format_duration(seconds)


def predicate(sentence: str) -> str | None:
    """Return a reason's sentence as it stands after a subject, without a full stop: ``was killed for want of …``.

    None where the sentence has a subject of its own.
    """
    text = sentence.rstrip(".")
    for begin, verb in _VERBS:
        if text.startswith(begin):
            return f"{verb}{text[len(begin) :]}"
    return None


_VERBS = (
    ("Exited with", "exited with"),
    ("Killed for", "was killed for"),
    ("Not healthy", "was not healthy"),
    ("Interrupted", "was interrupted"),
    ("Stopped", "was stopped"),
    ("Did not stop", "did not stop"),
    ("Did not run", "did not run"),
    ("Ran for", "ran for"),
)


def told(name: str, sentence: str) -> str:
    """Return what a reason says of the task `name`, without a full stop: ``web was interrupted on node-1: …``."""
    said = predicate(sentence)
    return f"{name} {said}" if said else f"{name}: {lowered(sentence)}"


def lowered(sentence: str) -> str:
    """Return a sentence to stand after a colon: a small first letter unless a name, no full stop."""
    text = sentence.strip().removesuffix(".")
    if text.startswith("Docker"):
        return text
    return text[0].lower() + text[1:] if len(text) > 1 and text[0].isupper() and text[1].islower() else text
