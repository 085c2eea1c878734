"""The attempts that have ended: how each did, how they resemble each other, and the pauses between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ormen.clock import rfc3339
from ormen.exits import coded, signal_of
from ormen.reasons import Code
from ormen.task import Attempt
from ormen.units import MIB, format_size
from ormen.why.case import Case
from ormen.why.phrases import about, lowered

MOST_S = 60.0
"""The longest pause between two attempts, as the agents keep it."""

_REACHED = re.compile(r"its limit of (\d+) MiB")
"""As the agent writes it."""

AT_ONCE_S = 0.05
"""What ran no longer would read as 0.0 s."""

_ENDS = {
    Code.INTERRUPTED: "interrupted",
    Code.STOPPED: "stopped",
    Code.RESTARTED: "restart asked",
    Code.CLUSTER_DOWN: "cluster went down",
    Code.HEALTH_HTTP: "failed its check",
    Code.HEALTH_TCP: "failed its check",
    Code.HEALTH_COMMAND: "failed its check",
}


def ran_s(attempt: Attempt) -> float | None:
    """Return how long an attempt's container ran; None if it never did, or still does."""
    if attempt.started_ms is None or attempt.ended_ms is None:
        return None
    return max(0.0, (attempt.ended_ms - attempt.started_ms) / 1000)


def document(attempt: Attempt) -> dict[str, Any]:
    """Return an ended attempt as ``why`` shows it; what reached its limit of memory has had just that at its peak."""
    code = attempt.reason.code if attempt.reason else None
    ran = ran_s(attempt)
    return {
        "attempt": attempt.number,
        "node": attempt.node,
        "started_at": rfc3339(attempt.started_ms),
        "ended_at": rfc3339(attempt.ended_ms),
        "ran_s": None if ran is None else round(ran, 1),
        "exit_code": attempt.exit_code,
        "signal": signal_of(attempt.exit_code),
        "peak_bytes": reached_bytes(attempt),
        "code": code.value if code else None,
        "ended_by": ended_by(attempt),
    }


def reached_bytes(attempt: Attempt) -> int | None:
    """Return the limit of memory that an attempt was killed at; the spec may have another by now. None without one."""
    found = _REACHED.search(attempt.reason.sentence) if attempt.reason and attempt.reason.code is Code.OOM else None
    return int(found[1]) * MIB if found else None


def ended_by(attempt: Attempt) -> str:
    """Return what ended an attempt, in a few words: ``exit code 1``, ``out of memory, limit 256 MiB``."""
    code = attempt.reason.code if attempt.reason else None
    if code is Code.OOM:
        limit = reached_bytes(attempt)
        return f"out of memory, limit {format_size(limit)}" if limit else "out of memory"
    if code is Code.NODE_LOST:
        return f"{attempt.node} lost"
    if code is Code.NODE_DRAINING:
        return f"{attempt.node} drained"
    if code in _ENDS:
        return _ENDS[code]
    if code in (None, Code.EXIT):
        return coded(attempt.exit_code)
    return code.value if code else ""


def alike(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Return the newest attempts that ended for the same reason, with the same exit code."""
    same: list[Attempt] = []
    for attempt in attempts:
        first = attempts[0]
        if attempt.exit_code != first.exit_code or _code(attempt) is not _code(first):
            break
        same.append(attempt)
    return tuple(same)


def _code(attempt: Attempt) -> Code | None:
    return attempt.reason.code if attempt.reason else None


def lasting(attempts: Sequence[Attempt]) -> str | None:
    """Return how long attempts that ran about equally long did, to stand before "after": ``about 2s``, or ``right``.

    None where they differ, or never ran.
    """
    times = sorted(time for one in attempts if (time := ran_s(one)) is not None)
    if not times or times[-1] > 2 * times[0] + 1:
        return None
    middle = times[len(times) // 2]
    return "right" if middle < AT_ONCE_S else f"about {about(middle)}"


def pauses_s(case: Case) -> list[float]:
    """Return the pauses between the attempts on record, the oldest first; the last one may still go on."""
    past = sorted(case.task.attempts, key=lambda one: one.number)
    found = [
        max(0.0, (after.assigned_ms - before.ended_ms) / 1000)
        for before, after in pairwise(past)
        if before.ended_ms is not None and after.assigned_ms is not None
    ]
    last = case.ended[0].ended_ms if case.ended else None
    if last is not None and case.task.next_try_ms is not None and case.task.next_try_ms >= last:
        found.append((case.task.next_try_ms - last) / 1000)
    return [round(pause, 1) for pause in found]


def next_attempt(case: Case) -> dict[str, Any]:
    """Return what follows, and the pauses until now: ``attempt 6; pauses were 0s, 1.1s, now 8.9s, at most 60s``."""
    *before, now = pauses_s(case) or [0.0]
    number = case.task.attempt + 1
    shown = ", ".join(_pause(one) for one in before[-5:])
    were = f"pauses were {shown}, now {_pause(now)}" if before else f"after a pause of {_pause(now)}"
    sentence = f"attempt {number}; {were}, at most {MOST_S:.0f}s" if now else f"attempt {number} follows at once"
    at = rfc3339(case.task.next_try_ms)
    return {"kind": "attempt", "at": at, "sentence": sentence, "pauses_s": [*before, now]}


def _pause(seconds: float) -> str:
    return f"{seconds:.1f}s" if 0 < seconds < 60 else f"{seconds:.0f}s"


def last_words(attempts: Sequence[Attempt], *, most: int) -> dict[str, Any]:
    """Return the last lines of the newest attempt that left any."""
    spoke = next((one for one in attempts if one.log_tail), None)
    if spoke is None:
        return {}
    return {"log_attempt": spoke.number, "log_node": spoke.node, "log_tail": list(spoke.log_tail[-most:])}


def said(attempt: Attempt) -> str:
    """Return an attempt's reason to stand in a sentence, without the pause that its agent added."""
    text = attempt.reason.sentence if attempt.reason else coded(attempt.exit_code)
    return lowered(without_pause(text))


def without_pause(sentence: str) -> str:
    """Return a reason's sentence without ``; attempt 3 follows a pause of 2.1s``: why tells when the next try is."""
    return sentence.partition("; attempt ")[0].rstrip(".")
