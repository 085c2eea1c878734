"""What the cleanup loop forgets: old ended tasks, nodes that are long dead, and keys that belong to nobody."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ormen import messages
from ormen.errors import StillRunning
from ormen.node import Node, NodeState
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.keeping import Victims
from ormen.store.loops import LoopStore
from ormen.task import State, Task
from ormen.units import format_age

log = logging.getLogger("ormen.control")

PRUNING_S = 20.0
"""The longest that one tick removes tasks; the next one goes on."""
WATCHED_MS = 3_600_000
"""How long liveness must have watched before a silence is long: after an outage every node gets an hour to speak."""
SWEEP_EVERY_S = 3_600
"""How often all keys are walked through for what belongs to no node."""


def prune_ended(store: LoopStore, ringer: Ringer, settings: Settings, *, now_ms: int) -> int:
    """Remove the ended tasks that are too old or too many, each with its event; return how many went."""
    until = time.monotonic() + PRUNING_S
    before_ms = now_ms - settings.keep_ended_s * 1000
    age = f"It had ended over {format_age(settings.keep_ended_s)} before."
    gone = _prune(store, ringer, lambda: store.ended_before(before_ms), until=until, why=age)
    amount = f"Of the ended tasks the {settings.keep_ended} newest are kept."
    gone += _prune(store, ringer, lambda: store.ended_beyond(settings.keep_ended), until=until, why=amount)
    if gone:
        log.info("removed %d ended tasks", gone)
    return gone


def forget_dead(store: LoopStore, node: Node, settings: Settings) -> bool:
    """Forget a node that has been silent for very long and that no task needs; return whether it was."""
    if node.state is not NodeState.LOST or node.tasks:
        return False
    patience_ms = settings.forget_nodes_s * 1000
    silent_ms = store.silent_for_ms(node.name)
    if silent_ms <= patience_ms or store.watched_for_ms() < min(WATCHED_MS, patience_ms):
        return False
    tasks = store.read(store.node_task_ids(node.name)).values()
    if any(task and _is_bound(task, node.name) for task in tasks):
        return False
    try:
        store.forget_node(node.name)
    except StillRunning:
        return False
    log.warning("forgot %s: its agent has not spoken for %s", node.name, format_age(silent_ms / 1000))
    return True


def sweep(store: LoopStore) -> None:
    """Once an hour delete the keys of nodes and engines that are not there."""
    if not store.lease("sweep", seconds=SWEEP_EVERY_S):
        return
    nodes, engines = store.strays()
    if nodes or engines:
        log.warning("deleted %d keys of nodes and engines that are not there", store.sweep(nodes, engines))


def _prune(store: LoopStore, ringer: Ringer, choose: Callable[[], Victims], *, until: float, why: str) -> int:
    gone = 0
    while time.monotonic() < until:
        victims = choose()
        pruned = store.prune(victims, why=why) if victims.ids else None
        if pruned is None or not pruned.ids:
            break
        gone += len(pruned.ids)
        ringer.ring_nodes({node: ["ended tasks"] for node in pruned.ring}, kind=messages.STOP)
    return gone


def _is_bound(task: Task, node: str) -> bool:
    """Return whether a task waits for this very node, which has its volume."""
    named = any(volume.get("name") for volume in task.spec.get("volumes") or ())
    return named and task.state is State.PENDING and any(attempt.node == node for attempt in task.attempts)
