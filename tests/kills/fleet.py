"""A whole cluster of real processes, each of which can be killed at its N-th command and is started again at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import redis

from ormen import messages
from ormen.broker import make_app, queue
from ormen.client import Client
from ormen.local import ports
from ormen.local.redis import RunningRedis, find_server, start
from ormen.local.tether import tether
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from tests.engine import SOCKET, engine_api
from tests.kills.wire import Trap, Wire
from tests.sweep import announce
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Zygote:
    """The process that forks all others."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.kills.zygote"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=tether(),
        )  # fmt: skip
        self._lock = threading.Lock()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def order(self, **order: Any) -> int:
        """Give an order and return its answer."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and so all that it has forked."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Part:
    """One process of the cluster with its trap. As soon as its trap has killed it, it is started again.

    What `kill` has ended stays ended until somebody starts it.
    """

    name: str
    module: str
    words: list[str]
    settings: Settings
    zygote: Zygote
    log: Path
    pid: int = 0
    state: Literal["up", "struck", "ended"] = "ended"
    trap: Trap = field(init=False)

    def __post_init__(self) -> None:
        self.trap = Trap(self._struck, lambda: self.signal(signal.SIGSTOP))

    def start(self) -> None:
        """Start the process."""
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **self.settings.to_env()}
        self.pid = self.zygote.order(module=self.module, words=self.words, env=env, log=str(self.log))
        self.state = "up"

    def kill(self) -> None:
        """Kill it with all that it has forked, and wait until it is gone."""
        self.state = "ended"
        self.signal(signal.SIGKILL)
        self.zygote.order(wait=self.pid)

    def signal(self, number: int) -> None:
        """Send a signal to the process and all that it has forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _struck(self) -> None:
        self.state = "struck"
        self.signal(signal.SIGKILL)
        threading.Thread(target=self._revive).start()

    def _revive(self) -> None:
        self.zygote.order(wait=self.pid)
        if self.state == "struck":
            self.start()


class Fleet:
    """A deck, two nodes on the one engine, a Redis of its own."""

    def __init__(self, folder: Path, image: str, *, decks: int = 1) -> None:
        self.folder, self.image = folder, image
        self.redis: RunningRedis = start(find_server(), folder / "redis")
        self.settings = replace(Settings(), redis_url=self.redis.url, api_workers=1, api_threads=16, strategy="binpack")
        self.store = LoopStore.connect(self.settings, "test")
        self.raw = redis.Redis.from_url(self.redis.url, decode_responses=True)
        self.app = make_app(self.settings, "test")
        self.docker = engine_api()
        announce(f"ormen.cluster={self.cluster}")
        self.wire = Wire()
        self.zygote = Zygote()
        self.parts: dict[str, Part] = {}
        for number in range(1, decks + 1):
            port = ports.private()
            for role in ("api", "control", "beat"):
                self.add(f"{role}{number}", "manager_api", [role], port=port, state_dir=str(folder / f"deck{number}"))
        for name in ("n1", "n2"):
            self.add(name, "worker_agent", [], node=name, share="1/2", status_port=0, bind="127.0.0.1",
                     address="127.0.0.1", state_dir=str(folder / name))  # fmt: skip
        wait_until(self.is_up, timeout_s=60, what="for the cluster to come up")

    def add(self, name: str, module: str, words: list[str], **settings: Any) -> Part:
        """Start a process of the cluster behind proxies of its own."""
        part = Part(name, module, words, self.settings, self.zygote, self.folder / f"{name}.log")
        port = self.wire.redis(part.trap, self.redis.port)
        url = self.redis.url.replace(f":{self.redis.port}/", f":{port}/")
        chosen = replace(self.settings, redis_url=url, **settings)
        if module == "worker_agent":
            socket = self.folder / f"{name}.sock"
            self.wire.engine(part.trap, str(socket), SOCKET)
            chosen = replace(chosen, docker_host=f"unix://{socket}")
        part.settings = chosen
        self.parts[name] = part
        part.start()
        return part

    @property
    def cluster(self) -> str:
        """Return the cluster's id."""
        return self.store.cluster()

    def client(self, deck: int = 1) -> Client:
        """Return a client of a deck's API, which repeats what got no answer."""
        return Client(f"127.0.0.1:{self.parts[f'api{deck}'].settings.port}")

    def is_up(self) -> bool:
        """Return whether every API answers and every node takes tasks."""
        if not all(node.takes_tasks for node in self.store.nodes()) or len(self.store.nodes()) < 2:
            return False
        for name in [name for name in self.parts if name.startswith("api")]:
            try:
                list(self.client(int(name[3:])).tasks())
            except Exception:
                return False
        return True

    def tick(self) -> None:
        """Tick every loop now, as beat does by the clock."""
        for name in (messages.LIVENESS, messages.RESCHEDULE):
            self.app.send_task(name, queue=queue(messages.TICK_QUEUE), ignore_result=True)

    def containers(self, task: str) -> list[dict[str, Any]]:
        """Return what Docker has of a task, by its id."""
        labels = [f"ormen.cluster={self.cluster}", f"ormen.task={task}"]
        return list(self.docker.containers(all=True, filters={"label": labels}))

    def logs(self) -> str:
        """Return the ends of the logs of all processes."""
        return "\n".join(f"--- {p.name}\n{p.log.read_text()[-1500:]}" for p in self.parts.values() if p.log.exists())

    def close(self) -> None:
        """End every process and remove the cluster's containers."""
        cluster = self.cluster
        for part in self.parts.values():
            part.state = "ended"
        self.zygote.close()
        self.wire.close()
        for found in self.docker.containers(all=True, filters={"label": f"ormen.cluster={cluster}"}):
            self.docker.remove_container(found["Id"], force=True)
        self.app.close()
        self.docker.close()
        self.raw.close()
        self.store.close()
        self.redis.stop()


@contextlib.contextmanager
def fleet(folder: Path, image: str, *, decks: int = 1) -> Iterator[Fleet]:
    """Give a cluster; nothing of it is left at the end."""
    made = Fleet(folder, image, decks=decks)
    try:
        yield made
    finally:
        made.close()


def seconds_until(holds: Any, *, timeout_s: float = 20, what: str = "") -> float:
    """Return how long it took until the condition held."""
    began = time.monotonic()
    wait_until(holds, timeout_s=timeout_s, what=what)
    return time.monotonic() - began
