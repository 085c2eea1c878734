"""Reading all that tells whether a cluster is well: Redis itself, the nodes, what waits for whom. Changes nothing."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from redis.exceptions import ResponseError

from ormen import __version__
from ormen.doctor.fleet import FleetSeen
from ormen.doctor.redis import RedisSeen
from ormen.doctor.work import LATE_S, Waiting, WorkSeen
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE, node_queue, queue_keys
from ormen.node import Node, NodeState
from ormen.scheduler.values import POOL
from ormen.store.manager import ManagerStore
from ormen.store.redis import answering

PINGS = 5
MOST_REMOVALS = 5_000
"""Records of removed tasks that are looked at; with more of them the amounts are of these alone."""
SETTINGS = ("appendfsync", "maxclients", "maxmemory-policy", "notify-keyspace-events", "timeout")


class DoctorStore(ManagerStore):
    """Reads what the doctor judges; raises StoreUnavailable as every store does."""

    @answering
    def redis(self, *, agents: int) -> RedisSeen:
        """Return what Redis says of itself, and how long it takes to answer: the middle one of a few times."""
        times = []
        for _ in range(PINGS):
            began = time.perf_counter()
            self.client.ping()
            times.append((time.perf_counter() - began) * 1000)
        return RedisSeen(
            place=self.place,
            command=redis_cli(self.settings.redis_url),
            info=self.client.info(),
            config=self._config(),
            latency_ms=statistics.median(times),
            agents=agents,
            guarded=is_guarded(self.settings.redis_url),
        )

    @answering
    def fleet(self, nodes: Sequence[Node]) -> FleetSeen:
        """Return the nodes, who calls here besides, what of each engine's port pool is given away, and the orphans."""
        taken = self.taken_ports(node.engine for node in nodes)
        with self.client.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.hget(self.keys.node(node.name), "orphans")
            strays = pipe.execute() if nodes else []
        pool = {engine: sum(int(port.partition("/")[0]) in POOL for port in held) for engine, held in taken.items()}
        orphans = {node.name: json.loads(raw) for node, raw in zip(nodes, strays, strict=True) if raw}
        return FleetSeen(nodes, __version__, self.now_ms(), self.strangers(), pool, orphans)

    @answering
    def work(self, nodes: Sequence[Node], *, up_s: float = float("inf")) -> WorkSeen:
        """Return the loops' ages and whatever waits: messages, changes of records, removals."""
        now_ms, last = self.now_ms(), self.loops()
        silent = frozenset(node.name for node in nodes if node.state is NodeState.LOST or node.silent)
        queues = [TICK_QUEUE, CONTROL_QUEUE, *(node_queue(node.name) for node in nodes)]
        lengths, oldest = self.queue_lengths(queues), self.oldest_messages(queues)
        heard = [TICK_QUEUE, CONTROL_QUEUE, *(node_queue(node.name) for node in nodes if node.name not in silent)]
        return WorkSeen(
            now_ms=now_ms,
            loops={loop: max(0.0, (now_ms - last[loop]) / 1000) if loop in last else None for loop in LATE_S},
            brake=self.brake(nodes),
            queues={name: Waiting(lengths[name], _age_s(now_ms, oldest.get(name))) for name in queues},
            inboxes=self._inboxes(nodes, now_ms),
            removals=self._removals(nodes, now_ms),
            unbound=self._unbound(heard) if last else (),
            silent=silent,
            up_s=up_s,
        )

    def _config(self) -> dict[str, str] | None:
        """Return Redis's settings; None where this user may not read them, or where the server has no such command."""
        try:
            return {name: str(value) for part in SETTINGS for name, value in self.client.config_get(part).items()}
        except ResponseError:  # NOPERM is one of these
            return None

    def _unbound(self, queues: Sequence[str]) -> tuple[str, ...]:
        """Return the queues that kombu does not find, though somebody should have announced them."""
        bindings = {name: queue_keys(name.removeprefix("node."))[1] if name.startswith("node.") else
                    f"_kombu.binding.{name}" for name in queues}  # fmt: skip
        with self.client.pipeline(transaction=False) as pipe:
            for key in bindings.values():
                pipe.exists(key)
            there = pipe.execute()
        return tuple(name for name, known in zip(bindings, there, strict=True) if not known)

    def _inboxes(self, nodes: Sequence[Node], now_ms: int) -> dict[str, Waiting]:
        with self.client.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.llen(self.keys.inbox(node.name))
                pipe.hget(self.keys.node(node.name), "inbox_since")
            rows = iter(pipe.execute() if nodes else [])
        found = {node.name: (int(next(rows)), next(rows)) for node in nodes}
        return {
            name: Waiting(length, _age_s(now_ms, int(since or 0))) for name, (length, since) in found.items() if length
        }

    def _removals(self, nodes: Sequence[Node], now_ms: int) -> dict[str, Waiting]:
        """Return by node what was removed and is not confirmed to be gone from there."""
        with self.client.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.smembers(self.keys.node_tasks(node.name))
            members = pipe.execute() if nodes else []
            held = [(node.name, task) for node, ids in zip(nodes, members, strict=True) for task in sorted(ids)]
            for _, task in held[:MOST_REMOVALS]:
                pipe.hmget(self.keys.task(task), "wanted", "removed")
            records = pipe.execute() if held else []
        since: dict[str, list[int]] = {}
        for (name, _), (wanted, removed) in zip(held, records, strict=False):
            if wanted == "removed" and removed:
                since.setdefault(name, []).append(int(removed))
        return {name: Waiting(len(times), _age_s(now_ms, min(times))) for name, times in since.items()}


def redis_cli(url: str) -> str:
    """Return how to speak to that Redis by hand; the password is not part of it (REDISCLI_AUTH carries it)."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"redis-cli -s {parts.path}"
    port = f" -p {parts.port}" if parts.port and parts.port != 6379 else ""
    return f"redis-cli -h {parts.hostname}{port}{' --tls' if parts.scheme == 'rediss' else ''}"


def is_guarded(url: str) -> bool:
    """Return whether a Redis asks for a password, or only its own host reaches it."""
    parts = urlsplit(url)
    return bool(parts.password) or parts.scheme == "unix" or (parts.hostname or "").startswith("127.") or (
        parts.hostname in ("localhost", "::1")
    )  # fmt: skip


def _age_s(now_ms: int, at_ms: int | None) -> float | None:
    return max(0.0, (now_ms - at_ms) / 1000) if at_ms else None
