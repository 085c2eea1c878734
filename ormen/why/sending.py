"""Why a scheduled task does not run yet: what its node does with it, or that its node cannot."""

from __future__ import annotations

from typing import Any

from ormen.clock import rfc3339
from ormen.node import Node, NodeState
from ormen.reasons import Code
from ormen.task import Wanted
from ormen.units import format_age, format_duration, format_rate, format_transfer
from ormen.why import catalogue
from ormen.why.case import Case, Story
from ormen.why.phrases import lowered
from ormen.why.steps import pulling, steps, under_way

QUIET_INTERVALS, HEARD_WITHIN_S = 5, 15.0
"""After so many heartbeats without a message read an agent posts one to itself, and restarts if it does not hear it
within that time: `worker_agent.proof` has the same numbers."""

NOTICED_S = 1.0
"""An agent that hears has heard its own message by then."""

RUNG_AGAIN_S, PLACED_ELSEWHERE_S = 30.0, 60.0
"""When a task of which nothing is heard is rung again, and placed elsewhere (the loop `reschedule`)."""

UNHEARD_S = 2.0
"""A message that is this long on its way is late."""


def scheduled(case: Case) -> Story:
    """Return how far the start is, and what is in its way."""
    if case.task.wanted is Wanted.STOPPED:
        sent = f"{case.task.name} is being stopped before it runs on {case.task.node}."
        return Story(None, sent, (), {"steps": _steps(case)})
    trouble = _trouble(case)
    if trouble:
        return trouble
    if case.event("task.received") is None and _sent_s(case) >= UNHEARD_S:
        return _not_received(case)
    return Story(None, f"{case.task.name} {_doing(case)}.", (), {"steps": _steps(case)})


def _sent_s(case: Case) -> float:
    current = case.task.attempts[-1] if case.task.attempts else None
    return case.ago_s(current.assigned_ms) if current else 0.0


def _sent(case: Case) -> str:
    return f"{case.task.name} was sent to {case.task.node} {format_age(_sent_s(case))} ago"


def _steps(case: Case) -> list[dict[str, Any]]:
    now = under_way(case)
    return [*steps(case), *([now] if now else [])]


def _trouble(case: Case) -> Story | None:
    """Say what is wrong with the node: ormen's own part is named, too."""
    node = case.node
    more = {"steps": _steps(case), "next": elsewhere(case)}
    if node is None:
        return Story(Code.NODE_LOST, f"{_sent(case)}, which is not a node of this cluster any more.", (), more)
    if node.state not in (NodeState.LOST, NodeState.SUSPECT):
        return None
    code = node.state_reason.code if node.state_reason else Code.NODE_SUSPECT
    if node.silent:
        spoke = (
            f"whose agent last spoke {format_age(node.heartbeat_age_s)} ago" if node.heartbeat_ms else "which is down"
        )
        return Story(code, f"{_sent(case)}, {spoke}.", None, more)
    said = lowered(node.state_reason.sentence) if node.state_reason else "it is of no use just now"
    return Story(code, f"{_sent(case)}, but that node is suspect: {said}.", None, more)


def elsewhere(case: Case) -> dict[str, Any] | None:
    """Return when a silent node is lost and its tasks are placed elsewhere."""
    node = case.node
    if node is None or node.held or not node.heartbeat_ms:
        return None
    at = node.heartbeat_ms + case.lost_ms
    if node.state is NodeState.LOST or at <= case.now_ms or not node.silent:
        return None
    return {"kind": "node", "at": rfc3339(at), "sentence": f"placed elsewhere unless {node.name} speaks"}


def _not_received(case: Case) -> Story:
    """Say that the agent lives and has not taken the task: its heartbeat comes, its queue is not read."""
    node, sent_s = case.node, _sent_s(case)
    assert node is not None
    deaf_s = consumed_age_s(node, case)
    quiet_s = QUIET_INTERVALS * case.interval_ms / 1000
    if deaf_s is not None and deaf_s >= quiet_s + NOTICED_S:
        sentence = (
            f"{_sent(case)} and not received: the agent's heartbeat comes, but it has read nothing from its queue for "
            f"{format_age(deaf_s)}."
        )
        at = case.now_ms + round((quiet_s + HEARD_WITHIN_S - deaf_s) * 1000)
        following = {"kind": "agent", "at": rfc3339(at), "sentence": "the agent restarts itself if it stays deaf"}
        more = {"steps": _steps(case), "next": following if at > case.now_ms else None}
        return Story(Code.NOT_CONSUMING, sentence, (), more)
    spoke = f"its agent last spoke {format_duration(node.heartbeat_age_s)} ago and is busy or slow"
    late = sent_s >= RUNG_AGAIN_S
    at = case.now_ms + round((PLACED_ELSEWHERE_S - sent_s) * 1000)
    following = {"kind": "node", "at": rfc3339(at), "sentence": f"placed elsewhere unless {node.name} takes it"}
    code = Code.START_STALLED if late else None
    more = {"steps": _steps(case), "next": following}
    return Story(code, f"{_sent(case)} and not received yet; {spoke}.", catalogue.fixes(code, case), more)


def consumed_age_s(node: Node, case: Case) -> float | None:
    """Return for how long the agent has read nothing from its queue, None where it has not said so."""
    said = node.facts.get("consumed_age_s")
    return None if said is None else float(said) + max(0.0, (case.now_ms - node.heartbeat_ms) / 1000)


def _doing(case: Case) -> str:
    task, detail = case.task, case.task.detail or ""
    now = under_way(case)
    since = format_age(now["took_s"]) if now else "0s"
    amounts = pulling(detail)
    if amounts:
        far = format_transfer(amounts.done_bytes, amounts.total_bytes)
        left = f", about {format_age(amounts.left_s)} left" if amounts.left_s is not None else ""
        rate = f" at {format_rate(amounts.bytes_per_s)}"
        return f"is starting on {task.node}: it pulls {case.spec.image}, {far}{rate}{left}"
    if now and now["step"] == "pull":
        return f"is starting on {task.node}: it pulls {case.spec.image} since {since}, and no amount was heard yet"
    if now and now["step"] == "queue":
        return f"was sent to {task.node} {since} ago"
    return f"is starting on {task.node}: its container is being created since {since}"
