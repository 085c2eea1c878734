"""What tasks really use: asked of their nodes when somebody wants to know, all at once and not for long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from manager_api.services import Services
from ormen import messages
from ormen.node import NodeState
from ormen.store.replies import Asker
from ormen.task import Task

PATIENCE_S = 4.0
"""How long a node has: it looks twice, half a second apart, and may have an engine that is busy."""

LOOK_S = 0.05


def use_of_nodes(mine: Services, wanted: Mapping[str, list[str] | None]) -> dict[str, Any]:
    """Return the answer of ``/v1/stats``: of each node the use of the tasks that are wanted of it, None: of all.

    A node that is lost or does not answer in time is told with the reason, and holds up nobody.
    """
    store = mine.deck.store
    lost = {node.name for node in store.nodes() if node.state is NodeState.LOST} & set(wanted)
    asked = {name: store.ask_node(name, "stats", {"tasks": wanted[name]}) for name in wanted if name not in lost}
    if asked:
        mine.deck.ringer.ring_nodes({name: ["stats"] for name in asked}, kind=messages.RUN)
    said = _gather(mine, asked)
    errors = {name: f"{name} is lost" for name in lost}
    errors |= {name: f"{name} has not answered within {PATIENCE_S:g}s" for name in asked if name not in said}
    errors |= {name: answer["error"] for name, answer in said.items() if "error" in answer}
    rows = [(name, row) for name, answer in said.items() for row in answer.get("items", ())]
    records = store.read({row["task"] for _, row in rows})
    items = [_item(records[row["task"]], name, row) for name, row in rows if records[row["task"]] is not None]
    return {
        "items": sorted(items, key=lambda item: (item["name"], item["node"])),
        "nodes": [{"node": name, "error": errors.get(name)} for name in wanted],
        "next": None,
    }


def by_node(tasks: Iterable[Task]) -> dict[str, list[str] | None]:
    """Return which tasks are asked of which node."""
    found: dict[str, list[str] | None] = {}
    for task in tasks:
        if task.node is not None:
            found[task.node] = [*(found.get(task.node) or ()), task.id]
    return found


def _item(task: Task | None, node: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "name": task.name if task else "", "node": node}


def _gather(mine: Services, asked: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    waiting, said = dict(asked), dict[str, dict[str, Any]]()
    deadline = time.monotonic() + PATIENCE_S
    while waiting and time.monotonic() < deadline and not mine.closing.wait(LOOK_S):
        for name, request in list(waiting.items()):
            answer = _answer(mine.deck.store, request)
            if answer is not None:
                said[name] = answer
                del waiting[name]
    for request in asked.values():
        mine.deck.store.hang_up(request)
    return said


def _answer(store: Asker, request: str) -> dict[str, Any] | None:
    parts = store.replies(request, block_ms=1)
    refused = next((part.data for part in parts if part.kind == "error"), None)
    if refused is not None:
        return {"error": refused}
    if not any(part.kind == "end" for part in parts):
        return None
    found: dict[str, Any] = json.loads("".join(part.data for part in parts))
    return found
