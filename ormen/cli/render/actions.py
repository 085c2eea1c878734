"""One line for each thing done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen.cli.render.text import clean, small
from ormen.outcome import Verdict, judge, sentence_of
from ormen.units import format_duration

Record = Mapping[str, Any]


def stopped(task: Record, took_s: float) -> str:
    """Return ``web: stopped on node-1 in 0.8s, exit code 0``, or what is so instead."""
    name, node = clean(task["name"]), task.get("node")
    if task["state"] not in ("completed", "failed"):
        on = f" on {node}" if node else ""
        return f"{name}: asked to stop{on}, still {task['state']} after {format_duration(took_s)}"
    reason = (task.get("reason") or {}).get("code")
    if reason == "STOPPED_UNSEEN":
        return f"{name}: {small(sentence_of(task))}"
    if reason != "STOPPED":
        return f"{name}: had ended before ({task['state']}{_exit(task)})"
    if node is None or not task.get("attempt"):
        return f"{name}: withdrawn, it had not started"
    if task.get("exit_code") == 137:
        return f"{name}: did not stop in time and was killed on {node}, exit code 137"
    return f"{name}: stopped on {node} in {format_duration(took_s)}{_exit(task)}"


def updated(task: Record, took_s: float) -> str:
    """Return ``web: updated``, and of a container that runs whether it has its new limits."""
    name, node = clean(task["name"]), task.get("node")
    if task.get("resizing"):
        return f"{name}: updated, its container has not its new limits yet after {format_duration(took_s)}"
    if task.get("resize_refused"):
        return f"{name}: updated, but not its container on {node}: {clean(task['resize_refused'])}"
    return f"{name}: updated"


def removed(record: Record) -> str:
    """Return ``web: removed``, with the node that has not said yet that its container is gone."""
    left = record["left_on"]
    later = f"; its container goes as soon as {left} answers" if left else ""
    return f"{record['name']}: removed{later}"


def _exit(task: Record) -> str:
    return "" if task.get("exit_code") is None else f", exit code {task['exit_code']}"


def started_again(task: Record, took_s: float) -> str:
    """Return how a restart or a retry went so far."""
    name, verdict = clean(task["name"]), judge(task)
    if verdict is Verdict.UP:
        return f"{name}: runs on {task['node']} after {format_duration(took_s)}, attempt {task['attempt']}"
    if verdict is Verdict.DONE:
        return f"{name}: has completed on {task['node']}{_exit(task)}"
    why = small(sentence_of(task) or clean(task.get("detail") or ""))
    return f"{name}: {task['state']}" + (f", {why}" if why else "")
