"""The document that answers why: every member is there, null or empty where it says nothing."""

from __future__ import annotations

from typing import Any

from ormen.clock import rfc3339
from ormen.node import Node
from ormen.task import PLACED, State
from ormen.why import catalogue, ended, nodes, one_node, running, sending, waiting
from ormen.why.case import Case, Story

_STORIES = {
    State.PENDING: waiting.pending,
    State.SCHEDULED: sending.scheduled,
    State.RUNNING: running.running,
    State.COMPLETED: ended.completed,
    State.FAILED: ended.failed,
}

EMPTY: dict[str, Any] = {
    "could_fit": None,
    "queue": None,
    "nodes": [],
    "groups": [],
    "notes": [],
    "next": None,
    "now": None,
    "attempts": [],
    "log_attempt": None,
    "log_node": None,
    "log_tail": [],
    "probes": [],
    "steps": [],
}


def explain(case: Case, *, every: bool = False) -> dict[str, Any]:
    """Return why a task is as it is; `every` tells each node in full, however many there are."""
    story = _STORIES[case.task.state](case)
    single, groups = nodes.rows(case, every=every) if _blocked(case) else ([], [])
    return {
        **_head(case, story),
        **EMPTY,
        "nodes": single,
        "groups": groups,
        **story.more,
        "fixes": _fixes(case, story),
    }


def explain_node(case: Case, node: Node) -> dict[str, Any]:
    """Return why a task is not on `node`; of the task's own node why it is there, or was, as `explain` tells it."""
    if case.task.node == node.name and case.task.state in PLACED:
        return explain(case)
    story = one_node.not_there(case, node)
    return {**_head(case, story), **EMPTY, **story.more, "fixes": _fixes(case, story)}


def _blocked(case: Case) -> bool:
    """Return whether nodes are what keeps the task waiting: none fits, or some have refused it."""
    waits = case.task.state is State.PENDING and case.refusal is not None
    return waits and ((case.refusal is not None and case.refusal.could_fit != "now") or bool(nodes.refusals(case)))


def _head(case: Case, story: Story) -> dict[str, Any]:
    task = case.task
    return {
        "task": task.id,
        "name": task.name,
        "state": task.state.value,
        "wanted": task.wanted.value,
        "health": task.health.value if task.health else None,
        "node": task.node,
        "attempt": task.attempt,
        "code": story.code.value if story.code else None,
        "sentence": story.sentence,
        "page": catalogue.page(story.code),
        "since": rfc3339(_since(case)),
        "next_try_at": rfc3339(task.next_try_ms),
    }


def _since(case: Case) -> int | None:
    """Return since when the task is in its state."""
    task = case.task
    last = case.ended[0].ended_ms if case.ended else None
    if task.state is State.PENDING:
        return last or task.created_ms
    if task.state is State.SCHEDULED:
        current = task.attempts[-1] if task.attempts else None
        return current.assigned_ms if current else None
    return task.started_ms if task.state is State.RUNNING else task.ended_ms


def _fixes(case: Case, story: Story) -> list[dict[str, Any]]:
    found = catalogue.fixes(story.code, case) if story.fixes is None else story.fixes
    return [fix.to_json() for fix in found]
