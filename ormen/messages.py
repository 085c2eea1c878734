"""The names of the queues and of the Celery tasks: what manager and agents ring each other with.

A message is a doorbell: it says where to look, never what to do, so a lost or doubled one changes nothing.
"""

from __future__ import annotations

RUN = "worker_agent.run"
"""Ring of a node: there are tasks to start or to look at. Arguments: a list of task names, for people."""

STOP = "worker_agent.stop"
"""Ring of a node: there are tasks to stop or to remove. Arguments: a list of task names, for people."""

PROOF = "worker_agent.proof"
"""An agent's message to itself: hearing it proves that it consumes its queue."""

LIVENESS = "manager_api.liveness"
RESCHEDULE = "manager_api.reschedule"
HEALTH = "manager_api.health"
CLEANUP = "manager_api.cleanup"
RING = "manager_api.ring"
"""Ring of the control worker: these tasks (a list of ids) are to be placed, each once its pause is over."""

SENT = "ormen_sent"
"""The header of each message: when it was sent, in ms of the sender's clock."""

TICK_QUEUE = "tick"
CONTROL_QUEUE = "control"


def node_queue(node: str) -> str:
    """Return the name of the queue that only `node`'s agent consumes."""
    return f"node.{node}"


def queue_keys(node: str) -> tuple[str, str, str]:
    """Return what Celery keeps in Redis for a node's queue: the messages that wait, and where it is bound."""
    name = node_queue(node)
    return name, f"_kombu.binding.{name}", f"_kombu.binding_permanent.{name}"
