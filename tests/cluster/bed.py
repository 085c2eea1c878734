"""A cluster on several hosts: a Redis and a deck outside, a host for each name, and a hand on every part of it.

Between each host and Redis, and between the deck and Redis, stands a proxy of its own, so that each line can be made
slow, dead or cut for itself. Whatever is made is taken away when the block ends, however it ends.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from docker.models.containers import Container

from ormen.local.tether import tether
from tests.acceptance.living import ORMEN, Cluster, free_port
from tests.cluster.hosts import Host, clean_env
from tests.cluster.proxy import Proxy
from tests.cluster.server import Server
from tests.waiting import wait_until

TOKEN = "a-token-of-the-tests"
PARTS = ("api", "control", "beat")


@dataclass
class Deck(Cluster):
    """An `ormen deck`: its command, its parts, and what a user does with it."""

    process: subprocess.Popen[bytes] | None = None
    command: tuple[str, ...] = ()

    def start(self, url: str = "", *options: str | Path) -> None:
        """Start it, the first time with the Redis URL and options that it keeps, and return once it answers."""
        if url:
            words = ("deck", "-H", self.host, "-p", str(self.port), "--redis-url", url)
            self.command = (ORMEN, *words, *map(str, options))
        process = self.launch()
        wait_until(lambda: self.answers() or process.poll() is not None, timeout_s=30, what="for the deck")
        assert process.poll() is None, (self.state / "output").read_text()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it as before, and return at once."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "output").open("ab") as log:
            environment = {**clean_env(), "ORMEN_STATE_DIR": str(self.state)}
            self.process = subprocess.Popen(self.command, env=environment, stdout=log, stderr=log, preexec_fn=tether())
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal to its command; SIGKILL takes its parts with it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(40)
            self.process = None

    def part(self, name: str) -> psutil.Process:
        """Return the process ``api``, ``control`` or ``beat``, which must live."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if child.cmdline()[-1] == name:
                    return child
        raise AssertionError(f"the deck has no {name}")

    def kill(self, *names: str) -> None:
        """End parts by SIGKILL, and return once each has been started again."""
        before = {name: self.part(name) for name in names}
        for process in before.values():
            for each in [*process.children(recursive=True), process]:
                each.kill()
        wait_until(lambda: all(self._anew(*item) for item in before.items()), what=f"for {names} to be back")

    def _anew(self, name: str, before: psutil.Process) -> bool:
        try:
            return self.part(name) != before
        except AssertionError:
            return False

    def freeze(self, *names: str) -> None:
        """Stop parts where they are, with all their processes."""
        self._signal(names, signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        """Let frozen parts go on."""
        self._signal(names, signal.SIGCONT)

    def _signal(self, names: Sequence[str], number: int) -> None:
        for part in map(self.part, names or PARTS):
            for each in [part, *part.children(recursive=True)]:
                each.send_signal(number)


@dataclass
class Bed(Deck):
    """A deck and its hosts, reached with its token."""

    hosts: tuple[Host, ...] = ()
    server: Server | None = None
    lines: dict[str, Proxy] = field(default_factory=dict)
    """The proxy before Redis of each host, by its name, and of the deck (``deck``)."""
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def redis(self) -> Server:
        """Its Redis."""
        assert self.server is not None
        return self.server

    def url(self, host: Host) -> str:
        """Return the Redis URL that a host uses."""
        return self.redis.at(host.gateway, self.lines[host.name].listen[1])

    def join(self, host: Host, *options: str) -> None:
        """Start the host's sailor under the host's name."""
        self.joined[host.name] = options
        host.sailor(self.url(host), "--name", host.name, *options)

    def rejoin(self, host: Host) -> None:
        """End the host's sailor by SIGKILL, if it runs, and start another as it was started."""
        host.end_sailors()
        self.join(host, *self.joined[host.name])

    def power_on(self, host: Host) -> None:
        """Start a host whose power was off: its engine on the data it had, and its sailor."""
        host.power_on()
        self.rejoin(host)

    def host_of(self, task: dict[str, Any]) -> Host:
        """Return the host that a task's record names."""
        return next(host for host in self.hosts if host.name == task["node"])

    def node(self, name: str) -> dict[str, Any]:
        """Return what the deck knows of a node."""
        return dict(self.get(f"/v1/nodes/{name}"))

    def until_node(self, name: str, state: str, *, timeout_s: float = 20) -> dict[str, Any]:
        """Return the node as soon as it is in the state."""
        what = f"for {name} to be {state}"
        wait_until(lambda: self._state(name) == state, timeout_s=timeout_s, what=what)
        return self.node(name)

    def _state(self, name: str) -> str:
        answer = self.call("GET", f"/v1/nodes/{name}")
        return str(answer.json["state"]) if answer.status == 200 else "unknown"

    def containers(self, task: str | None = None) -> list[Container]:
        """Return the containers of this cluster on all hosts."""
        found = [item for host in self.hosts for item in host.containers(task)]
        return [item for item in found if item.labels.get("ormen.cluster") == self.id]

    def running(self, task: str) -> list[str]:
        """Return the name of each host that runs a container of the task, once for each container."""
        return [host.name for host in self.hosts for item in host.containers(task) if item.status == "running"]

    def heal(self) -> None:
        """Mend every line and cable, and wake or start again whatever a test has frozen or ended."""
        for line in self.lines.values():
            line.open()
        if self.redis.process is None:
            self.redis.start()
        self.redis.thaw()
        for host in self.hosts:
            host.mend()
            if host.daemon is None:
                host.start_engine()
            host.thaw_engine()
            if all(sailor.poll() is not None for sailor in host.sailors):
                self.rejoin(host)
            host.thaw_agent()
        if self.process is None:
            self.start()
        self.thaw()

    def settle(self) -> None:
        """Remove every task, and return once every host is ready."""
        wait_until(self.answers, timeout_s=40, what="for the deck to be ready")
        for host in self.hosts:
            if self._state(host.name) in ("draining", "cordoned"):
                self.call("POST", f"/v1/nodes/{host.name}/activate", {})
            self.until_node(host.name, "ready", timeout_s=30)
        for task in self.get("/v1/tasks?limit=1000")["items"]:
            assert self.call("DELETE", f"/v1/tasks/{task['id']}?force=1").status in (204, 404)
        wait_until(lambda: not self.containers(), timeout_s=30, what="for the containers to go")
        wait_until(lambda: not self.get("/v1/tasks")["items"], what="for the tasks to go")


LABELS = (("--label", "disk=ssd", "-H", "0.0.0.0"), ("--label", "disk=hdd"))


@contextlib.contextmanager
def bed(
    folder: Path, *, count: int = 2, disk_mb: int | None = None, address: str | None = None, token: str = TOKEN
) -> Iterator[Bed]:
    """A deck that lets its `count` hosts join (host7, host8 …), asks a token and allows one host path; all have joined.

    With `disk_mb` the first host's engine has a disk of its own of that size. The deck listens on `address`, by default
    at the last host's end of its cable, where the hosts reach it too as long as that cable is not pulled.
    """
    names = [f"host{7 + number}" for number in range(count)]
    with contextlib.ExitStack() as stack:
        hosts = tuple(
            stack.enter_context(Host(name, number, folder / name, disk_mb=disk_mb if number == 0 else None))
            for number, name in enumerate(names)
        )
        server = Server(folder / "redis", [host.gateway for host in hosts])
        stack.callback(server.stop)
        place = address or hosts[-1].gateway
        first = free_port(2 + count)
        found = Bed(folder / "deck", first, host=place, token=token, hosts=hosts, server=server)
        ends = (("deck", "127.0.0.1"), *((host.name, host.gateway) for host in hosts))
        for number, (name, address) in enumerate(ends, 1):
            line = Proxy((address, first + number), ("127.0.0.1", server.port))
            found.lines[name] = stack.enter_context(line)
        (folder / "token").write_text(token + "\n")
        (folder / "policy.yaml").write_text(f"host_paths: [{folder}/srv]\n")
        options = ("-w", ",".join(names), "--token-file", folder / "token", "--policy-file", folder / "policy.yaml")
        stack.callback(found.stop)
        found.start(server.at("127.0.0.1", found.lines["deck"].listen[1]), *options)
        for number, host in enumerate(hosts):
            found.join(host, *(LABELS[number] if number < len(LABELS) else ()))
        for host in hosts:
            found.until_node(host.name, "ready", timeout_s=30)
        yield found


@contextlib.contextmanager
def another_deck(found: Bed, folder: Path) -> Iterator[Deck]:
    """A second deck on the same Redis, until the block ends."""
    port = free_port()
    other = Deck(folder, port, host=found.host, token=TOKEN)
    flag = found.command.index("-p")
    other.command = (*found.command[: flag + 1], str(port), *found.command[flag + 2 :])
    try:
        other.start()
        yield other
    finally:
        other.stop()


@contextlib.contextmanager
def running_deck(found: Deck, url: str, *options: str | Path) -> Iterator[None]:
    """`ormen deck` where the cluster says it is, until the block ends."""
    try:
        found.start(url, *options)
        yield
    finally:
        found.stop()
