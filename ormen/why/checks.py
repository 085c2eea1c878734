"""Why a task that runs is not healthy: what its check was answered, how often, and what follows."""

from __future__ import annotations

import re
from typing import Any

from ormen.clock import rfc3339
from ormen.reasons import Code
from ormen.spec import HealthSpec
from ormen.task import Health
from ormen.units import format_age
from ormen.why.attempts import MOST_S
from ormen.why.case import Case, Story
from ormen.why.steps import steps

_FAILURES = re.compile(r"(?P<said>.*?) \((?P<count>\d+) of \d+ failures\)$")
_TIMES = {1: "once", 2: "twice in a row", 3: "three times in a row", 4: "four times in a row"}
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}


def code_of(health: HealthSpec) -> Code:
    """Return the code of a check that fails."""
    if health.command is not None:
        return Code.HEALTH_COMMAND
    return Code.HEALTH_TCP if health.tcp is not None else Code.HEALTH_HTTP


def failing(case: Case) -> Story | None:
    """Return what a failing check was answered; None of a task that does not fail."""
    health, task = case.spec.health, case.task
    if health is None or task.health is not Health.FAILING:
        return None
    found = _FAILURES.match(task.detail or "")
    said, count = (found["said"], int(found["count"])) if found else (task.detail or "no answer", 1)
    times = _TIMES.get(count, f"{count} times in a row")
    if count >= health.retries:
        end = "its attempt is being ended"
    elif count == health.retries - 1:
        end = f"a {_ORDINALS.get(health.retries, f'{health.retries}th')} time ends the attempt"
    else:
        end = f"{health.retries} times in a row end the attempt"
    sentence = f"{task.name} runs but fails its check: {said} {times}; {end}."
    return Story(code_of(health), sentence, (), {"probes": probes(case), "next": _next(case, health, count)})


def _next(case: Case, health: HealthSpec, count: int) -> dict[str, Any] | None:
    """Return when the next check is, and what follows if it is the one too many."""
    last = case.task.probes[0].at_ms if case.task.probes else None
    if last is None or count >= health.retries:
        return None
    if count < health.retries - 1:
        then = "the next check"
    elif not case.spec.restart.allows(exit_code=1, spent=case.task.tries):
        then = "if it fails, the task fails: its restart policy is spent"
    elif case.task.delays:
        then = f"if it fails, attempt {case.task.attempt + 1} follows after a pause of at most {MOST_S:.0f}s"
    else:
        then = f"if it fails, attempt {case.task.attempt + 1} follows at once"
    return {"kind": "check", "at": rfc3339(last + round(health.interval_s * 1000)), "sentence": then}


def probes(case: Case) -> list[dict[str, Any]]:
    """Return the last checks, the newest first."""
    return [probe.to_json() for probe in case.task.probes]


def starting(case: Case) -> Story:
    """Return that a task runs and has passed no check yet, and from when on failures count."""
    task, health = case.task, case.spec.health
    assert health is not None
    ran_s = case.ago_s(task.started_ms)
    sentence = f"{task.name} runs on {task.node} since {format_age(ran_s)} and has passed no check yet"
    last = f": {task.probes[0].sentence}" if task.probes else ""
    until = (task.started_ms or case.now_ms) + round(health.grace_s * 1000)
    left = until > case.now_ms
    following = {"kind": "check", "at": rfc3339(until), "sentence": "from then on failures count"} if left else None
    more = {"steps": steps(case), "probes": probes(case), "next": following}
    return Story(None, f"{sentence}{last}.", (), more)
