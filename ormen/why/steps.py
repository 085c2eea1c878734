"""Where the time of a start goes: placed, queue, pull, start, check; from the events of the latest attempt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ormen.task import Attempt
from ormen.why.case import Case

_AMOUNT = re.compile(r", (?P<done>[\d.]+) MB at (?P<rate>[\d.]+) MB/s")
_SO_FAR = re.compile(r"pulling (?P<done>[\d.]+) of (?P<total>[\d.]+) MB at (?P<rate>[\d.]+) MB/s")

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Amounts:
    """How far a pull is, as its agent last said."""

    done_bytes: int
    total_bytes: int
    bytes_per_s: int

    @property
    def left_s(self) -> float | None:
        """Return how long the rest takes at this rate, None where nothing moves."""
        return (self.total_bytes - self.done_bytes) / self.bytes_per_s if self.bytes_per_s else None


def pulling(detail: str | None) -> Amounts | None:
    """Return the amounts of ``pulling 140 of 600 MB at 31 MB/s``."""
    found = _SO_FAR.search(detail or "")
    if found is None:
        return None
    done, total, rate = (round(float(found[name]) * MEGABYTE) for name in ("done", "total", "rate"))
    return Amounts(done, total, rate)


def steps(case: Case) -> list[dict[str, Any]]:
    """Return the steps of the latest attempt's start, in order; what was not read in events is left out."""
    current = case.task.attempts[-1] if case.task.attempts else None
    if current is None or current.assigned_ms is None:
        return []
    moments = _moments(case, current)
    found: list[dict[str, Any]] = []
    before: int | None = None
    for word, at in moments:
        if before is not None and at is not None:
            found.append(_step(case, word, max(0, at - before) / 1000))
        before = at if at is not None else before
    return found


def _moments(case: Case, current: Attempt) -> list[tuple[str, int | None]]:
    """Return when each step ended; the first entry is when the first began. A step that is not known is missing."""
    first = case.task.created_ms if current.number == 1 else _waited_since(case, current)
    received, pulling_, pulled = (_at(case, f"task.{kind}") for kind in ("received", "pulling", "pulled"))
    found: list[tuple[str, int | None]] = [("", first), ("placed", current.assigned_ms)]
    if received is not None:
        found.append(("queue", received))
    if pulled is not None and (pulling_ is None or pulled >= pulling_):
        found.append(("pull", pulled))
    if current.started_ms is not None:
        found.append(("start", current.started_ms))
        if case.spec.health is not None and case.task.healthy_ms is not None:
            found.append(("check", case.task.healthy_ms))
    return found


def _waited_since(case: Case, current: Attempt) -> int | None:
    """Return when the attempt before this one ended: the pause after it belongs to being placed."""
    before = next((one for one in case.ended if one.number < current.number), None)
    return before.ended_ms if before else None


def _at(case: Case, kind: str) -> int | None:
    event = case.event(kind)
    return event.at_ms if event else None


def _step(case: Case, word: str, took_s: float) -> dict[str, Any]:
    document: dict[str, Any] = {"step": word, "took_s": round(took_s, 3), "bytes": None, "bytes_per_s": None}
    pulled = case.event("task.pulled") if word == "pull" else None
    amount = _AMOUNT.search(pulled.sentence) if pulled else None
    if amount:
        document["bytes"] = round(float(amount["done"]) * MEGABYTE)
        document["bytes_per_s"] = round(float(amount["rate"]) * MEGABYTE)
    return {**document, "under_way": False}


def under_way(case: Case) -> dict[str, Any] | None:
    """Return the step that a scheduled task is in: the queue, a pull with its amounts, or its start."""
    current = case.task.attempts[-1] if case.task.attempts else None
    if current is None or current.assigned_ms is None:
        return None
    received, began, ended = (_at(case, f"task.{kind}") for kind in ("received", "pulling", "pulled"))
    word, since = ("queue", current.assigned_ms) if received is None else ("start", ended or received)
    if began is not None and ended is None:
        word, since = "pull", began
    amounts = pulling(case.task.detail) if word == "pull" else None
    return {
        "step": word,
        "took_s": round(case.ago_s(since), 1),
        "bytes": amounts.done_bytes if amounts else None,
        "bytes_per_s": amounts.bytes_per_s if amounts else None,
        "under_way": True,
    }
