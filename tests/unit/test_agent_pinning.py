"""A submission runs one image: what its tag meant when one of its tasks first found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from agents import AgentBench

from ormen.image_pin import Pin
from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.task import State, Task
from worker_agent.fake_runtime import Behaviour
from worker_agent.runtime import ContainerPlan, EngineDown

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """An agent whose registry has app:1, and whose engine has one image that was loaded there."""
    made = AgentBench(settings, behaviour=Behaviour(images={"loaded:1"}, remote=None, tags={"app:1": OLD}))
    yield made
    made.close()


def image_of(bench: AgentBench, task: Task) -> str:
    """The image from which the task's container was made."""
    container = bench.container(task)
    assert container is not None
    return bench.runtime.image_of[container.id]


def again(bench: AgentBench, task: Task) -> Task:
    """Let the next attempt of a task run here."""
    bench.deck.restart(task)
    bench.work()
    bench.assign(task.id)
    bench.work()
    return bench.task(task.id)


def pinned_elsewhere(bench: AgentBench, task: Task, pin: Pin) -> None:
    """Let another node have been first."""
    bench.deck.client.hset(bench.deck.keys.pin(task.pin_id), "image", pin.packed())


@pytest.mark.parametrize("pull", ["if-missing", "always"])
def test_a_later_attempt_runs_the_first_ones_image(bench: AgentBench, pull: str) -> None:
    """The registry's tag means something else by then, here and there; the record says which image is meant."""
    task = bench.running(image="app:1", pull=pull)
    assert task.pin is not None
    assert (task.pin.digest, task.to_json()["image_digest"]) == (OLD, OLD)
    bench.runtime.behaviour.tags["app:1"] = NEW
    bench.runtime.pull("app:1")
    second = again(bench, task)
    assert (second.state, second.attempt, image_of(bench, second)) == (State.RUNNING, 2, f"app@{OLD}")


def test_a_new_submission_takes_what_the_tag_means_now(bench: AgentBench) -> None:
    """Each is resolved by itself."""
    bench.running("first", image="app:1")
    bench.runtime.behaviour.tags["app:1"] = NEW
    second = bench.running("second", image="app:1", pull="always")
    assert second.pin is not None
    assert second.pin.digest == NEW


def test_a_copy_follows_the_node_that_was_first(bench: AgentBench) -> None:
    """Also when that happens between its look at the record and its start: what was created is not started."""
    task, create, made = bench.submit(image="app:1"), bench.runtime.create, list[str]()
    bench.runtime.pull("app:1")

    def slow(plan: ContainerPlan, *, meanwhile: Callable[[], object]) -> str:
        pinned_elsewhere(bench, task, Pin(NEW, "sha256:other"))
        made.append(create(plan, meanwhile=meanwhile))
        return made[-1]

    with mock.patch.object(bench.runtime, "create", slow):
        bench.work()
        bench.sync()
    now = bench.task(task.id)
    assert (now.state, image_of(bench, now)) == (State.RUNNING, f"app@{NEW}")
    assert (len(made), list(bench.runtime.table)) == (2, made[1:])


def test_a_new_connection_is_asked_again(bench: AgentBench) -> None:
    """What an agent remembers of a submission's image, a Redis that came back with an older file may not know."""
    task = bench.running(image="app:1")
    bench.deck.client.hdel(bench.deck.keys.pin(task.pin_id), "image")
    bench.agent.station.store.rest()
    assert again(bench, task).pin == task.pin


def test_an_image_that_comes_while_its_container_is_created_is_settled(bench: AgentBench) -> None:
    """The look beside the create found nothing, and another task's pull then ended: it is looked at once more."""
    task, create = bench.submit(image="app:1"), bench.runtime.create

    def slow(plan: ContainerPlan, *, meanwhile: Callable[[], object]) -> str:
        meanwhile()
        bench.runtime.pull("app:1")
        return create(plan)

    with mock.patch.object(bench.runtime, "create", slow):
        bench.work()
    now = bench.task(task.id)
    assert now.pin is not None
    assert (now.state, now.pin.digest) == (State.RUNNING, OLD)


@pytest.mark.parametrize("times", [1, 2])
def test_a_look_beside_the_create_that_fails_is_made_again(bench: AgentBench, times: int) -> None:
    """No task moves elsewhere for it, and none starts from an image that nobody has settled."""
    task = bench.submit(image="app:1")
    bench.runtime.pull("app:1")
    bench.runtime.fail("image", EngineDown(Reason(Code.ENGINE_DOWN, "No.")), times=times)
    bench.work()
    assert bench.task(task.id).state is (State.RUNNING if times == 1 else State.SCHEDULED)
    bench.sync()
    now = bench.task(task.id)
    assert now.pin is not None
    assert (now.state, now.attempt, now.pin.digest) == (State.RUNNING, 1, OLD)


def test_what_was_loaded_on_a_host_runs_and_settles_nothing(bench: AgentBench) -> None:
    """An image without a digest is had by its name on every node, at every attempt, without a registry."""
    task = bench.running(image="loaded:1")
    assert task.pin is None
    assert again(bench, task).state is State.RUNNING
    assert bench.runtime.logins == []


def test_the_pinned_image_may_have_been_loaded_here(bench: AgentBench) -> None:
    """A host without a way to the registry has the very image, without its digest: it is taken by its id."""
    here = bench.runtime.image("loaded:1")
    assert here is not None
    task = bench.submit(image="loaded:1")
    pinned_elsewhere(bench, task, Pin(OLD, here.id))
    bench.runtime.behaviour.images = {"loaded:1", here.id}
    bench.work()
    assert (bench.task(task.id).state, image_of(bench, task), bench.runtime.logins) == (State.RUNNING, here.id, [])


def test_never_pull_takes_what_lies_here(bench: AgentBench) -> None:
    """With pull: never a tag is not resolved: no other node's image counts here, and the record names none."""
    bench.runtime.pull("app:1")
    task = bench.running(image="app:1", pull="never")
    assert (task.state, task.pin_id, task.pin, image_of(bench, task)) == (State.RUNNING, "", None, "app:1")


def test_a_pinned_image_is_needed_without_a_container(bench: AgentBench) -> None:
    """It is not cleared away between two attempts of its task, though no tag names it here."""
    task = bench.submit(image="app:1")
    pinned_elsewhere(bench, task, Pin(NEW, "sha256:other"))
    bench.work()
    bench.runtime.remove(task.container_name)
    for newer in ("app:2", "app:3"):
        bench.runtime.pull(newer)
        image = bench.runtime.image(newer)
        assert image is not None
        bench.agent.station.inventory.pulled(newer, image.id, before=None, now_ms=bench.wall_ms())
    assert [one.ref for one in bench.agent.station.inventory.images()] == [f"app@{NEW}", "app:2", "app:3"]
    assert bench.agent.tidier.images.unneeded(unused_s=-1) == []
