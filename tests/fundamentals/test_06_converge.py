"""Lesson 6. Converge: the agent reads the record, looks at the engine, and does the next step. Nothing else."""

from __future__ import annotations

from ormen.reasons import Code
from ormen.schema import resolve
from ormen.task import State
from tests.fundamentals.world import World, code_of
from worker_agent import docker_args


def test_a_scheduled_record_becomes_a_container_with_our_marks(world: World) -> None:
    """Its name is fixed in the record, and labels tell whose it is: cluster, node, task and attempt."""
    sailor = world.sailor("node-1")
    task = world.run()
    found = sailor.container(task)
    assert found is not None
    assert found.running
    assert (found.cluster, found.node) == (world.store.cluster(), "node-1")
    assert (found.task, found.attempt) == (task.id, 1)


def test_an_agent_that_died_before_it_reported_adopts_what_it_started(world: World) -> None:
    """The engine refuses a second container of that name: that is the mutex, and the one that runs is taken over."""
    sailor = world.sailor("node-1")
    task = world.submit()
    plan = docker_args.plan(task, resolve(task.spec), cluster=world.store.cluster(), bind="127.0.0.1")
    sailor.engine.start(sailor.engine.create(plan))
    sailor.start()
    assert world.settle(task).state is State.RUNNING
    assert len(sailor.engine.table) == 1
    assert "adopted" in world.story(task)


def test_an_agent_may_die_and_come_back_at_any_time(world: World) -> None:
    """Containers run on without their agent, and its successor finds them as the records say."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.start()
    assert world.settle(task) == task
    assert len(sailor.engine.table) == 1


def test_what_is_not_ours_is_never_touched(world: World) -> None:
    """A container of another cluster that has our name in its way stays; the attempt is refused and says so."""
    sailor = world.sailor("node-1")
    task = world.submit()
    plan = docker_args.plan(task, resolve(task.spec), cluster="another cluster", bind="127.0.0.1")
    theirs = sailor.engine.create(plan)
    refused = world.settle(task)
    assert (refused.state, code_of(refused)) == (State.PENDING, Code.NAME_TAKEN)
    assert theirs in sailor.engine.table


def test_a_stop_does_not_reach_a_strangers_container(world: World) -> None:
    """Whatever has our container's name: without our cluster, node and task on its labels it is none of ours."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.engine.table.clear()
    plan = docker_args.plan(task, resolve(task.spec), cluster="another cluster", bind="127.0.0.1")
    theirs = sailor.engine.create(plan)
    sailor.engine.start(theirs)
    world.store.stop(task)
    assert world.settle(task).state is State.COMPLETED
    assert sailor.engine.table[theirs].running


def test_a_stop_ends_the_container_and_then_the_task(world: World) -> None:
    """Completed is what was seen, not what was asked: first the container is gone or exited."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.store.stop(task)
    assert world.now(task).state is State.RUNNING
    done = world.settle(task)
    assert (done.state, code_of(done)) == (State.COMPLETED, Code.STOPPED)
    found = sailor.container(task)
    assert found is None or not found.running


def test_what_nobody_told_is_found_by_the_pass(world: World) -> None:
    """Events make the agent fast; a list of all containers makes it certain: nothing was heard of this removal."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.engine.table.clear()
    sailor.look_at_everything()
    assert world.settle(task).fence == ("node-1", 2)


def test_without_the_store_nothing_is_changed(world: World) -> None:
    """An agent that cannot read what is wanted leaves everything as it is, and looks again when it can."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.store.stop(task)
    sailor.lose_redis()
    assert sailor.agent.controller.converge(task.id) == "store away"
    found = sailor.container(task)
    assert found is not None
    assert found.running
    sailor.find_redis()
    assert world.now(task).state is State.COMPLETED
