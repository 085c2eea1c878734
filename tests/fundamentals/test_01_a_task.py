"""Lesson 1. A task: what somebody asked for, and what has become of it."""

from __future__ import annotations

import pytest

from manager_api import submission
from ormen.errors import IdTaken, NameTaken
from ormen.task import State, Wanted
from tests.fundamentals.world import World


def test_a_task_is_a_spec_and_a_record(world: World) -> None:
    """The spec is what was asked; the record holds what is wanted now and what was last seen."""
    task = world.submit("web", image="nginx:1.28")
    assert task.spec == {"name": "web", "image": "nginx:1.28"}
    assert (task.wanted, task.state, task.attempt) == (Wanted.RUNNING, State.PENDING, 0)


def test_a_spec_is_kept_as_it_was_sent(world: World) -> None:
    """Defaults and units are filled in where they are needed, never written back into what somebody said."""
    task = world.submit(memory="512MiB")
    assert task.spec["memory"] == "512MiB"
    assert "restart" not in task.spec


def test_from_the_request_to_the_end(world: World) -> None:
    """A task is scheduled on a node, runs in a container there, and is completed when that exits with 0."""
    sailor = world.sailor("node-1")
    task = world.submit()
    assert (task.state, task.node) == (State.SCHEDULED, "node-1")
    assert world.settle(task).state is State.RUNNING
    sailor.engine.exit(task.container_name, 0)
    assert world.settle(task).state is State.COMPLETED


def test_sending_a_task_twice_is_sending_it_once(world: World) -> None:
    """The client chooses the id, so one that got no answer may repeat its request: same id and content, same task."""
    first = world.submit(id="7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", memory="512MiB")
    again = world.submit(id=first.id, memory=536870912)
    assert again.id == first.id
    assert world.store.tasks()[0] == [again]


def test_an_id_is_never_given_to_something_else(world: World) -> None:
    """Other content under a known id is refused and changes nothing."""
    first = world.submit(id="7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4")
    with pytest.raises(IdTaken):
        world.submit(id=first.id, image="redis")
    assert world.now(first).spec["image"] == "nginx"


def test_an_id_that_is_free_again_changes_no_other_task(world: World) -> None:
    """Copies share one spec; when the first has gone, its id may be given to something else, and they stay as sent."""
    asked = {"id": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", "name": "web"}
    first = world.submit(**asked, count=2)
    submission.remove(world.deck, first, force=False)
    assert world.submit(**asked, count=1, image="redis").id == first.id
    assert world.store.find("web-2").spec["image"] == "nginx"


def test_a_name_belongs_to_one_living_task(world: World) -> None:
    """A name is taken while its task lives, and free once that has ended; it then means the newest."""
    first = world.submit("web")
    with pytest.raises(NameTaken, match="the name web is taken by task"):
        world.submit("web")
    world.store.stop(first)
    second = world.submit("web")
    assert world.store.find("web").id == second.id
