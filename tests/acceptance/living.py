"""A whole cluster for tests that use ormen as its users do: real processes, the real engine, the public doors."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import psutil
from docker.models.containers import Container

from tests.sweep import announce
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
ORMEN = str(Path(sys.executable).with_name("ormen"))
IMAGE = "ormen/echo:1"
NODES = ("node-1", "node-2", "node-3")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `json` is None for an empty body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.text) if self.text else None


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass
class Cluster:
    """One `ormen up`: where it answers, and what a user does with it."""

    state: Path
    port: int
    options: tuple[str, ...] = ("--no-flower",)
    env: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    host: str = "localhost"
    token: str = ""

    # Its life

    def up(self) -> Done:
        """Start it in the background."""
        command = ("up", "--detach", "--state-dir", str(self.state), "--port", str(self.port), *self.options)
        done = self.ormen(*command, timeout=110)
        assert done.code == 0, done
        self.ids.add(self.id)
        announce(f"ormen.cluster={self.id}")
        return done

    def down(self, *options: str) -> Done:
        """Take it down."""
        return self.ormen("down", "--state-dir", str(self.state), *options, timeout=110)

    def end(self) -> None:
        """Take it down for good, by force if it must be, and assert that nothing of it is left."""
        done = self.down("--purge", "-y")
        left = self.processes()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        containers = self.containers()
        for container in containers:
            container.remove(force=True)
        self.engine.close()
        names = [container.name for container in containers]
        assert (done.code, left, names) == (0, [], []), done

    @cached_property
    def id(self) -> str:
        """Its id, as its containers' labels carry it."""
        return str(self.get("/v1/version")["cluster"])

    def processes(self) -> list[psutil.Process]:
        """Return each process that has this cluster's folder in its command line or its environment."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            return process.pid != os.getpid() and any(str(self.state) in word for word in words)
        return False

    def pid(self, name: str) -> int:
        """Return the process id of the part `name` (redis, deck, control, beat, node-1 …) as was written down last."""
        return int(json.loads((self.state / "run.json").read_text())["children"][name][0])

    def child(self, name: str) -> psutil.Process:
        """Return the process of a part, which must live."""
        return psutil.Process(self.pid(name))

    def kill(self, *names: str) -> None:
        """End parts by SIGKILL, and return once each has been started again."""
        before = {name: self.child(name) for name in names}
        for process in before.values():
            process.kill()
        wait_until(lambda: all(self.pid(name) != before[name].pid for name in names), what=f"for {names} to be back")

    # Its command line

    def ormen(self, *words: str, timeout: float = 60, stdin: str = "") -> Done:
        """Run a command against this cluster."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ORMEN_", "CUBE_", "PYTHON"))}
        env = {**clean, "ORMEN_MANAGER": f"{self.host}:{self.port}", "ORMEN_TOKEN": self.token, **self.env}
        done = subprocess.run(
            [ORMEN, *words],
            env=env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.state.parent,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    # Its HTTP

    def call(self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request; bytes go as they are, anything else as JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=100)
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        login = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, path, payload, {"Content-Type": "application/json", **login, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Return what a GET that must work answers."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def submit(self, *, wait: bool = False, **spec: Any) -> dict[str, Any]:
        """Submit a task of the echo image, which must be accepted; with `wait` return once it is up or will not be."""
        query = "?wait=running&timeout=60" if wait else ""
        answer = self.call("POST", f"/v1/tasks{query}", {"image": IMAGE, **spec})
        assert answer.status == 201, answer
        return dict(answer.json)

    def run(self, **spec: Any) -> dict[str, Any]:
        """Submit a task and return its record once it runs."""
        record = self.submit(wait=True, **spec)
        assert record["state"] == "running", record
        return record

    def task(self, word: str) -> dict[str, Any]:
        """Return a task's record."""
        return dict(self.get(f"/v1/tasks/{word}"))

    def until(self, word: str, holds: Callable[[dict[str, Any]], object], *, timeout_s: float = 20) -> dict[str, Any]:
        """Return the record as soon as it fulfils `holds`."""
        seen: list[dict[str, Any]] = [{}]

        def fits() -> object:
            seen[0] = self.task(word)
            return holds(seen[0])

        try:
            wait_until(fits, timeout_s=timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen[0]}") from None
        return seen[0]

    def events(self, word: str) -> list[dict[str, Any]]:
        """Return a task's events, oldest first."""
        return list(self.get(f"/v1/tasks/{word}/events?limit=1000")["items"])

    def sentences(self, word: str) -> str:
        """Return what a task's events say, a line each."""
        return "\n".join(f"{event['type']} {event['reason'] or ''} {event['sentence']}" for event in self.events(word))

    def remove(self, *words: str) -> None:
        """Remove tasks, running or not, and wait until their containers are gone."""
        for word in words:
            assert self.call("DELETE", f"/v1/tasks/{word}?force=1").status in (204, 404)
        wait_until(lambda: not self.containers(), timeout_s=30, what="for the containers to go")

    # Its containers

    @cached_property
    def engine(self) -> docker.DockerClient:
        """The engine that it uses."""
        return docker.from_env()

    def containers(self, task: str | None = None) -> list[Container]:
        """Return its containers, also ended ones; those of one task (by id) if that is given."""
        found = []
        for cluster in self.ids:
            labels = [f"ormen.cluster={cluster}"] + ([f"ormen.task={task}"] if task else [])
            found += self.engine.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        return found

    def container(self, task: str) -> dict[str, Any]:
        """Return what Docker knows of the one container of a task, by id."""
        (found,) = self.containers(task)
        return dict(self.engine.api.inspect_container(found.id))

    # Rest between tests

    def settle(self) -> None:
        """Remove every task and wait until all its parts are well: the next test starts from nothing."""
        wait_until(self.answers, timeout_s=40, what="for the deck to be ready")
        names = {node["name"]: node["state"] for node in self.get("/v1/nodes")["items"]}
        for name, state in names.items():
            if state in ("draining", "cordoned"):
                self.call("POST", f"/v1/nodes/{name}/activate", {})
        wait_until(self.is_ready, timeout_s=40, what="for three ready nodes")
        for task in self.get("/v1/tasks?limit=1000")["items"]:
            assert self.call("DELETE", f"/v1/tasks/{task['id']}?force=1").status in (204, 404)
        wait_until(lambda: not self.containers(), timeout_s=40, what="for the containers to go")
        wait_until(lambda: not self.get("/v1/tasks")["items"], what="for the tasks to go")

    def answers(self) -> bool:
        """Return whether the deck is there and ready."""
        try:
            return self.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def is_ready(self) -> bool:
        """Return whether all three nodes are ready."""
        return [node["state"] for node in self.get("/v1/nodes")["items"]] == ["ready"] * len(NODES)


def free_port(count: int = 1) -> int:
    """Return the first of `count` neighbouring ports that are free, outside every range that is given out."""
    script = str(ROOT / "scripts" / "free_ports.py")
    done = subprocess.run([sys.executable, script, str(count)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@contextlib.contextmanager
def taken(port: int, host: str = "127.0.0.1") -> Iterator[None]:
    """Hold a port outside ormen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, port))
        holder.listen()
        yield


def fetch(port: int, path: str = "/", *, host: str = "127.0.0.1") -> str:
    """Return what answers on a published port of this machine, or of another host."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def new_id() -> str:
    """Return a fresh task id."""
    return str(uuid.uuid4())
