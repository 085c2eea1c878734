"""A real engine and a registry whose tag moves on: each submission runs what the tag meant at its first start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from manager_api import submission, updating
from ormen.policy import Policy
from ormen.schema import load_submission
from ormen.task import State, Task
from tests.contract.bench import busybox_layer
from tests.contract.registry import Registry
from tests.integration.nodes import PROGRAM, Harbour

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


def submitted(harbour: Harbour, *specs: dict[str, Any]) -> list[Task]:
    """Submit a list in one request."""
    body = [{"command": ["sh", "-c", PROGRAM], **spec} for spec in specs]
    return submission.submit(harbour.deck, load_submission(body, policy=Policy(()), new_id=lambda: str(uuid4())).items)


def placed(harbour: Harbour, task: Task) -> Task:
    """Place a task that waits, and return it running."""
    harbour.loops.place([task.id])
    return harbour.until(task, State.RUNNING)


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


def test_all_specs_of_a_list_run_one_image_though_the_tag_moves_on(harbour: Harbour, registry: Registry) -> None:
    """What waited for its node, was changed and restarted runs what the first has found; a new list does not."""
    layer = busybox_layer()
    first = registry.publish("app", layer, version="1")
    harbour.node()
    image = f"{registry.address}/app:1"
    later = {"image": image, "pull": "always", "constraints": ["node=node-2"]}
    web, job = submitted(harbour, {"name": "web", "image": image}, {"name": "job", **later})
    harbour.until(web, State.RUNNING)
    second = registry.publish("app", layer, version="2")
    harbour.docker.pull(f"{registry.address}/app", tag="1")
    harbour.node("node-2")
    started = placed(harbour, job)
    (fresh,) = submitted(harbour, {"name": "fresh", **later})
    assert [version_of(harbour, task) for task in (web, started)] == ["VERSION=1", "VERSION=1"]
    again = restarted(harbour, updating.update(harbour.deck, started, {"labels": {"a": "1"}}))
    fresh = harbour.until(fresh, State.RUNNING)
    assert [version_of(harbour, task) for task in (again, fresh)] == ["VERSION=1", "VERSION=2"]
    assert [task.pin and task.pin.digest for task in (harbour.task(web), again, fresh)] == [first, first, second]


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
