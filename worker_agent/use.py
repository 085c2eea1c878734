"""What containers really use, read when somebody asks and never otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import psutil

from worker_agent.runtime import Container
from worker_agent.station import Station

APART_S = 0.5
"""Between the two looks that tell how much of the processors is used; an earlier answer's look serves as the first."""

FRESH_S = 10.0
"""How old that earlier look may be."""

AT_ONCE = 64
"""Containers looked at together. Docker before 23 shows figures once a second, so each further round is a second."""


@dataclass(frozen=True, slots=True)
class Use:
    """Counters of a container at a moment; those of the processors, networks and disks have counted from its start."""

    at_s: float
    cpu_ns: int
    memory_bytes: int
    memory_limit_bytes: int | None
    received_bytes: int
    sent_bytes: int
    read_bytes: int
    written_bytes: int
    pids: int


def use_of(raw: Mapping[str, Any], *, at_s: float) -> Use | None:
    """Return the engine's figures; None of a container that does not run: it has no process."""
    memory, pids = raw.get("memory_stats") or {}, raw.get("pids_stats") or {}
    if not memory.get("usage") and not pids.get("current"):
        return None
    # Where none was set the engine names what the host has.
    limit = memory.get("limit")
    # What the kernel could give back at once is no use: of cgroup v2, then of v1.
    details = memory.get("stats") or {}
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    networks = (raw.get("networks") or {}).values()
    disks = (raw.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    moved = {word: sum(d["value"] for d in disks if d["op"].lower() == word) for word in ("read", "write")}
    return Use(
        at_s=at_s,
        cpu_ns=int(raw["cpu_stats"]["cpu_usage"]["total_usage"]),
        memory_bytes=max(0, int(memory.get("usage") or 0) - int(cache)),
        memory_limit_bytes=limit if limit and limit < psutil.virtual_memory().total else None,
        received_bytes=sum(network["rx_bytes"] for network in networks),
        sent_bytes=sum(network["tx_bytes"] for network in networks),
        read_bytes=moved["read"],
        written_bytes=moved["write"],
        pids=int(pids.get("current") or 0),
    )


class Users:
    """Answers requests of the kind ``stats``."""

    def __init__(self, station: Station, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._station = station
        self._pause = pause
        self._lock = Lock()
        self._known: dict[str, Use] = {}

    def answer(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the use of the containers that run here: of all tasks, or of those in ``tasks``."""
        wanted = options.get("tasks")
        listed = self._station.runtime.containers(self._station.cluster)
        mine = [item for item in listed if item.running and item.node == self._station.node and item.task]
        chosen = [item for item in mine if wanted is None or item.task in wanted]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="use") as pool:
            before = self._before([item.id for item in mine])
            missing = [item for item in chosen if item.id not in before]
            if missing:
                before |= self._look(pool, missing)
                self._pause(APART_S)
            now = self._look(pool, chosen)
        with self._lock:
            self._known.update(now)
        return {"items": [_row(item, now[item.id], before.get(item.id)) for item in chosen if item.id in now]}

    def _before(self, running: list[str]) -> dict[str, Use]:
        """Return the earlier looks that still serve; those at containers that are gone are forgotten."""
        now_s = time.monotonic()
        with self._lock:
            self._known = {key: use for key, use in self._known.items() if key in running}
            return {key: use for key, use in self._known.items() if APART_S <= now_s - use.at_s <= FRESH_S}

    def _look(self, pool: ThreadPoolExecutor, containers: list[Container]) -> dict[str, Use]:
        found = pool.map(lambda item: (item.id, self._use(item.id)), containers)
        return {key: use for key, use in found if use is not None}

    def _use(self, container_id: str) -> Use | None:
        raw = self._station.runtime.use(container_id)
        return use_of(raw, at_s=time.monotonic()) if raw is not None else None


def _row(container: Container, use: Use, before: Use | None) -> dict[str, Any]:
    past_s = use.at_s - before.at_s if before else 0.0
    spent_ns = max(0, use.cpu_ns - before.cpu_ns) if before else 0
    return {
        "task": container.task,
        "attempt": container.attempt,
        "cpu": round(spent_ns / 1e9 / past_s, 4) if past_s > 0 else None,
        "memory_bytes": use.memory_bytes,
        "memory_before_bytes": before.memory_bytes if before else None,
        "memory_limit_bytes": use.memory_limit_bytes,
        "received_bytes": use.received_bytes,
        "sent_bytes": use.sent_bytes,
        "read_bytes": use.read_bytes,
        "written_bytes": use.written_bytes,
        "pids": use.pids,
    }
