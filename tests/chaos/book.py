"""What clients have asked of a cluster and been told: the book against which Docker and the deck are held."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tests.acceptance.living import IMAGE
from tests.chaos.plan import HOSTS

RUNNING, STOPPED, REMOVED = "running", "stopped", "removed"
PORTS = range(8100, 8106)
"""Fixed host ports that tasks ask for; one may be asked for by fewer tasks than there are hosts."""
JOB_S = 1.5
"""How long a short job works."""
WORKED = "worked"
JOB = f"trap 'exit 0' TERM; sleep {JOB_S} & wait $! && echo {WORKED}; exit %d"
"""A job that ends with code 0 also when it is told to end before its work is done, as many programs do; it says
`WORKED` only if it was."""
SHELL = ["/bin/sh", "-c"]

KINDS: dict[str, dict[str, Any]] = {
    "always": {"restart": "always"},
    "on-failure": {"restart": "on-failure"},
    "port": {"restart": "always"},
    "healthy": {
        "restart": "always",
        "ports": [{"container": 7777}],
        "health": {"http": "/health", "interval": 1, "timeout": "2s", "grace": "10s", "retries": 3},
    },
    "job": {"restart": "on-failure", "entrypoint": SHELL, "command": [JOB % 0]},
    "once": {"restart": "no", "entrypoint": SHELL, "command": [JOB % 0]},
    "failing": {"restart": "no", "entrypoint": SHELL, "command": [JOB % 1]},
    "trying": {"restart": "on-failure:1", "entrypoint": SHELL, "command": [JOB % 1]},
}
JOBS = {"job": "completed", "once": "completed", "failing": "failed", "trying": "failed"}
"""How each kind of short job ends when nobody stops it."""


@dataclass
class Entry:
    """A task in the book: what is wanted of it by the last word that was acknowledged, and everything that was said."""

    id: str
    name: str
    kind: str
    spec: dict[str, Any]
    wanted: str = RUNNING
    deeds: list[tuple[float, str]] = field(default_factory=list)
    busy: bool = False
    """Whether a client has a request of it under way; what is wanted is then in doubt."""

    @property
    def lives_on(self) -> bool:
        """Return whether it never ends by itself."""
        return self.kind not in JOBS

    def note(self, deed: str) -> None:
        """Write down what was done, with the time."""
        self.deeds.append((time.time(), deed))


class Book:
    """All tasks of a run. Clients take an entry before they ask something of it, so one task has one client."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._lock = Lock()
        self._number = 0

    def new(self, rng: random.Random) -> Entry:
        """Take a task that has not been submitted yet."""
        with self._lock:
            self._number += 1
            kind = rng.choice(list(KINDS))
            port = rng.choice(PORTS)
            if kind == "port" and self._holders(port) >= len(HOSTS) - 1:
                kind = "always"
            name = f"{kind}-{self._number}"
            spec = {"name": name, "image": IMAGE, "memory": "16MiB", "cpu": 0.05, "stop_grace": "1s", **KINDS[kind]}
            if kind == "port":
                spec["ports"] = [{"container": 7777, "host": port}]
            entry = Entry(str(uuid.UUID(int=rng.getrandbits(128), version=4)), name, kind, spec, busy=True)
            self.entries[entry.id] = entry
            return entry

    def _holders(self, port: int) -> int:
        asked = [
            entry.spec["ports"][0].get("host")
            for entry in self.entries.values()
            if entry.kind == "port" and entry.wanted != REMOVED
        ]
        return asked.count(port)

    def take(self, rng: random.Random) -> Entry | None:
        """Take a task that is there and that no other client has."""
        with self._lock:
            free = [entry for entry in self.entries.values() if not entry.busy and entry.wanted != REMOVED]
            if not free:
                return None
            entry = rng.choice(free)
            entry.busy = True
            return entry

    def give_back(self, entry: Entry) -> None:
        """Let others have it."""
        with self._lock:
            entry.busy = False

    def present(self) -> list[Entry]:
        """Return the tasks that are not removed."""
        with self._lock:
            return [entry for entry in self.entries.values() if entry.wanted != REMOVED]

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self.entries.values()))
