"""Both container engines, each with the same few handles that a test needs from outside."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ormen.spec import Spec
from ormen.task import Port, State, Task, Wanted
from tests.engine import engine_api
from worker_agent import docker_args
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.fake_runtime import Behaviour, FakeRuntime
from worker_agent.runtime import ContainerPlan, Runtime

PROGRAM = 'trap "exit 0" TERM; while [ ! -e /end ]; do sleep 0.02; done; exit $(cat /end)'
"""Runs until it is told by which code to exit, heeds SIGTERM."""


class World(Protocol):
    """What happens to containers from outside."""

    runtime: Any

    def exit(self, container_id: str, code: int) -> None: ...
    def kill(self, container_id: str) -> None: ...
    def say(self, container_id: str, line: str) -> None: ...


class FakeWorld:
    def __init__(self, image: str) -> None:
        self.runtime = FakeRuntime(Behaviour(images={image}, remote=set()))

    def exit(self, container_id: str, code: int) -> None:
        self.runtime.exit(container_id, code)

    def kill(self, container_id: str) -> None:
        self.runtime.kill(container_id)

    def say(self, container_id: str, line: str) -> None:
        self.runtime.say(container_id, line)


class DockerWorld:
    def __init__(self) -> None:
        self.runtime = DockerRuntime(stall_s=2)
        self.client = engine_api()

    def exit(self, container_id: str, code: int) -> None:
        self._inside(container_id, f"echo {code} > /e; mv /e /end")

    def kill(self, container_id: str) -> None:
        self.client.kill(container_id)

    def say(self, container_id: str, line: str) -> None:
        self._inside(container_id, f"echo {line} > /proc/1/fd/1")

    def _inside(self, container_id: str, script: str) -> None:
        self.runtime.probe_command(container_id, ("sh", "-c", script), timeout_s=5)


@dataclass
class Bench:
    """A runtime, its outside world, and plans under a cluster id of the test's own."""

    world: World
    image: str
    cluster: str

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.world.runtime
        return runtime

    def plan(self, name: str = "web", *, attempt: int = 1, ports: tuple[Port, ...] = (), **spec: Any) -> ContainerPlan:
        """Return a plan for the test image; `spec` are fields of Spec."""
        task = Task(
            id=f"id-of-{name}",
            name=name,
            spec={},
            wanted=Wanted.RUNNING,
            state=State.SCHEDULED,
            created_ms=0,
            container_name=f"{name}.{self.cluster}",
            attempt=attempt,
            node="n1",
            ports=ports,
        )
        wanted = Spec(**{"image": self.image, "command": ("sh", "-c", PROGRAM), **spec})
        return docker_args.plan(task, wanted, cluster=self.cluster, bind="127.0.0.1")

    def started(self, name: str = "web", **spec: Any) -> str:
        """Return the id of a container that runs."""
        container_id = self.runtime.create(self.plan(name, **spec))
        self.runtime.start(container_id)
        return container_id


@contextmanager
def busybox_image(purpose: str) -> Iterator[str]:
    """Put an image of busybox alone onto the engine, and give its name; it is removed at the end."""
    client, name = engine_api(), f"ormen-{purpose}-{os.getpid()}"
    client.import_image_from_data(busybox_layer(), repository=name, tag="1")
    try:
        yield f"{name}:1"
    finally:
        client.remove_image(f"{name}:1", force=True)
        client.close()


def busybox_layer() -> bytes:
    """Return a file system with busybox under all its names."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
        for word in subprocess.check_output(["/bin/busybox", "--list"], text=True).split():
            if word != "busybox":
                link = tarfile.TarInfo(f"bin/{word}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
    return raw.getvalue()
