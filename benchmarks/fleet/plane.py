"""The real control plane of a simulated fleet: a Redis, a deck, and the farms of nodes, each a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis

from benchmarks.harness import free_port, wait_until
from ormen.local.redis import RunningRedis, find_server, start

RESTED_S = 20.0
"""A connection that rested for so long may be closed by the deck, which does so after 30 s."""
EARS = 20
"""Queues a channel of the fleet consumes: one BRPOP with thousands of keys costs Redis milliseconds a message."""
PROCESSES = 2
"""What a fleet is spread over, one for each core: with four, a task on 5,000 nodes cost half as much CPU again."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Plane:
    """A running control plane with its fleet."""

    redis: RunningRedis
    port: int
    folder: Path
    deck: subprocess.Popen[bytes]
    ears: int = EARS
    farms: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.raw: Any = redis.Redis.from_url(self.redis.url, decode_responses=True)
        self._own = threading.local()

    @property
    def environment(self) -> dict[str, str]:
        """Return what every process of the plane is told."""
        return {**os.environ, "ORMEN_REDIS_URL": self.redis.url, "PYTHONWARNINGS": "ignore"}

    def call(self, method: str, path: str, body: object = None, *, again: bool = False) -> Any:
        """Send one request on this thread's connection and return the decoded answer.

        With `again` it is repeated as long as Redis does not answer in time, which is safe where it brings its own ids.
        """
        data = None if body is None else json.dumps(body).encode()
        line, at = getattr(self._own, "line", (None, 0.0))
        if line is None or time.monotonic() - at > RESTED_S:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        line.request(method, path, data, {"Content-Type": "application/json"})
        answer = line.getresponse()
        text = answer.read()
        self._own.line = line, time.monotonic()
        if answer.status == 503 and again:
            time.sleep(1.0)
            return self.call(method, path, body, again=True)
        if answer.status >= 300:
            raise SystemExit(f"{method} {path} answered {answer.status}: {text[:300].decode()}")
        return json.loads(text) if text else None

    def add_farm(self, first: int, size: int) -> subprocess.Popen[str]:
        """Start a process of `size` nodes and return it; it joins by itself."""
        farm = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fleet.farm", str(first), str(size), str(self.ears)],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.farms.append(farm)
        return farm

    def grow(self, first: int, nodes: int, *, processes: int = PROCESSES) -> None:
        """Let so many more nodes join, the first of that number, and return once all are ready."""
        whole = self.ready() + nodes
        for begin, size in shares(nodes, processes):
            self.add_farm(first + begin, size)
        wait_until(lambda: self.ready() == whole, timeout_s=60 + nodes / 20, what=f"the joining of {nodes} nodes")

    def answers(self) -> bool:
        """Return whether the deck answers already."""
        try:
            self.call("GET", "/healthz")
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
            return False
        return True

    def counts(self) -> dict[str, int]:
        """Return how many tasks are in each state, as the store counts them."""
        return {state: int(count) for state, count in self.raw.hgetall("ormen:counts").items()}

    def ready(self) -> int:
        """Return how many nodes take tasks."""
        return sum(view.startswith("active 1 - 0 ") for view in self.raw.hvals("ormen:nodes:view"))

    def kinds(self) -> dict[str, list[psutil.Process]]:
        """Return the processes by what they are."""
        deck = psutil.Process(self.deck.pid)
        return {
            "deck": [deck, *deck.children(recursive=True)],
            "redis": [psutil.Process(self.redis.process.pid)],
            "fleet": [psutil.Process(farm.pid) for farm in self.farms if farm.poll() is None],
        }

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that each kind of process has used."""
        return {kind: sum(sum(item.cpu_times()[:2]) for item in found) for kind, found in self.kinds().items()}

    def commands(self) -> dict[str, tuple[int, float]]:
        """Return how often each of Redis's commands was called, and the seconds that it took of it in all."""
        stats = self.raw.info("commandstats")
        return {name.removeprefix("cmdstat_"): (row["calls"], row["usec"] / 1e6) for name, row in stats.items()}

    def memory_mb(self) -> dict[str, float]:
        """Return each kind's own memory (PSS) in MB."""
        return {kind: sum(item.memory_full_info().pss for item in found) / 1e6 for kind, found in self.kinds().items()}

    def close(self) -> None:
        """End everything."""
        for farm in self.farms:
            farm.kill()
            farm.wait()
        self.end_deck()
        self.redis.stop()

    def end_deck(self) -> None:
        """End the deck in order."""
        self.deck.terminate()
        self.deck.wait(30)


def deck_of(server: RunningRedis, port: int, **settings: str) -> subprocess.Popen[bytes]:
    """Start a deck on this Redis."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("ormen")), "deck", "--port", str(port), "--redis-url", server.url],
        env={**os.environ, "PYTHONWARNINGS": "ignore", **settings}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


@contextlib.contextmanager
def plane(nodes: int, *, processes: int = PROCESSES, ears: int = EARS) -> Iterator[Plane]:
    """Give a control plane with so many nodes in so many processes, that consume so many queues a channel."""
    with tempfile.TemporaryDirectory(prefix="ormen-fleet-") as folder:
        server = start(find_server(), Path(folder) / "redis", maxclients=10_000)
        port = free_port()
        made = Plane(server, port, Path(folder), deck_of(server, port), ears)
        try:
            wait_until(made.answers, what="an answer of the deck")
            made.grow(0, nodes, processes=processes)
            yield made
        finally:
            made.close()


def shares(nodes: int, processes: int) -> Sequence[tuple[int, int]]:
    """Return first and number of the nodes of each process."""
    bounds = [nodes * number // processes for number in range(processes + 1)]
    return [(first, last - first) for first, last in itertools.pairwise(bounds) if last > first]
