"""Several hosts on one machine: network namespaces, each with an engine, an address and a cable of its own.

The deck and a Redis with a password are outside, where the hosts reach them at the other end of their cables. An
engine is only ever started inside a namespace. Whatever is made is announced to the guard before it is made, and
taken away when the block ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import docker
import psutil
import redis
from docker.models.containers import Container

from ormen.local.redis import RunningRedis, find_server, start
from ormen.local.tether import tether
from scripts import engine as machine
from tests.acceptance.living import IMAGE, ORMEN, Cluster, Done, free_port
from tests.sweep import announce
from tests.waiting import wait_until

RUN = Path("/run") / f"ormen-hosts-{os.getpid()}"
"""Sockets, in a short path; data lies in the test's own folder."""
TOKEN = "a-token-of-the-tests"


def clean_env() -> dict[str, str]:
    """Return this process's environment without anything that is ormen's or Docker's."""
    ours = ("ORMEN_", "CUBE_", "PYTHON", "DOCKER_", "XDG_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


class Host:
    """One host: a namespace with a cable, and its own Docker engine with the echo image."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.run = RUN / name
        self.netns = f"{RUN.name}-{name}"
        self.port = f"orm{os.getpid()}-{number}"
        # Of 198.18.0.0/15, which is meant for test beds: four addresses a host, others for each process.
        base = int(IPv4Address("198.18.0.0")) + (os.getpid() * 2 + number) % 2**15 * 4
        self.gateway, self.address = str(IPv4Address(base + 1)), str(IPv4Address(base + 2))
        self.sailors: list[subprocess.Popen[bytes]] = []
        self.daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Host:
        self.folder.mkdir(parents=True)
        for place in (f"/run/netns/{self.netns}", RUN, self.folder):
            announce(str(place))
        try:
            self._cable()
            self.start_engine()
            self._hand_image_over()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take everything away; also what was made only in part."""
        for sailor in self.sailors:
            sailor.kill()
            sailor.wait()
        if self.daemon is not None:
            self.stop_engine()
        left = machine.family([pid for pid in machine_processes(self.run) if machine.alive(pid)])
        machine.tell(left, signal.SIGKILL)
        wait_until(lambda: not any(map(machine.alive, left)), timeout_s=10, what=f"for {self.name}'s processes to end")
        self.client.close()
        for place in (self.run, self.folder / "data", Path("/run/netns") / self.netns):
            machine.clear(place)
        with contextlib.suppress(OSError):
            RUN.rmdir()
        wait_until(lambda: self.port not in psutil.net_if_addrs(), what=f"for {self.name}'s cable to go")

    # Its cable

    def inside(self, *words: str | Path) -> list[str]:
        """Return the command that runs another on this host; `ip netns exec` would hide the cgroups."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *map(str, words)]

    def _cable(self) -> None:
        run("ip", "netns", "add", self.netns)
        run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        run("ip", "address", "add", f"{self.gateway}/30", "dev", self.port)
        run("ip", "link", "set", self.port, "up")
        run(*self.inside("ip", "link", "set", "lo", "up"))
        run(*self.inside("ip", "address", "add", f"{self.address}/30", "dev", "eth0"))
        run(*self.inside("ip", "link", "set", "eth0", "up"))

    def cut(self) -> None:
        """Pull the cable."""
        run("ip", "link", "set", self.port, "down")

    def mend(self) -> None:
        """Plug the cable in again."""
        run("ip", "link", "set", self.port, "up")

    # Its engine

    @cached_property
    def client(self) -> docker.DockerClient:
        """What speaks to its engine."""
        return docker.DockerClient(base_url=self.socket, version="1.41", timeout=20)

    @property
    def socket(self) -> str:
        """Where its engine answers."""
        return f"unix://{self.run}/docker.sock"

    def start_engine(self) -> None:
        """Start the engine on the data it had, and return once it answers."""
        self.run.mkdir(parents=True, exist_ok=True)
        # Its id is made from this key; by default all engines of one machine share the key, and so the id.
        (self.folder / "daemon.json").write_text(json.dumps({"deprecated-key-path": str(self.folder / "key.json")}))
        command = ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.run / "exec"]
        command += ["--pidfile", self.run / "pid", "--host", self.socket, "--containerd-namespace", self.netns]
        command += ["--containerd-plugins-namespace", f"{self.netns}-plugins", "--log-level", "warn"]
        command += ["--config-file", self.folder / "daemon.json"]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                self.inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=tether()
            )
        wait_until(lambda: machine.why_silent(self.socket) is None, timeout_s=30, what=f"for {self.name}'s engine")

    def stop_engine(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the engine by a signal, and return once it has ended."""
        assert self.daemon is not None
        self.daemon.send_signal(number)
        try:
            self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None

    def _hand_image_over(self) -> None:
        with contextlib.closing(docker.from_env()) as theirs:
            self.client.images.load(b"".join(theirs.images.get(IMAGE).save(named=True)))

    def containers(self, task: str | None = None) -> list[Container]:
        """Return the containers on its engine, also ended ones; those of one task (by id) if that is given."""
        chosen = {"label": f"ormen.task={task}"} if task else {}
        return list(self.client.containers.list(all=True, filters=chosen, ignore_removed=True))

    def own(self, name: str, **labels: str) -> Container:
        """Start a container here past ormen."""
        container = self.client.containers.run(IMAGE, name=name, detach=True, labels=labels)
        container.reload()
        return container

    # Its agent

    def environment(self) -> dict[str, str]:
        """Return the variables of a shell on this host."""
        return {**clean_env(), "DOCKER_HOST": self.socket, "ORMEN_STATE_DIR": str(self.folder / "state")}

    def sailor(self, url: str, *options: str) -> subprocess.Popen[bytes]:
        """Start `ormen sailor` here; what it says goes to a file."""
        command = self.inside(ORMEN, "sailor", "--redis-url", url, *options)
        with (self.folder / "sailor.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=tether()
            )
        self.sailors.append(process)
        return process

    def try_sailor(self, url: str, *options: str) -> Done:
        """Run `ormen sailor` here, which must end by itself."""
        process = subprocess.Popen(
            self.inside(ORMEN, "sailor", "--redis-url", url, *options),
            env={**self.environment(), "ORMEN_STATE_DIR": str(self.folder / "other")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=tether(),
        )
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
            raise AssertionError(f"it runs on: {err}") from None
        return Done(process.returncode, out, err)

    @property
    def log(self) -> str:
        """Return what its sailors have said."""
        return (self.folder / "sailor.log").read_text()


@dataclass
class Bed(Cluster):
    """A deck and its hosts, reached with its token."""

    hosts: tuple[Host, ...] = ()
    server: RunningRedis | None = None
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def url(self, host: Host) -> str:
        """Return the Redis URL that a host uses."""
        assert self.server is not None
        return f"redis://:{self.server.password}@{host.gateway}:{self.server.port}"

    def join(self, host: Host, *options: str) -> None:
        """Start the host's sailor under the host's name."""
        self.joined[host.name] = options
        host.sailor(self.url(host), "--name", host.name, *options)

    def rejoin(self, host: Host) -> None:
        """End the host's sailor by SIGKILL and start another as it was started."""
        sailor = host.sailors.pop()
        sailor.kill()
        sailor.wait()
        self.join(host, *self.joined[host.name])

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

    def settle(self) -> None:
        """Remove every task, and return once every host is ready."""
        for host in self.hosts:
            self.until_node(host.name, "ready", timeout_s=30)
        for task in self.get("/v1/tasks?limit=1000")["items"]:
            assert self.call("DELETE", f"/v1/tasks/{task['id']}?force=1").status in (204, 404)
        wait_until(lambda: not self.containers(), timeout_s=30, what="for the containers to go")
        wait_until(lambda: not self.get("/v1/tasks")["items"], what="for the tasks to go")


@contextlib.contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """A deck that lets host7 and host8 join, asks a token and allows one host path; both have joined."""
    with contextlib.ExitStack() as stack:
        hosts = tuple(
            stack.enter_context(Host(name, number, folder / name)) for number, name in enumerate(("host7", "host8"))
        )
        server = reachable_redis(folder / "redis", *(host.gateway for host in hosts))
        stack.callback(server.stop)
        # At host8's end of the cable, so that host7's may be pulled.
        found = Bed(folder / "deck", free_port(), host=hosts[1].gateway, token=TOKEN, hosts=hosts, server=server)
        (folder / "token").write_text(TOKEN + "\n")
        (folder / "policy.yaml").write_text(f"host_paths: [{folder}/srv]\n")
        options = ("-w", "host7,host8", "--token-file", folder / "token", "--policy-file", folder / "policy.yaml")
        stack.enter_context(running_deck(found, server.url, *options))
        found.join(hosts[0], "--label", "disk=ssd", "-H", "0.0.0.0")
        found.join(hosts[1], "--label", "disk=hdd")
        for host in hosts:
            found.until_node(host.name, "ready", timeout_s=30)
        yield found


@contextlib.contextmanager
def running_deck(found: Cluster, url: str, *options: str | Path) -> Iterator[None]:
    """`ormen deck` where the cluster says it is, until the block ends."""
    command = [ORMEN, "deck", "-H", found.host, "-p", str(found.port), "--redis-url", url, *map(str, options)]
    found.state.mkdir(parents=True)
    with (found.state / "output").open("wb") as log:
        environment = {**clean_env(), "ORMEN_STATE_DIR": str(found.state)}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, preexec_fn=tether())
    try:
        wait_until(lambda: found.answers() or process.poll() is not None, timeout_s=30, what="for the deck")
        assert process.poll() is None, (found.state / "output").read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def reachable_redis(folder: Path, *addresses: str) -> RunningRedis:
    """Return a Redis with a password that listens on these addresses, too."""
    server = start(find_server(), folder)
    with redis.Redis.from_url(server.url) as client:
        client.config_set("bind", " ".join(("127.0.0.1", *addresses)))
    return server


def machine_processes(place: Path) -> list[int]:
    """Return the processes of an engine that work in a folder."""
    names = ("dockerd", "containerd", "docker-proxy", "containerd-shim-runc-v2")
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or [""]
        if os.path.basename(words[0]) in names and any(f"{place}/" in word for word in words):
            found.append(process.pid)
    return found


def run(*words: str) -> None:
    """Run a command that must work."""
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
