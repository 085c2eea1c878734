"""The API served as it is in earnest: gunicorn and its processes, at a port."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys

import psutil

from ormen.settings import Settings
from tests.waiting import wait_until

IMPATIENT = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = "set before the import; replaced at the start"
from manager_api import __main__, server
server.UNREAD_S = 1
sys.exit(__main__.main(["api"]))
"""
"""Words for `Deck` with which a reader that takes nothing is given up after a second."""


class Deck:
    """A served API: its address and its processes."""

    def __init__(self, settings: Settings, *command: str) -> None:
        self.port = settings.port
        self.process = subprocess.Popen(
            [sys.executable, *(command or ("-m", "manager_api", "api"))],
            env={**os.environ, **settings.to_env()},
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: self.get("/healthz") == 200, what="for the API")

    def connect(self, timeout: float = 10) -> http.client.HTTPConnection:
        """Return a new connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path: str) -> int:
        """Return the status of a short answer, 0 if nobody listens."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionError:
            return 0
        finally:
            connection.close()

    def stream(self, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Return an open stream."""
        connection = self.connect()
        connection.request("GET", path)
        return connection, connection.getresponse()

    def figure(self, name: str) -> float:
        """Return one figure of /metrics."""
        connection, answer = self.stream("/metrics")
        found = answer.read().decode().splitlines()
        connection.close()
        return next(float(line.split()[-1]) for line in found if line.startswith(f"{name} "))

    def end(self) -> str:
        """Ask it to stop; return its log."""
        self.process.terminate()
        return self.process.communicate(timeout=20)[1]

    def kill(self) -> None:
        """End it with all its processes at once, as a host does that loses its power."""
        for process in (*psutil.Process(self.process.pid).children(recursive=True), self.process):
            process.kill()
        self.process.communicate(timeout=20)
