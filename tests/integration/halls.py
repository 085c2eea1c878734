"""A whole cluster for tests of talks: a Redis, an API over HTTP, a real agent on the real engine, a running task."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flask import Flask
from werkzeug.serving import make_server

from manager_api.app import create_app
from ormen.client import Client
from ormen.local.redis import find_server, start
from ormen.settings import Settings
from ormen.task import Task
from tests.integration.nodes import ROOT, Harbour
from tests.waiting import wait_until


class Api:
    """A deck's API in threads of this process; it can be ended and begun again at the same port."""

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.app: Flask = create_app(settings)
        self._server = make_server("127.0.0.1", port, self.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.port: int = self._server.port

    def close(self) -> None:
        """End it and every long answer."""
        self.app.extensions["ormen"].close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Hall:
    """The cluster; `task` runs until it is told to end."""

    harbour: Harbour
    api: Api
    task: Task

    @property
    def client(self) -> Client:
        """A client of its deck."""
        return Client(f"127.0.0.1:{self.api.port}")

    def ormen(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run the command line and return how it ended."""
        return subprocess.run(self.command(*words), input=stdin, capture_output=True, timeout=60, cwd=ROOT)

    def command(self, *words: str) -> list[str]:
        """The words of a call of the command line."""
        return [
            str(Path(sys.executable).with_name("ormen")),
            *words[:1],
            "-m",
            f"127.0.0.1:{self.api.port}",
            *words[1:],
        ]

    def inside(self, word: str) -> list[str]:
        """The processes of the task's container whose command holds a word, as its host sees them."""
        rows = self.harbour.docker.top(self.task.container_name, "-o pid,args")["Processes"]
        return [row[1] for row in rows if word in row[1]]

    def gone(self, word: str) -> None:
        """Wait until no process of the container has the word in its command."""
        wait_until(lambda: not self.inside(word), timeout_s=40, what=f"for {word} to be gone")


@contextmanager
def hall_in(folder: Path, image: str) -> Iterator[Hall]:
    """Give a cluster; nothing of it is left at the end."""
    with ExitStack() as stack:
        server = start(find_server(), folder / "redis")
        stack.callback(server.stop)
        settings = replace(Settings(), redis_url=server.url, state_dir=str(folder / "state"))
        harbour = Harbour(settings, image, folder)
        stack.callback(harbour.close)
        harbour.node()
        hall = Hall(harbour, Api(settings), harbour.run())
        stack.callback(lambda: hall.api.close())  # a test may have begun another
        yield hall
