"""Why a task is not on a certain node: what keeps it off, or that another was chosen before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ormen.node import Node
from ormen.reasons import Code
from ormen.scheduler.explanation import could_ever
from ormen.scheduler.words import listed
from ormen.task import PLACED, State
from ormen.units import format_clock
from ormen.why import nodes
from ormen.why.case import Case, Fix, Story

_STATES = frozenset({Code.NODE_DRAINING, Code.NODE_CORDONED, Code.NODE_SUSPECT, Code.NODE_LOST})


def not_there(case: Case, node: Node) -> Story:
    """Return why the task is not on `node`, which is one of the case's fleet and not the task's own."""
    assert case.need is not None
    assert case.fleet is not None
    told, _ = nodes.rows(case, only=node.name)
    blockers = told[0]["blockers"]
    more: dict[str, Any] = {"nodes": told, "could_fit": "now"}
    if not blockers:
        return Story(None, f"{_whereabouts(case)}; {node.name} has room for it, too{_chosen(case, node)}.", (), more)
    more["could_fit"] = could_ever(case.need, replace(case.fleet, nodes=[node]))
    code = Code(blockers[0]["code"])
    verb = "cannot go to" if case.task.state in PLACED else "does not go to"
    said = "; ".join(_said(blocker, node) for blocker in blockers)
    return Story(code, f"{case.task.name} {verb} {node.name}: {said}.", _fixes(told[0], node), more)


def _said(blocker: dict[str, Any], node: Node) -> str:
    text = str(blocker["sentence"])
    return f"it is {text}" if blocker["code"] in _STATES and text.startswith(node.state.value) else text


def _whereabouts(case: Case) -> str:
    task = case.task
    if task.state in PLACED:
        return f"{task.name} {'runs on' if task.state is State.RUNNING else 'was sent to'} {task.node}"
    if task.state is State.PENDING:
        return f"{task.name} waits for its next try"
    return f"{task.name} has {task.state.value}"


def _chosen(case: Case, node: Node) -> str:
    """Return why another node was chosen, as far as its placement says so."""
    task, placement = case.task, case.task.placement
    if task.state not in PLACED or not placement:
        return ""
    at = next((one.assigned_ms for one in reversed(task.attempts) if one.number == task.attempt), None)
    when = f" at {format_clock(at, now_ms=case.now_ms)}" if at else ""
    costs = {str(other["node"]): float(other["cost"]) for other in placement.get("next") or ()}
    by = f"by {placement['strategy']}"
    if node.name in costs:
        return (
            f"; {task.node} was chosen{when} {by}, at a cost of {placement['cost']:.2g} against {costs[node.name]:.2g}"
        )
    others = f", before {listed(list(costs))}" if costs else ""
    return f"; {task.node} was chosen{when} {by}{others}"


def _fixes(row: dict[str, Any], node: Node) -> tuple[Fix, ...]:
    """Return what would make the node fit, where that lies in somebody's hand."""
    if not row["fits_if"]:
        return ()
    codes = {blocker["code"] for blocker in row["blockers"]}
    if codes <= {Code.NODE_DRAINING, Code.NODE_CORDONED}:
        return (Fix(f"activate {node.name}", f"ormen mast activate {node.name}"),)
    return (Fix(f"it fits if {' and '.join(str(change['sentence']) for change in row['fits_if'])}"),)
