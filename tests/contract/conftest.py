"""Both container engines, for any test of this folder."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.bench import Bench, DockerWorld, FakeWorld, busybox_image
from tests.contract.registry import Registry
from tests.sweep import announce
from worker_agent.docker_runtime import DockerRuntime


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Put an image of busybox alone onto the engine."""
    with busybox_image("contract") as name:
        yield name


@pytest.fixture
def docker_bench(image: str) -> Iterator[Bench]:
    """Give the real engine; whatever the test leaves under its cluster's label is removed."""
    world = DockerWorld()
    bench = Bench(world, image, f"test-{uuid.uuid4().hex[:10]}")
    announce(f"ormen.cluster={bench.cluster}")
    yield bench
    for container in world.runtime.containers(bench.cluster):
        world.runtime.remove(container.id)
    world.runtime.close()
    world.client.close()


@pytest.fixture(params=["fake", "docker"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Give each engine in turn."""
    if request.param == "docker":
        found: Bench = request.getfixturevalue("docker_bench")
        return found
    return Bench(FakeWorld("busybox:1"), "busybox:1", f"test-{uuid.uuid4().hex[:10]}")


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Give a registry on loopback whose repositories misbehave each in its own way."""
    stub = Registry()
    yield stub
    stub.close()


@pytest.fixture
def no_engine(tmp_path: Path) -> DockerRuntime:
    """Give a runtime at whose socket nothing is."""
    return DockerRuntime(f"unix://{tmp_path}/none.sock")


@pytest.fixture
def absent_image(registry: Registry) -> Callable[[Bench], str]:
    """Give the name of an image that a registry in reach does not have."""
    return lambda bench: f"{registry.address}/nosuch:1"


@pytest.fixture
def free_port() -> int:
    """Give a port of 127.0.0.1 that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
