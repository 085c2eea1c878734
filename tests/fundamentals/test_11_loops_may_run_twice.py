"""Lesson 11. The loops repair: full scans that may be late, lost, repeated, or run by two decks at once."""

from __future__ import annotations

from manager_api.control.loops import Loops
from manager_api.placing import place_tasks
from ormen.reasons import Code
from ormen.task import State
from tests.fundamentals.world import World
from tests.waiting import wait_until


def test_a_second_tick_within_the_interval_returns_at_once(world: World) -> None:
    """Two decks have two clocks; the store says whose tick counts, by its own time."""
    assert world.store.begin("reschedule", interval_ms=2000).run
    task = world.submit()
    world.sailor("node-1")
    world.wait_over(task)
    world.loops.reschedule()
    assert world.now(task).state is State.PENDING


def test_a_scan_does_what_its_messages_did_not(world: World) -> None:
    """Whatever ring was lost, a task that is due is found by the next tick."""
    task = world.submit()
    world.sailor("node-1")
    world.wait_over(task)
    world.loops.reschedule()
    assert world.now(task).state is State.SCHEDULED


def test_the_judge_of_nodes_places_what_is_due_as_well(world: World) -> None:
    """It comes every second, so that a pause of which nobody heard ends a second late at most."""
    task = world.submit()
    world.sailor("node-1")
    world.wait_over(task)
    world.loops.liveness()
    assert world.now(task).state is State.SCHEDULED


def test_two_loops_at_one_task_make_one_attempt(world: World) -> None:
    """Both have read that it waits; the first one's assignment is what the second one's finds."""
    task = world.submit()
    world.sailor("node-1")
    for _ in range(2):
        place_tasks(world.store, [task], world.settings, ring=world.ringer.ring_nodes)
    assert world.now(task).fence == ("node-1", 1)
    assert world.story(task).count("placed") == 1


def test_a_node_is_lost_once(world: World) -> None:
    """Two decks that judge the same silence take its tasks one time."""
    world.sailor("node-1")
    task = world.run()
    for loops in (world.loops, Loops(world.store, world.ringer, world.settings)):
        world.silence("node-1")
        loops.liveness()
    assert world.story(task).count("pending") == 1
    assert [event.type for event in world.store.events(node="node-1")].count("node.lost") == 1


def test_a_start_of_which_nothing_is_heard_is_rung_again(world: World) -> None:
    """After half a minute without a word about a scheduled task its node's inbox has it once more."""
    sailor = world.sailor("node-1")
    task = world.submit()
    sailor.store.take("node-1", sailor.agent.station.instance)
    half_a_minute_ago = world.store.now_ms() - 31_000
    world.store.client.zadd(world.store.keys.scheduled, {task.id: half_a_minute_ago})
    world.loops.reschedule()
    assert world.settle(task).state is State.RUNNING


def test_a_start_that_stalls_goes_elsewhere(world: World) -> None:
    """After a minute another node gets it, and the one that said nothing is avoided for a while."""
    world.sailor("node-1")
    task = world.submit()
    world.sailor("node-2")
    world.store.client.zadd(world.store.keys.scheduled, {task.id: world.store.now_ms() - 61_000})
    world.loops.reschedule()
    moved = world.now(task)
    assert moved.fence == ("node-2", 2)
    assert moved.attempts[0].reason is not None
    assert moved.attempts[0].reason.code is Code.START_STALLED


def test_a_silent_node_is_judged_when_its_time_is_over(world: World) -> None:
    """Not at the first tick after that, which may be a second late."""
    world.sailor("node-1")
    task = world.run()
    world.silence("node-1", seconds=29.8)
    world.loops.liveness()
    assert world.now(task).state is State.RUNNING

    def is_lost() -> bool:
        world.loops.vigil.step()
        return world.now(task).state is State.PENDING

    wait_until(is_lost, timeout_s=5)


def test_between_two_ticks_nobody_is_judged_by_a_gap(world: World) -> None:
    """Who wakes late, because it was frozen itself, must not take its own silence for that of the nodes."""
    world.sailor("node-1")
    task = world.run()
    world.silence("node-1")
    world.store.client.hset(world.store.keys.loops, "liveness:began", world.store.now_ms() - 5000)
    world.loops.look_at(["node-1"])
    assert world.now(task).state is State.RUNNING
    world.silence("node-1")
    world.loops.look_at(["node-1"])
    assert world.now(task).state is State.PENDING
