"""Who rings: the nodes' agents, and the control worker."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from redis.exceptions import RedisError

from ormen import messages
from ormen.errors import StoreUnavailable
from ormen.rings import Ring, message, rings
from ormen.store.redis import RedisStore

log = logging.getLogger("ormen.ringer")


class Ringer:
    """Rings nodes and the control worker. A ring that cannot be sent is logged and forgotten: state is the truth."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    def ring_nodes(self, nodes: Mapping[str, Sequence[str]], *, kind: str = messages.RUN) -> bool:
        """Ring each node once, with the names of the tasks it concerns as a hint; return whether all were sent."""
        return self._send(rings(nodes, kind=kind).values())

    def ring_control(self, ids: Sequence[str]) -> bool:
        """Ring the control worker: these tasks are due; an empty list says that room was freed."""
        return self._send([message(messages.RING, messages.CONTROL_QUEUE, ids)])

    def prove(self, node: str) -> bool:
        """Send a node's agent the message by which it proves that it consumes; return whether it was sent."""
        return self._send([message(messages.PROOF, messages.node_queue(node), ())])

    def _send(self, outgoing: Iterable[Ring]) -> bool:
        try:
            self._store.push(list(outgoing))
        except (StoreUnavailable, RedisError) as fault:
            log.warning("a ring was not sent, the next scan does its work: %s", fault)
            return False
        return True
