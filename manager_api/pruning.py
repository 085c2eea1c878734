"""Giving up what nobody needs any more, when somebody asks for it: `POST /v1/prune`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manager_api.asking import ask_nodes
from manager_api.services import Services
from ormen import messages
from ormen.node import Node, NodeState

MOST = 1000
"""The most ended tasks that one request removes or looks at; the answer says when there are more."""
NAMES = 100
"""How many names of tasks an answer has."""
CONFIRM_S = 10.0
"""How long the answer waits for the containers of the tasks it removed."""
LOOK_S = 0.1
LISTING_S, REMOVING_S = 15.0, 120.0
"""How long a node has to say what may go, and to remove it: an image of many layers takes its time."""

NOTHING: Mapping[str, Any] = {"images": [], "volumes": [], "orphans": [], "error": None}
"""What a node's row says beside its tasks, until it has answered."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go: tasks that ended `older_than_s` seconds ago or earlier, and of each node the `kinds` named."""

    older_than_s: float = 0.0
    kinds: tuple[str, ...] = ()
    dry: bool = False


@dataclass(slots=True)
class Tasks:
    """Ended tasks that went or may go, their containers by node, and whether there are more."""

    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    containers: Counter[str] = field(default_factory=Counter)
    more: bool = False


def prune(mine: Services, wish: Wish) -> dict[str, Any]:
    """Do what is wished, or with `dry` say what would go; return the document of the answer."""
    nodes = mine.deck.store.nodes()
    tasks = prune_tasks(mine, wish)
    left = {} if wish.dry else _confirmed(mine, tasks.ids)
    answers = _answers(mine, nodes, wish)
    return {
        "dry_run": wish.dry,
        "kinds": list(wish.kinds),
        "tasks": len(tasks.ids),
        "names": tasks.names[:NAMES],
        "more": tasks.more,
        "nodes": [
            {"node": node.name, "containers": tasks.containers[node.name], "left": left.get(node.name, 0)}
            | answers[node.name]
            for node in nodes
        ],
    }


def prune_tasks(mine: Services, wish: Wish) -> Tasks:
    """Remove ended tasks, at most `MOST`, or only look at them."""
    store, found, looked = mine.deck.store, Tasks(), 0
    before_ms = store.now_ms() - round(wish.older_than_s * 1000)
    while True:
        victims = store.ended_before(before_ms, skip=looked if wish.dry else 0)
        found.more = bool(victims.ids) and len(found.ids) >= MOST
        if not victims.ids or found.more:
            return found
        looked += len(victims.ids)
        records = store.read(victims.ids)
        ids: Sequence[str] = victims.ids
        if not wish.dry:
            pruned = store.prune(victims, why="It was pruned.")
            mine.deck.ringer.ring_nodes({node: ["pruned tasks"] for node in pruned.ring}, kind=messages.STOP)
            ids = pruned.ids
        if not ids:
            return found  # every one of them was started again just now
        for task in filter(None, (records[task_id] for task_id in ids)):
            found.ids.append(task.id)
            found.names.append(task.name)
            found.containers.update([task.node] if task.container_id and task.node else [])


def _confirmed(mine: Services, ids: Sequence[str]) -> Mapping[str, int]:
    """Wait until the containers are gone, and return how many are not by node."""
    deadline = time.monotonic() + CONFIRM_S
    waiting = list(ids)
    while True:
        records = mine.deck.store.read(waiting)
        left = [task for task in records.values() if task is not None]
        if not left or time.monotonic() > deadline or mine.closing.wait(LOOK_S):
            return Counter(task.node or "" for task in left)
        waiting = [task.id for task in left]


def _answers(mine: Services, nodes: Sequence[Node], wish: Wish) -> dict[str, dict[str, Any]]:
    """Ask each node what may go of its images, volumes and orphans, or to remove the kinds that are wished."""
    options = {"kinds": list(wish.kinds), "dry": wish.dry, "older_than_s": wish.older_than_s}
    patience_s = REMOVING_S if wish.kinds and not wish.dry else LISTING_S
    wanted = {node.name: options for node in nodes if node.state is not NodeState.LOST}
    said = ask_nodes(mine, "prune", wanted, patience_s=patience_s, ring=messages.STOP)
    return {node.name: {**NOTHING, **said.get(node.name, {"error": f"{node.name} is lost"})} for node in nodes}
