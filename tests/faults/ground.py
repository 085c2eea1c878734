"""The ground on which faults happen: a deck, its Redis, and six real agents that share the one engine.

Each agent stands for a kind of trouble, so that one fault spoils nothing for the next: ``anchor`` is always well,
``spare`` is cordoned and drained, ``mute`` is frozen, the engine of ``sick`` goes away, that of ``hung`` hangs from the
beginning, ``deaf`` hears nothing from the beginning. Time that would only be waited for is moved in Redis instead.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import docker.errors
import redis

from ormen.settings import Settings
from tests.cluster.bed import Deck
from tests.cluster.proxy import SocketProxy
from tests.cluster.server import Server
from tests.contract.registry import Registry
from tests.engine import SOCKET
from tests.integration.nodes import PROGRAM, Node
from tests.sweep import announce
from tests.waiting import wait_until

NAMES = ("anchor", "spare", "mute", "sick", "hung", "deaf")
LABELS = {"anchor": "zone=eu-west,pair=none", "spare": "zone=eu-east,pair=all"}
SMALL = {"cpu": 0.01, "memory": "16MiB", "stop_grace": "1s"}
IDLE = ["sleep", "600"]
STALL_S = 4


@dataclass
class Ground(Deck):
    """A deck with its agents, and what is done to them."""

    server: Server | None = None
    image: str = ""
    folder: Path = Path()
    nodes: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, SocketProxy] = field(default_factory=dict)
    registries: dict[str, Registry] = field(default_factory=dict)
    begun: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Tasks that run on nodes whose trouble takes its time, submitted before it began."""
    early: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Tasks whose fault lies in their spec, by the name of the fault."""
    made: list[str] = field(default_factory=list)

    # Its tasks

    def submit_on(self, node: str, **spec: Any) -> dict[str, Any]:
        """Submit a small task that may run on this node alone."""
        return self.submit(**self.spec_on(node, **spec))

    def spec_on(self, node: str, **spec: Any) -> dict[str, Any]:
        """Return the spec of a small task that may run on this node alone; ``{open}`` in its image is that registry."""
        addresses = {name: registry.address for name, registry in self.registries.items()}
        image = str(spec.pop("image", self.image)).format(**addresses)
        constraints = [f"node={node}", *spec.pop("constraints", [])]
        return {**SMALL, "command": IDLE, **spec, "image": image, "constraints": constraints}

    def submit(self, *, wait: bool = False, **spec: Any) -> dict[str, Any]:
        """Submit a task, which the end of the test removes."""
        task = super().submit(wait=wait, **spec)
        self.made.append(task["id"])
        return task

    def submit_early(self, specs: Mapping[str, Mapping[str, Any]]) -> None:
        """Submit many tasks for ``anchor`` in one request, each under the name of its fault."""
        answer = self.call("POST", "/v1/tasks", [self.spec_on("anchor", **spec) for spec in specs.values()])
        assert answer.status == 201, answer
        self.early = dict(zip(specs, answer.json, strict=True))

    def run_on(self, node: str, **spec: Any) -> dict[str, Any]:
        """Return a small task that runs on this node alone, and heeds a stop."""
        task = self.submit_on(node, **{"command": ["sh", "-c", PROGRAM], **spec})
        return self.until(task["id"], lambda now: now["state"] == "running", timeout_s=40)

    def run_beside(self, node: str, other: str = "spare") -> dict[str, Any]:
        """Return a small task that runs on this node, and may run on the other as well."""
        with self.marked(other, "cordon"):
            task = self.submit_beside(node, other)
            return self.until(task["id"], lambda now: now["state"] == "running", timeout_s=40)

    def submit_beside(self, node: str, other: str) -> dict[str, Any]:
        """Submit a small task that may run on these two nodes."""
        spec = {**SMALL, "image": self.image, "command": ["sh", "-c", PROGRAM]}
        return self.submit(**spec, constraints=[f"node in ({node},{other})"])

    @property
    def foreign(self) -> dict[str, str]:
        """Return the label of containers that are nobody's, by which the guard finds them."""
        return {"ormen-faults": str(os.getpid())}

    def clear(self, *, also: str) -> None:
        """Ask for the removal of the tasks that were made since the last time, and of the fault's own."""
        early = self.early.pop(also, None)
        for task in [*self.made, *([early["id"]] if early else [])]:
            self.call("DELETE", f"/v1/tasks/{task}?force=1")
        self.made.clear()

    # Its nodes

    def node(self, name: str) -> dict[str, Any]:
        """Return what the deck knows of a node."""
        return dict(self.get(f"/v1/nodes/{name}"))

    def is_ready(self, *names: str) -> bool:
        """Return whether these nodes are ready."""
        ready = {node["name"] for node in self.get("/v1/nodes")["items"] if node["state"] == "ready"}
        return set(names) <= ready

    @contextlib.contextmanager
    def marked(self, node: str, how: str) -> Iterator[None]:
        """Cordon or drain a node until the block ends."""
        assert self.call("POST", f"/v1/nodes/{node}/{how}", {}).status in (200, 202)
        try:
            yield
        finally:
            self.call("POST", f"/v1/nodes/{node}/activate", {})

    @contextlib.contextmanager
    def frozen(self, *names: str, silent_s: float) -> Iterator[None]:
        """Stop agents where they are and let them have been silent for so long already, until the block ends."""
        for name in names:
            self.nodes[name].process.send_signal(signal.SIGSTOP)
        try:
            self.silence(*names, silent_s=silent_s)
            yield
        finally:
            for name in names:
                self.nodes[name].process.send_signal(signal.SIGCONT)
            well = [name for name in names if name not in self.begun]
            wait_until(lambda: self.is_ready(*well), what=f"for {well} to be ready again")

    def silence(self, *names: str, silent_s: float) -> None:
        """Let these nodes have been silent for so long, while somebody watched all the time."""
        with self.redis.client() as client:
            client.hset("ormen:loops", "since", 1)
            for name in names:
                client.zadd("ormen:nodes:heartbeats", {name: self._now_ms(client) - round(silent_s * 1000)})

    @contextlib.contextmanager
    def without_engine(self, name: str) -> Iterator[None]:
        """Let nothing answer at a node's engine until the block ends."""
        self.lines[name].refuse()
        try:
            yield
        finally:
            Path(self.lines[name].listen[0]).unlink(missing_ok=True)
            self.lines[name].open()
            wait_until(lambda: self.is_ready(name), what=f"for {name} to be ready again")

    def a_minute_later(self, node: str) -> None:
        """Let the trouble of a node have begun a minute ago."""
        with self.redis.client() as client:
            client.hset(f"ormen:node:{node}", "trouble_since", self._now_ms(client) - 61_000)

    def unheard_for_a_minute(self, task: str) -> None:
        """Let the last word of a task that is being started be a minute old, and return once its start is given up.

        What its agent has still to say comes meanwhile: it looks for the image while the engine creates the container.
        """
        begun = self.task(task)["attempt"]

        def given_up() -> bool:
            with self.redis.client() as client:
                client.zadd("ormen:scheduled", {task: self._now_ms(client) - 61_000}, xx=True)
            now = self.task(task)
            return (now["state"], now["attempt"]) != ("scheduled", begun)

        wait_until(given_up, timeout_s=40, what="for the start to be given up")

    def _now_ms(self, client: redis.Redis) -> int:
        seconds, micros = client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    @property
    def redis(self) -> Server:
        """Its Redis."""
        assert self.server is not None
        return self.server

    @property
    def settings(self) -> Settings:
        """What an agent has to know."""
        return replace(
            Settings(),
            redis_url=self.redis.url,
            state_dir=str(self.folder / "state"),
            bind="127.0.0.1",
            status_port=0,
            profile="calm",
        )

    def start_node(self, name: str, *, docker_host: str | None = None, command: tuple[str, ...] = ()) -> Node:
        """Start an agent, and return at once."""
        settings = replace(
            self.settings, node=name, docker_host=docker_host, node_labels=LABELS.get(name, ""), pull_stall_s=STALL_S
        )
        self.nodes[name] = Node.start(settings, self.folder)
        return self.nodes[name]

    def start_nodes(self) -> None:
        """Start all six agents, each behind a line of its own to the engine."""
        announce(f"ormen-faults={os.getpid()}")
        announce(f"ormen.cluster={self.id}")
        for name in NAMES:
            path = f"/run/ormen-faults-{os.getpid()}-{name}.sock"
            announce(path)
            self.lines[name] = SocketProxy(path, SOCKET)
            self.lines[name].__enter__()
            self.start_node(name, docker_host=f"unix://{path}")
        logs = {name: node.log for name, node in self.nodes.items()}
        wait_until(lambda: self.is_ready(*NAMES), timeout_s=40, what=f"for the agents, see {logs}")

    def begin_slow_trouble(self) -> None:
        """Let the engine of ``hung`` hang; each of the nodes in trouble runs a task that may move to ``anchor``."""
        for name in ("hung", "deaf"):
            self.begun[name] = self.run_beside(name, "anchor")
        self.made.clear()
        self.lines["hung"].black_hole()

    def end(self) -> None:
        """End every process, remove every container of the cluster."""
        for node in self.nodes.values():
            if node.process.poll() is None:
                node.end()
        cluster = self.id
        self.stop()
        for found in self.engine.api.containers(all=True, filters={"label": f"ormen.cluster={cluster}"}):
            self.engine.api.remove_container(found["Id"], force=True)
        for image in self.engine.images.list():
            for tag in image.tags:
                if tag.startswith(tuple(registry.address for registry in self.registries.values())):
                    self.engine.images.remove(tag, force=True)
        for volume in self.engine.volumes.list(filters={"name": "ormen-faults-"}):
            with contextlib.suppress(docker.errors.APIError):  # another run of these tests may have one
                volume.remove()
        self.engine.close()
        for line in self.lines.values():
            line.__exit__()
            Path(line.listen[0]).unlink(missing_ok=True)
        for registry in self.registries.values():
            registry.close()
        self.redis.stop()
