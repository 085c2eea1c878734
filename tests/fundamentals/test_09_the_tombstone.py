"""Lesson 9. The tombstone: absence is never an order, so what is to be removed has a record that says so."""

from __future__ import annotations

import pytest

from manager_api import submission
from ormen.errors import StillRunning
from ormen.task import Wanted
from tests.fundamentals.world import World


def test_what_lives_is_not_removed_by_accident(world: World) -> None:
    """A task that has not ended is only removed if somebody insists."""
    world.sailor("node-1")
    task = world.run()
    with pytest.raises(StillRunning):
        submission.remove(world.deck, task, force=False)
    assert world.now(task) == task


def test_a_removed_task_is_out_of_every_list_but_has_a_record(world: World) -> None:
    """For users it is gone at once, its name too; for its agent the record says: removed."""
    world.sailor("node-1")
    task = world.run("web")
    submission.remove(world.deck, task, force=True)
    assert world.store.task(task.id) is None
    assert world.store.tasks()[0] == []
    assert world.now(task).wanted is Wanted.REMOVED
    assert world.submit("web").id != task.id


def test_the_record_ends_when_the_agent_has_confirmed(world: World) -> None:
    """Only once the container is gone are its room given back and the record erased."""
    sailor = world.sailor("node-1")
    task = world.run(cpu=3)
    submission.remove(world.deck, task, force=True)
    assert world.node("node-1").reserved.cpu_milli == 3000
    sailor.look_into_inbox()
    assert sailor.container(task) is None
    assert world.store.read([task.id]) == {task.id: None}
    assert world.node("node-1").reserved.cpu_milli == 0


def test_an_agent_that_was_away_still_finds_the_order(world: World) -> None:
    """Neither ring nor inbox is needed: the record stays on the node's list until it is confirmed."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.lose_redis()
    submission.remove(world.deck, task, force=True)
    world.store.client.delete(world.store.keys.inbox("node-1"))
    sailor.find_redis()
    assert sailor.container(task) is None


def test_a_container_without_a_record_is_left_running(world: World) -> None:
    """A record that is not there orders nothing: the container is an orphan, reported for people to decide."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.store.client.delete(world.store.keys.task(task.id))
    sailor.look_at_everything()
    found = sailor.container(task)
    assert found is not None
    assert found.running
    assert sailor.agent.sync.orphans == (task.container_name,)


def test_an_emptied_redis_is_another_cluster(world: World) -> None:
    """Its agents have nothing to do with it: they freeze, and every container runs on."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.store.client.flushall()
    sailor.beat()
    sailor.look_at_everything()
    found = sailor.container(task)
    assert found is not None
    assert found.running
    assert "another cluster" in str(sailor.agent.fault())
