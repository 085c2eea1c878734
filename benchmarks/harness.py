"""What the benchmarks share: a cluster of their own, Docker's event clock, and a table.

Each benchmark compares ormen with the Docker SDK in one run, alternating, since machines are noisy: trust the
ratio of the medians, not the milliseconds. Nothing but the benchmark's own containers is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "ormen/echo:1"
SDK_LABEL = "ormen.benchmark"
MANY_S = 180.0
"""How long many containers may take together."""
RUN = str(os.getpid())
"""Marks what this run makes by the SDK: it alone is cleared away, since another run may use the same engine."""


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
def cluster(*, sailors: int = 3, engine: str | None = None, policy: str = "") -> Iterator[Cluster]:
    """Start a cluster, give it to the block, and take it down with its containers, also on Ctrl-C and SIGTERM.

    `engine` is the address of another engine than DOCKER_HOST's; `policy` the text of a policy file.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    state = Path(tempfile.mkdtemp(prefix="ormen-benchmark-"))
    port = free_port()
    ormen = str(Path(sys.executable).with_name("ormen"))
    base = [ormen, "up", "--detach", "--no-flower", "--state-dir", str(state)]
    env = {**os.environ, **({"DOCKER_HOST": engine} if engine else {})}
    if policy:
        (state / "policy.yml").write_text(policy)
        env["ORMEN_POLICY_FILE"] = str(state / "policy.yml")
    try:
        command = [*base, "--port", str(port), "--sailors", str(sailors)]
        subprocess.run(command, check=True, stdout=sys.stderr, env=env)
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
        self._seen: dict[tuple[str, str], tuple[int, Mapping[str, str]]] = {}
        self._news = threading.Condition()
        self._stream = api.events(decode=True, filters={"type": "container"})
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._stream:
            with self._news:
                words = event["Actor"]["Attributes"]
                self._seen[event["Action"], words["name"]] = (event["timeNano"], words)
                self._news.notify_all()

    def wait(self, action: str, name: str, timeout_s: float = 30) -> int:
        """Return the time (ns since the epoch) of an event of the container with this name, waiting for it."""
        with self._news:
            if not self._news.wait_for(lambda: (action, name) in self._seen, timeout_s):
                raise SystemExit(f"no {action} of {name} within {timeout_s:.0f}s")
            return self._seen[action, name][0]

    def last(self, action: str, belongs: Callable[[Mapping[str, str]], bool], count: int) -> int:
        """Return the time of the last of so many events; `belongs` is asked of a container's name and labels."""

        def found() -> list[int]:
            return [at for (done, _), (at, words) in self._seen.items() if done == action and belongs(words)]

        with self._news:
            if not self._news.wait_for(lambda: len(found()) >= count, MANY_S):
                raise SystemExit(f"{len(found())} of {count} containers had their {action} within {MANY_S:.0f}s")
            return max(found())

    def close(self) -> None:
        """Stop listening."""
        self._stream.close()


def engine() -> str:
    """Return the address of the engine that is measured."""
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def client(*, connections: int = 8) -> docker.APIClient:
    """Return a client of the engine that everything else uses, which keeps so many connections open."""
    return docker.APIClient(base_url=engine(), timeout=120, max_pool_size=connections)


@contextlib.contextmanager
def sdk(*, connections: int = 8) -> Iterator[docker.APIClient]:
    """Give the block a client; afterwards remove what it has left of this run's containers."""
    api = client(connections=connections)
    try:
        yield api
    finally:
        for left in api.containers(all=True, filters={"label": f"{SDK_LABEL}={RUN}"}):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(left["Id"], force=True)
        api.close()


def sdk_container(
    api: docker.APIClient, *, host_port: int | None, name: str, network: str | None = None
) -> dict[str, Any]:
    """Return the arguments by which the SDK creates what ormen creates for the same spec."""
    config = api.create_host_config(
        port_bindings={7777: ("127.0.0.1", host_port)} if host_port else None,
        log_config={"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        restart_policy={"Name": "no"},
        network_mode=network,
    )
    ports = {} if network == "host" else {"ports": [7777]}
    return {"image": IMAGE, "name": name, **ports, "host_config": config, "labels": {SDK_LABEL: RUN}}


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


def heading(what: str) -> str:
    """Return the first line of a report: what was done, where, on which day, and beside how much else."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        version = f"Docker {client().version()['Version']}"
    except docker.errors.DockerException:
        version = "no engine"
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {version}"
    day, load = time.strftime("%d %B %Y"), os.getloadavg()[0]
    return f"{what}; {machine}, Python {platform.python_version()}, {day}, load {load:.1f}"


def table(rows: Sequence[tuple[str, Sequence[float]]], *, share: float = 0.9) -> str:
    """Return median, a percentile (`share`) and most of each row, in milliseconds."""
    lines = [f"{'':<34}{'median':>10}{f'p{share * 100:.0f}':>10}{'max':>10}"]
    for name, values in rows:
        figures = (statistics.median(values), percentile(values, share), max(values))
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
