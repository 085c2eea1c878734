"""Lesson 12. Events: what happened, in order, told once; and how a reader goes on where it was."""

from __future__ import annotations

from itertools import pairwise

from ormen.task import State
from tests.fundamentals.world import World


def test_a_life_reads_as_a_story(world: World) -> None:
    """Every transition of a task is one event, and some events between tell how far it is."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.engine.exit(task.container_name, 0)
    world.settle(task)
    assert world.story(task) == ["accepted", "placed", "received", "running", "completed"]


def test_each_transition_begins_where_the_last_one_ended(world: World) -> None:
    """A change of state and its event are one write, so no transition is missing and none is told twice."""
    sailor = world.sailor("node-1")
    task = world.run()
    for code in (1, 1, 0):
        world.wait_over(task)
        world.loops.place([task.id])
        task = world.settle(task)
        sailor.engine.exit(task.container_name, code)
        task = world.settle(task)
    moves = [event for event in world.store.events(task=task.id, limit=1000) if event.target]
    assert [after.source for after in moves[1:]] == [before.target for before in moves[:-1]]
    assert [move.target for move in moves].count("running") == 3
    assert moves[-1].target == task.state.value == State.COMPLETED.value


def test_a_container_that_ends_at_once_has_both_its_events(world: World) -> None:
    """What started and ended before anybody could report the start is told in full, in order."""
    sailor = world.sailor("node-1")
    run = sailor.engine.run

    def run_and_end(found: object) -> None:
        run(found)  # type: ignore[arg-type]
        sailor.engine.exit(found.id, 0)  # type: ignore[attr-defined]

    sailor.engine.run = run_and_end  # type: ignore[method-assign]
    task = world.submit()
    sailor.look_into_inbox()
    assert world.settle(task).state is State.COMPLETED
    assert world.story(task)[-2:] == ["running", "completed"]


def test_ids_order_events(world: World) -> None:
    """An id is Redis's time and a number: whoever keeps the last one keeps its place."""
    world.sailor("node-1")
    world.run()
    events = world.store.events(limit=1000)
    assert all(before.id != after.id and before.at_ms <= after.at_ms for before, after in pairwise(events))


def test_a_reader_goes_on_where_it_was(world: World) -> None:
    """Following from an id gives what came after it, and nothing twice."""
    world.submit("first")
    _, seen = world.store.edges()
    world.submit("second")
    assert {event.name for event in world.store.follow(seen, 100)} == {"second"}


def test_a_reader_that_comes_too_late_can_tell(world: World) -> None:
    """Old events are forgotten; the oldest that is kept shows whether anything between is missing."""
    world.submit("first")
    _, seen = world.store.edges()
    for n in range(3):
        world.submit(f"next-{n}")
    world.store.client.xtrim(world.store.keys.events, maxlen=1, approximate=False)
    oldest, newest = world.store.edges()
    assert oldest is not None
    assert seen < oldest == newest
