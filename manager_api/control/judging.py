"""What the state of a node calls for: a word that is told once, and the loss of its tasks."""

from __future__ import annotations

from collections.abc import Iterator

from ormen.node import Node, NodeState
from ormen.reasons import Code
from ormen.store.losses import USELESS_MS, Loss, Word


def verdicts(node: Node) -> Iterator[Word | Loss]:
    """Yield what is to be told of a node, then the loss of its tasks; nothing where all is told and nothing left."""
    if node.state is NodeState.LOST:
        if node.tasks or not node.declared_lost:
            yield loss_of(node)
        return
    if node.state is not NodeState.SUSPECT:
        if node.shown not in (None, "ready"):
            yield Word(node.name, "ready", "its agent speaks again")
        return
    reason = node.state_reason
    silent = reason is not None and reason.code is Code.NODE_SUSPECT
    if node.shown != "suspect":
        yield Word(node.name, "suspect", reason.sentence if reason else "", node.heartbeat_ms if silent else None)
    if reason is not None and not silent and node.tasks and _troubled_ms(node) > USELESS_MS:
        yield Loss(node.name, 0, reason.code, f"{node.name} is of no use: {reason.sentence}")


def loss_of(node: Node) -> Loss:
    """Return the loss of a node that is silent for too long or went down."""
    gone = "its agent went down" if node.silent_s is None else f"silent for {node.silent_s:.1f}s"
    return Loss(node.name, node.silent_s, Code.NODE_LOST, f"{node.name} is lost: {gone}.")


def _troubled_ms(node: Node) -> float:
    """Return for how long its agent had complained when the node was looked at."""
    looked_ms = node.heartbeat_ms + node.heartbeat_age_s * 1000
    return looked_ms - node.since_ms if node.since_ms else 0
