"""Lesson 18. A change: what a task is called, how it is labelled and what it may use can change while it runs."""

from __future__ import annotations

import pytest

from manager_api import submission, updating
from ormen.errors import InvalidSpec, NameTaken, NoRoom, TaskNotFound
from ormen.image_pin import Pin
from ormen.reasons import Code, Reason
from ormen.store.agent import Remark
from ormen.task import State, Task
from tests.fundamentals.world import GIB, Sailor, World
from worker_agent.runtime import PlanRefused

MIB = 1024**2


def change(world: World, task: Task, **fields: object) -> Task:
    """Do what ``PATCH /v1/tasks/{t}`` does."""
    return updating.update(world.deck, world.now(task), fields)


def limits(sailor: Sailor, task: Task) -> dict[str, int]:
    """What the engine gives the task's container."""
    container = sailor.container(task)
    assert container is not None
    return sailor.engine.limits_of[container.id]


def test_a_running_container_gets_its_new_limits_as_it_runs(world: World) -> None:
    """The reservation changes at once, the container when its node hears of it; nothing is restarted."""
    sailor = world.sailor()
    task = world.run(memory="256MiB")
    changed = change(world, task, memory="1GiB", cpu=1.5, cpu_limit=2)
    assert (changed.resize, world.node("node-1").reserved.memory_bytes) == (1, GIB)
    assert limits(sailor, task)["Memory"] == 256 * MIB
    now = world.settle(task)
    assert (now.state, now.attempt, now.resize, now.refused) == (State.RUNNING, 1, 0, None)
    found = limits(sailor, task)
    assert (found["Memory"], found["NanoCpus"], found["CpuShares"]) == (GIB, 2 * 10**9, 1536)
    assert now.spec == {"name": "web", "image": "nginx", "memory": "1GiB", "cpu": 1.5, "cpu_limit": 2}
    assert world.story(task)[-2:] == ["updated", "resized"]


def test_labels_and_name_change_at_once_and_cost_nothing(world: World) -> None:
    """The container keeps what it was made with; the old name is free, the new one is found."""
    world.sailor()
    task = world.run(labels={"app": "shop", "old": "1"})
    change(world, task, name="api", labels={"tier": "front", "old": None})
    now = world.settle(task)
    assert (now.name, now.spec["labels"], now.resize) == ("api", {"app": "shop", "tier": "front"}, 0)
    assert (world.store.find("api").id, now.container_name) == (task.id, task.container_name)
    with pytest.raises(TaskNotFound):
        world.store.find("web")
    assert world.run("web").name == "web"


def test_a_change_without_room_changes_nothing(world: World) -> None:
    """It is refused with the amounts; what the task had it still has."""
    world.sailor(cpus=2)
    task, _ = world.run(memory="2GiB"), world.run("other", memory="5GiB")
    with pytest.raises(NoRoom, match=r"web cannot have 4 GiB of memory: node-1 has 3 GiB for it"):
        change(world, task, memory="4GiB")
    with pytest.raises(NoRoom, match=r"web cannot have 3 cpu: node-1 has 1\.9 for it"):
        change(world, task, cpu=3)
    assert world.now(task) == task
    assert world.node("node-1").reserved.memory_bytes == 7 * GIB
    assert change(world, task, memory="3GiB").resize == 1


def test_a_taken_name_and_every_fault_are_refused(world: World) -> None:
    """All faults of a change are told at once, those of the spec that it would make as well."""
    task, other = world.submit(), world.submit("api")
    with pytest.raises(NameTaken) as taken:
        change(world, task, name="api", labels={"a": "b"})
    assert taken.value.extra["task"] == other.id
    with pytest.raises(InvalidSpec) as caught:
        change(world, task, image="x", memroy=1, cpu=0, labels={"ormen.x": "1"})
    assert sorted(fault.pointer for fault in caught.value.faults) == ["/cpu", "/image", "/labels/ormen.x", "/memroy"]
    assert world.now(task) == task


