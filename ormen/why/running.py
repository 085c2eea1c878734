"""Why a running task is as it is: as asked, failing its check, on a silent node, moved, or begun again."""

from __future__ import annotations

from typing import Any

from ormen.clock import rfc3339
from ormen.node import NodeState
from ormen.reasons import Code
from ormen.task import Attempt, Health, Wanted
from ormen.units import format_age, format_clock
from ormen.why import attempts, catalogue, checks, waiting
from ormen.why.case import Case, Fix, Story
from ormen.why.phrases import lowered, predicate
from ormen.why.sending import elsewhere
from ormen.why.steps import steps

RECENT_S = 600.0
"""For so long the end of the attempt before is what people ask about; then back-offs are forgotten, too."""

MOVED = frozenset({Code.NODE_LOST, Code.NODE_DRAINING, Code.ENGINE_DOWN, Code.ENGINE_HUNG, Code.NOT_CONSUMING})
"""Ends after which another node goes on."""


def running(case: Case) -> Story:
    """Return the first that holds, from what is under way to what was."""
    return _asked(case) or _silent(case) or _paused(case) or checks.failing(case) or _before(case) or _well(case)


def _asked(case: Case) -> Story | None:
    task = case.task
    if task.wanted is Wanted.STOPPED:
        detail = f": {task.detail}" if task.detail else ""
        return Story(Code.STOPPED, f"{task.name} is being stopped on {task.node}{detail}.", (), {})
    if task.restart and task.restart == task.attempt:
        code = task.restart_code or Code.RESTARTED
        why = f"{task.node} is being drained" if code is Code.NODE_DRAINING else "a restart was asked for"
        return Story(code, f"{task.name} is being stopped on {task.node} and started again, since {why}.", (), {})
    return None


def _silent(case: Case) -> Story | None:
    node, name = case.node, case.task.name
    if node is None or node.state not in (NodeState.LOST, NodeState.SUSPECT):
        return None
    code = node.state_reason.code if node.state_reason else Code.NODE_SUSPECT
    if not node.silent:
        said = lowered(node.state_reason.sentence) if node.state_reason else "of no use just now"
        return Story(code, f"{name} runs on {node.name}, which is suspect: {said}.", None, {})
    spoke = f"{format_age(node.heartbeat_age_s)} ago" if node.heartbeat_ms else "before it went down"
    sentence = f"{name} ran on {node.name} when that node's agent last spoke, {spoke}"
    if node.held:
        brake = lowered(case.brake.sentence(now_ms=case.now_ms) or "tasks of silent nodes wait for their return")
        sentence = f"{sentence}; the brake keeps it there: {brake}"
    return Story(code, f"{sentence}.", None, {"next": elsewhere(case)})


def _paused(case: Case) -> Story | None:
    task = case.task
    if task.paused_ms is None:
        return None
    since = format_clock(task.paused_ms, now_ms=case.now_ms)
    fix = Fix(f"docker unpause {task.container_name} on {task.node}")
    return Story(None, f"{task.name} is paused by somebody on {task.node} since {since}: it runs no code.", (fix,), {})


def _before(case: Case) -> Story | None:
    """Say why the attempt before ended, while that is recent."""
    task, last = case.task, case.ended[0] if case.ended else None
    if last is None or last.reason is None or case.ago_s(task.started_ms) >= RECENT_S:
        return None
    if last.reason.code is Code.OOM:
        story = waiting.oom(case, last)
        return Story(story.code, story.sentence, story.fixes, {**story.more, "now": now(case)})
    more = {"attempts": [attempts.document(one) for one in case.ended]}
    return Story(last.reason.code, _ended(case, last), (), {**more, "now": now(case), **_words(last)})


def _words(last: Attempt) -> dict[str, Any]:
    own = last.reason is not None and last.reason.code in (Code.EXIT, Code.HEALTH_HTTP, Code.HEALTH_TCP)
    return attempts.last_words([last], most=5) if own else {}


def _ended(case: Case, last: Attempt) -> str:
    task, reason = case.task, last.reason
    assert reason is not None
    at = format_clock(last.ended_ms or case.now_ms, now_ms=case.now_ms)
    said = attempts.without_pause(reason.sentence)
    if last.started_ms is None:
        return f"{task.name} was refused by {last.node} at {at} and runs on {task.node} now: {lowered(said)}."
    if reason.code in MOVED and last.node == task.node:
        return f"{task.name} runs on {task.node} again, from which it was taken at {at}: {lowered(said)}."
    if last.node != task.node:
        return f"{task.name} was moved from {last.node} to {task.node} at {at}: {lowered(said)}."
    spoken = predicate(said)
    return f"{task.name} was started again at {at}: {f'it {spoken}' if spoken else lowered(said)}."


def now(case: Case) -> dict[str, Any]:
    """Return what runs now."""
    task = case.task
    return {
        "attempt": task.attempt,
        "node": task.node,
        "since": rfc3339(task.started_ms),
        "memory_bytes": None,
        "rising": False,
        "memory_limit_bytes": case.spec.memory_limit_bytes,
        "error": None,
    }


def _well(case: Case) -> Story:
    task = case.task
    began = format_clock(task.started_ms or case.now_ms, now_ms=case.now_ms)
    if case.spec.health is None:
        sentence = f"{task.name} runs on {task.node} as asked, since {began}."
    elif task.health is Health.HEALTHY:
        since = format_clock(task.healthy_ms or case.now_ms, now_ms=case.now_ms)
        sentence = f"{task.name} runs on {task.node} as asked, healthy since {since}."
    else:
        return checks.starting(case)
    return Story(None, sentence, catalogue.fixes(None, case), {"steps": steps(case)})
