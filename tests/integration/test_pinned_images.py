"""A real engine and a registry whose tag moves on: each submission runs what the tag meant at its first start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from manager_api import submission
from ormen.task import State, Task
from tests.contract.bench import busybox_layer
from tests.contract.registry import Registry
from tests.integration.nodes import Harbour

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def registry(harbour: Harbour) -> Iterator[Registry]:
    """A registry with versions of one image that can run; none is left on the engine."""
    found = Registry()
    yield found
    harbour.close()
    for image in harbour.docker.images(f"{found.address}/app"):
        harbour.docker.remove_image(image["Id"], force=True)
    found.close()


def version_of(harbour: Harbour, task: Task) -> str:
    """Which version of the image the task's container was made from."""
    env = harbour.docker.inspect_container(task.container_name)["Config"]["Env"]
    return next(item for item in env if item.startswith("VERSION="))


def restarted(harbour: Harbour, task: Task) -> Task:
    """Return the task in its next attempt."""
    submission.restart(harbour.deck, task)
    harbour.until(task, State.PENDING)
    harbour.loops.place([task.id])
    return harbour.until(task, State.RUNNING, attempt=task.attempt + 1)


def test_a_submission_keeps_its_image_when_the_tag_moves_on(harbour: Harbour, registry: Registry) -> None:
    """Later attempts run the same digest, asked of the registry or not; a new submission runs the new one."""
    layer = busybox_layer()
    first = registry.publish("app", layer, version="1")
    harbour.node()
    image = f"{registry.address}/app:1"
    kept, asking = harbour.run("kept", image=image), harbour.run("asking", image=image, pull="always")
    assert [task.to_json()["image_digest"] for task in (kept, asking)] == [first, first]
    second = registry.publish("app", layer, version="2")
    harbour.docker.pull(f"{registry.address}/app", tag="1")
    fresh = harbour.run("fresh", image=image)
    again = [restarted(harbour, kept), restarted(harbour, asking), fresh]
    assert [version_of(harbour, task) for task in again] == ["VERSION=1", "VERSION=1", "VERSION=2"]
    assert [task.pin and task.pin.digest for task in again] == [first, first, second]


def test_a_host_without_the_image_pulls_it_by_its_digest(harbour: Harbour, registry: Registry) -> None:
    """The tag means something else by then, and the image has gone from this host."""
    layer = busybox_layer()
    first = registry.publish("app", layer, version="1")
    harbour.node()
    task = harbour.run("app", image=f"{registry.address}/app:1")
    registry.publish("app", layer, version="2")
    harbour.docker.remove_container(task.container_name, force=True)
    harbour.docker.remove_image(f"{registry.address}/app:1", force=True)
    harbour.until(task, State.PENDING)
    harbour.loops.place([task.id])
    again = harbour.until(task, State.RUNNING, attempt=2)
    assert (version_of(harbour, again), registry.pulls[-1]) == ("VERSION=1", f"app:{first}")