def test_a_refusal_of_the_engine_is_told(world: World) -> None:
    """The container keeps its old limits, the record says why, and the next attempt has the new ones."""
    sailor = world.sailor()
    task = world.run(memory="256MiB")
    sailor.engine.fail("resize", PlanRefused(Reason(Code.CREATE_REFUSED, "Docker on this host refuses it: busy.")))
    change(world, task, memory="64MiB")
    now = world.settle(task)
    assert (now.resize, now.refused) == (0, "Docker on node-1 refuses it: busy; a restart takes them")
    assert limits(sailor, task)["Memory"] == 256 * MIB
    submission.restart(world.deck, now)
    again = world.settle(task)
    assert (again.attempt, again.refused, limits(sailor, task)["Memory"]) == (2, None, 64 * MIB)


def test_a_changed_task_is_adopted_by_a_new_agent_and_after_a_loss(world: World) -> None:
    """Labels and limits are no other container: what runs goes on, with the limits that were asked for meanwhile."""
    sailor = world.sailor()
    task = world.run(memory="256MiB")
    world.silence("node-1")
    world.loops.liveness()
    change(world, task, memory="512MiB", labels={"a": "b"})
    container = sailor.container(task)
    sailor.start()
    sailor.beat()
    world.loops.reschedule()
    now = world.settle(task)
    assert (now.state, now.container_id) == (State.RUNNING, container and container.id)
    assert limits(sailor, task)["Memory"] == 512 * MIB


def test_what_waits_for_room_is_placed_when_it_asks_less(world: World) -> None:
    """A change that makes a waiting task fit starts it at once."""
    world.sailor(cpus=2)
    task = world.submit(cpu=8)
    assert task.state is State.PENDING
    assert change(world, task, cpu=1).state is State.SCHEDULED
    assert world.settle(task).state is State.RUNNING


def test_a_change_that_another_has_overtaken_is_made_anew(world: World) -> None:
    """Two users change two things at once, and both are there."""
    world.sailor()
    task = world.run(labels={"a": "1"})
    stale = world.now(task)
    change(world, task, labels={"b": "2"})
    now = updating.update(world.deck, stale, {"labels": {"c": "3"}})
    assert now.spec["labels"] == {"a": "1", "b": "2", "c": "3"}


def test_news_of_an_earlier_change_does_not_settle_the_later(world: World) -> None:
    """Between the agent's look and its news the user changed the task once more: that is still to be made."""
    sailor = world.sailor()
    task = world.run()
    change(world, task, memory="256MiB")
    change(world, task, memory="512MiB")
    assert not sailor.store.note(Remark(task.id, "node-1", 1, "task.resized", resize=1))
    assert world.now(task).resize == 2
    assert (world.settle(task).resize, limits(sailor, task)["Memory"]) == (0, 512 * MIB)


def test_a_change_whose_ring_was_lost_is_made_by_the_next_pass(world: World) -> None:
    """A message is a doorbell: the record says what is to be done, whoever looks."""
    sailor = world.sailor()
    task = world.run()
    change(world, task, cpu=2)
    world.store.client.delete(world.store.keys.inbox("node-1"))
    sailor.look_at_everything()
    assert (world.now(task).resize, limits(sailor, task)["CpuShares"]) == (0, 2048)


def test_a_removed_task_is_not_changed(world: World) -> None:
    """Its record is a tombstone until its node has confirmed, and nobody finds it any more."""
    world.sailor()
    task = world.run()
    submission.remove(world.deck, task, force=True)
    with pytest.raises(TaskNotFound):
        updating.update(world.deck, task, {"cpu": 2})
    assert world.now(task).spec == task.spec


def test_a_changed_task_keeps_the_image_of_its_submission(world: World) -> None:
    """What its tag meant at first it means for its later attempts, too: a change is no new submission."""
    sailor = world.sailor()
    task = world.submit("copy", count=2)
    pin = sailor.store.pin(task, Pin("sha256:" + "a" * 64, "sha256:" + "b" * 64))
    change(world, task, labels={"a": "1"})
    assert pin is not None
    assert (world.now(task).pin, world.store.find("copy-2").pin) == (pin, pin)


def test_a_copy_of_many_is_changed_alone(world: World) -> None:
    """Tasks of one submission share their spec until one of them is changed."""
    one = world.submit("copy", count=2)
    two = world.store.find("copy-2")
    assert one.spec_id == two.spec_id
    change(world, one, labels={"a": "1"})
    assert (world.now(one).spec["labels"], "labels" in world.now(two).spec) == ({"a": "1"}, False)
    for task in (one, two):
        submission.remove(world.deck, task, force=True)
    assert list(world.store.client.scan_iter(f"{world.store.keys.prefix}spec:*")) == []
