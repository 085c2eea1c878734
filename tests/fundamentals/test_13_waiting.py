"""Lesson 13. Waiting: nothing that waits is forgotten, and it starts by itself when it can."""

from __future__ import annotations

from manager_api import submission
from ormen.reasons import Code
from ormen.task import State
from tests.fundamentals.world import World, code_of


def test_a_task_waits_for_the_first_node(world: World) -> None:
    """A cluster without nodes accepts tasks; the first node that joins gets them."""
    task = world.submit()
    assert code_of(task) is Code.NO_NODES
    world.sailor("node-1")
    assert world.settle(task).state is State.RUNNING


def test_freed_room_is_filled_at_once(world: World) -> None:
    """The report that ends one task tells that somebody waits, so the next one starts without a tick."""
    sailor = world.sailor("node-1", cpus=4)
    first = world.run("first", cpu=3)
    second = world.submit("second", cpu=3)
    assert code_of(second) is Code.FIT_CPU
    sailor.engine.exit(first.container_name, 0)
    assert world.settle(second).state is State.RUNNING


def test_a_stop_of_a_task_that_waits_is_done_at_once(world: World) -> None:
    """What has no container needs no agent."""
    task = world.submit()
    done = submission.stop(world.deck, task)
    assert (done.state, code_of(done)) == (State.COMPLETED, Code.STOPPED)


def test_a_waiting_task_says_why_once_and_when_it_is_looked_at_again(world: World) -> None:
    """However often it is looked at, a reason is told when it changes."""
    task = world.submit()
    world.loops.place([task.id])
    assert world.story(task) == ["accepted", "waiting"]
    world.sailor("node-1", disk="hdd")
    world.store.mark_node("node-1", mode="cordoned", by="ann", why=None)
    world.loops.place([task.id])
    waiting = world.now(task)
    assert world.story(task) == ["accepted", "waiting", "waiting"]
    assert waiting.next_try_ms is not None
    assert waiting.next_try_ms > world.store.now_ms()


def test_a_back_off_is_not_cut_short_by_freed_room(world: World) -> None:
    """It waits for time, not for room; a person may cut it short with retry."""
    sailor = world.sailor("node-1")
    task = world.run()
    for _ in range(2):
        sailor.engine.exit(task.container_name, 1)
        task = world.settle(task)
    world.loops.place(())
    assert world.now(task).state is State.PENDING
    assert submission.retry(world.deck, task).state is State.SCHEDULED
