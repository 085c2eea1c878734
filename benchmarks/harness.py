"""What the benchmarks share: a cluster of their own, Docker's event clock, and a table.

Each benchmark compares ormen with the Docker SDK in one run, alternating, since machines are noisy: trust the
ratio of the medians, not the milliseconds. Nothing but the benchmark's own containers is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "ormen/echo:1"
SDK_LABEL = "ormen.benchmark"


@dataclass(frozen=True)
class Cluster:
    """A cluster started by `ormen up` for this run; `pid` is that of its supervisor."""

    url: str
    pid: int
    state_dir: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return the decoded answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def run(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Submit one task and return its record as the answer has it."""
        record: dict[str, Any] = self.call("POST", "/v1/tasks", {"id": str(uuid.uuid4()), **spec})
        return record

    def remove(self, task: str) -> None:
        """Remove a task with its container, and wait until its container is gone."""
        self.call("DELETE", f"/v1/tasks/{task}?force=1")


@contextlib.contextmanager
def cluster(*, sailors: int = 3) -> Iterator[Cluster]:
    """Start a cluster, give it to the block, and take it down with its containers."""
    state = Path(tempfile.mkdtemp(prefix="ormen-benchmark-"))
    port = free_port()
    ormen = str(Path(sys.executable).with_name("ormen"))
    base = [ormen, "up", "--detach", "--no-flower", "--state-dir", str(state)]
    subprocess.run([*base, "--port", str(port), "--sailors", str(sailors)], check=True, stdout=sys.stderr)
    try:
        yield Cluster(f"http://127.0.0.1:{port}", _supervisor(state), state)
    finally:
        subprocess.run([ormen, "down", "--state-dir", str(state)], check=True, stdout=sys.stderr)
        shutil.rmtree(state, ignore_errors=True)


def _supervisor(state: Path) -> int:
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(state) in words and "up" in words:
            return int(process.pid)
    raise SystemExit(f"no supervisor of {state} was found")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EventClock:
    """Docker's own times of container events, heard on one stream: the same clock for ormen and the SDK."""

    def __init__(self, api: docker.APIClient) -> None:
        self._seen: dict[tuple[str, str], int] = {}
        self._news = threading.Condition()
        self._stream = api.events(decode=True, filters={"type": "container"})
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._stream:
            with self._news:
                self._seen[event["Action"], event["Actor"]["Attributes"]["name"]] = event["timeNano"]
                self._news.notify_all()

    def wait(self, action: str, name: str, timeout_s: float = 30) -> int:
        """Return the time (ns since the epoch) of an event of the container with this name, waiting for it."""
        with self._news:
            if not self._news.wait_for(lambda: (action, name) in self._seen, timeout_s):
                raise SystemExit(f"no {action} of {name} within {timeout_s:.0f}s")
            return self._seen[action, name]

    def close(self) -> None:
        """Stop listening."""
        self._stream.close()


def client() -> docker.APIClient:
    """Return a client of the engine that everything else uses."""
    return docker.APIClient(base_url=os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), timeout=120)


def sdk_container(api: docker.APIClient, *, host_port: int | None, name: str) -> dict[str, Any]:
    """Return the arguments by which the SDK creates what ormen creates for the same spec."""
    config = api.create_host_config(
        port_bindings={7777: ("127.0.0.1", host_port)} if host_port else None,
        log_config={"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        restart_policy={"Name": "no"},
    )
    return {"image": IMAGE, "name": name, "ports": [7777], "host_config": config, "labels": {SDK_LABEL: "1"}}


def alternate(
    rounds: int, first: Callable[[int], float], second: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Measure both in each round, changing which comes first; return the two lists of milliseconds."""
    one: list[float] = []
    two: list[float] = []
    for number in range(rounds):
        for mine in (True, False) if number % 2 else (False, True):
            (one if mine else two).append((first if mine else second)(number))
    return one, two


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return median, 90th percentile and most of each row, in milliseconds."""
    lines = [f"{'':<34}{'median':>10}{'p90':>10}{'max':>10}"]
    for name, values in rows:
        figures = (statistics.median(values), percentile(values, 0.9), max(values))
        lines.append(f"{name:<34}" + "".join(f"{figure:>8.1f}ms" for figure in figures))
    return "\n".join(lines)


def verdict(name: str, ours: Sequence[float], theirs: Sequence[float], *, goal: float) -> str:
    """Return the line that says the ratio of the medians and whether it reaches the goal."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    return f"{name}: median ratio {ratio:.3f}, goal at most {goal:.2f}: {'reached' if ratio <= goal else 'MISSED'}"


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 30, what: str = "it") -> None:
    """Return once a condition holds; end the run with a sentence if it never does."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not happen within {timeout_s:.0f}s")
        time.sleep(0.02)
