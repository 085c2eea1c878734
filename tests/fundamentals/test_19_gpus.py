"""Lesson 19. GPUs: one by one, since Docker gives everybody who asks for one the first."""

from __future__ import annotations

from dataclasses import replace

from manager_api import submission
from ormen.reasons import Code
from ormen.store.orders import Assignment
from ormen.task import State, Task
from tests.fundamentals.world import World, code_of


def lent(world: World, node: str = "node-1") -> dict[str, str]:
    """Which task has which GPU of a node."""
    return dict(world.node(node).lent)


def assigned(task: Task, *gpus: str) -> Assignment:
    """A task that a scheduler gives to node-1 with these GPUs."""
    return Assignment(task.id, "node-1", "10.0.0.1", (), {}, "attempt 1 on node-1", gpus)


def test_two_tasks_have_two_gpus_and_a_third_waits_for_one(world: World) -> None:
    """Which they are stands in the record and in what Docker is asked for; whoever ends gives his back."""
    world.sailor(gpus="2")
    one, two = world.run("one", gpus=1), world.run("two", gpus=1)
    assert (one.gpus, two.gpus) == (("0",), ("1",))
    third = world.submit("third", gpus=1)
    assert (third.state, code_of(third)) == (State.PENDING, Code.FIT_GPU)
    assert world.node("node-1").reserved.gpus == 2
    world.store.stop(one)
    world.settle(one)
    assert world.settle(third).gpus == ("0",)
    assert lent(world) == {"0": third.id, "1": two.id}


def test_a_gpu_goes_to_one_of_two_schedulers(world: World) -> None:
    """Both chose it from the same view; the second is told, and chooses anew."""
    world.sailor(gpus="2")
    one, two = (world.submit(name, constraints=["node=nowhere"]) for name in ("one", "two"))
    done = world.store.assign([assigned(one, "1"), assigned(two, "1")])
    assert [answer.code for answer in done] == ["OK", "GPU"]
    assert (done[1].detail, lent(world)) == ("1", {"1": one.id})


def test_a_gpu_that_the_node_has_not_is_not_given(world: World) -> None:
    """Its agent has come back with fewer since the scheduler looked."""
    sailor = world.sailor(gpus="2")
    task = world.submit(constraints=["node=nowhere"])
    sailor.settings = replace(sailor.settings, gpus="1")
    sailor.start()
    assert [answer.code for answer in world.store.assign([assigned(task, "1")])] == ["GPU"]
    assert [answer.code for answer in world.store.assign([assigned(task, "0")])] == ["OK"]


def test_a_crash_keeps_the_gpu_and_a_removal_gives_it_back(world: World) -> None:
    """The next attempt has the same one, though another is free; nothing is left of a task that is gone."""
    sailor = world.sailor(gpus="a,b")
    world.run("other", gpus=["a"])
    task = world.run("task", gpus=1)
    submission.remove(world.deck, world.store.find("other"), force=True)
    world.settle(task)
    sailor.engine.exit(task.container_name, 1)
    again = world.settle(task)
    assert (again.attempt, again.gpus, lent(world)) == (2, ("b",), {"b": task.id})
    submission.remove(world.deck, again, force=True)
    sailor.look_into_inbox()
    assert lent(world) == {}


def test_a_lost_nodes_gpus_are_free_for_its_return(world: World) -> None:
    """The task runs elsewhere with a GPU of that node."""
    world.sailor("node-1", gpus="1", zone="a")
    task = world.run(gpus=1)
    world.sailor("node-2", gpus="GPU-x")
    world.silence("node-1")
    world.loops.liveness()
    world.loops.reschedule()
    now = world.settle(task)
    assert (now.node, now.gpus, lent(world)) == ("node-2", ("GPU-x",), {})
