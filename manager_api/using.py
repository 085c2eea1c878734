"""What tasks really use: asked of their nodes when somebody wants to know, all at once and not for long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from manager_api.asking import ask_nodes
from manager_api.services import Services
from ormen.task import Task


def use_of_nodes(mine: Services, wanted: Mapping[str, list[str] | None], *, patience_s: float) -> dict[str, Any]:
    """Return the answer of ``/v1/stats``: of each node the use of the tasks that are wanted of it, None: of all.

    A node that is lost or does not answer in time is told with the reason, and holds up nobody.
    """
    options = {name: {"tasks": tasks} for name, tasks in wanted.items()}
    said = ask_nodes(mine, "stats", options, patience_s=patience_s)
    rows = [(name, row) for name, answer in said.items() for row in answer.get("items", ())]
    records = mine.deck.store.read({row["task"] for _, row in rows})
    items = [{**row, "name": task.name, "node": name} for name, row in rows if (task := records[row["task"]])]
    return {
        "items": sorted(items, key=lambda item: (item["name"], item["node"])),
        "nodes": [{"node": name, "error": said[name].get("error")} for name in wanted],
        "next": None,
    }


def by_node(tasks: Iterable[Task]) -> dict[str, list[str] | None]:
    """Return which tasks are asked of which node."""
    found: dict[str, list[str] | None] = {}
    for task in tasks:
        if task.node is not None:
            found[task.node] = [*(found.get(task.node) or ()), task.id]
    return found
