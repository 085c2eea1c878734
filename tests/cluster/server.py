"""The Redis of a test bed: a process that can be killed, frozen, brought back, and robbed of what it wrote last."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

import redis

from ormen.local import ports
from ormen.local.redis import RedisPlan, find_server, prepare
from ormen.local.tether import tether
from tests.waiting import wait_until


class Server:
    """A Redis with a password and a file, on one port for all its lives."""

    def __init__(self, folder: Path, addresses: Iterable[str] = ()) -> None:
        self.folder = folder
        self.port = ports.private()
        self.addresses = tuple(addresses)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def plan(self) -> RedisPlan:
        """How it is started; its password stays the same."""
        return prepare(find_server(), self.folder, port=self.port)

    def start(self) -> None:
        """Start it on the file it has, and return once it answers on every address."""
        plan = self.plan
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                plan.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=tether()
            )
        wait_until(plan.answers, what="for Redis")
        self.url, self.password = plan.url, plan.password
        with self.client() as client:
            client.config_set("bind", " ".join(("127.0.0.1", *self.addresses)))

    def client(self) -> redis.Redis:
        """A client of it."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def at(self, address: str, port: int | None = None) -> str:
        """The URL under which another address reaches it."""
        return f"redis://:{self.password}@{address}:{port or self.port}/0"

    def kill(self) -> None:
        """End it by SIGKILL: what it has not written yet is gone."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(20)
            self.process = None

    def freeze(self) -> None:
        """Stop it where it is: connections stay open and nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    @property
    def _file(self) -> Path:
        """What it appends to: the newest increment of Redis 7 and Valkey."""
        return sorted((self.folder / "appendonlydir").glob("*.incr.aof"))[-1]

    def mark(self) -> int:
        """Return how much is written by now; `forget_since` goes back to there."""
        with self.client() as client:
            wait_until(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
        return self._file.stat().st_size

    def before(self, word: bytes, *, since: int) -> int:
        """Return the mark at which the first transaction written after `since` begins that has this word in it."""
        tail = self._file.read_bytes()[since:]
        return since + tail.rindex(b"*1\r\n$5\r\nMULTI\r\n", 0, tail.index(word))

    def forget_since(self, mark: int) -> None:
        """While it is down, cut off the tail of its file, as a crash of its host may."""
        assert self.process is None
        with self._file.open("r+b") as file:
            file.truncate(mark)

    def forget_all(self) -> None:
        """While it is down, remove its file: it comes back empty."""
        assert self.process is None
        for path in (self.folder / "appendonlydir").iterdir():
            path.unlink()

    def set_aside(self) -> None:
        """While it is down, lay its file aside: it comes back empty."""
        assert self.process is None
        (self.folder / "appendonlydir").rename(self.folder / "aside")

    def put_back(self) -> None:
        """While it is down, give it the file that was laid aside, for whatever it has written since."""
        assert self.process is None
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        (self.folder / "aside").rename(self.folder / "appendonlydir")
