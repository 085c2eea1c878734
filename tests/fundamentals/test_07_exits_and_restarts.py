"""Lesson 7. Exits and the restart policy: what follows when a program ends by itself."""

from __future__ import annotations

from ormen.reasons import Code, Reason
from ormen.task import State
from tests.fundamentals.world import World, code_of
from tests.waiting import wait_until
from worker_agent.runtime import StartRefused


def test_a_program_that_is_done_is_not_started_again(world: World) -> None:
    """Without a word about it a task is tried again when it fails, and is completed when it exits with 0."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.engine.exit(task.container_name, 0)
    done = world.settle(task)
    assert (done.state, done.exit_code, done.attempt) == (State.COMPLETED, 0, 1)


def test_always_means_also_after_a_good_exit(world: World) -> None:
    """A server that ends is started again, whatever it says at its end."""
    sailor = world.sailor("node-1")
    task = world.run(restart="always")
    sailor.engine.exit(task.container_name, 0)
    again = world.settle(task)
    assert (again.state, again.attempt) == (State.RUNNING, 2)


def test_no_means_once(world: World) -> None:
    """A task that is not to be restarted has failed with its first bad exit, and says with which code."""
    sailor = world.sailor("node-1")
    task = world.run(restart="no")
    sailor.engine.exit(task.container_name, 3)
    failed = world.settle(task)
    assert (failed.state, code_of(failed), failed.exit_code) == (State.FAILED, Code.EXIT, 3)


def test_a_number_limits_the_restarts(world: World) -> None:
    """With on-failure:1 there are two attempts; the reason of the last says that the policy is spent."""
    sailor = world.sailor("node-1")
    task = world.run(restart="on-failure:1")
    for _ in range(2):
        sailor.engine.exit(task.container_name, 1)
        task = world.settle(task)
    assert (task.state, task.attempt, task.tries) == (State.FAILED, 2, 2)
    assert task.reason is not None
    assert "on-failure:1 is spent after 2 attempts" in task.reason.sentence


def test_the_first_restart_is_at_once_and_the_next_one_waits(world: World) -> None:
    """Most crashes are cured by one restart; a task that crashes again waits 1 s, then twice as long each time."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.engine.exit(task.container_name, 1)
    assert world.settle(task).state is State.RUNNING
    sailor.engine.exit(task.container_name, 1)
    waiting = world.settle(task)
    assert waiting.state is State.PENDING
    assert waiting.next_try_ms is not None
    assert waiting.ended_ms is not None
    assert 1000 <= waiting.next_try_ms - waiting.ended_ms <= 1200


def test_a_pause_ends_at_its_time(world: World) -> None:
    """The control worker hears of a pause when it begins, and places the task when it ends: no tick is waited for."""
    sailor = world.sailor("node-1")
    task = world.run()
    for _ in range(2):
        sailor.engine.exit(task.container_name, 1)
        task = world.settle(task)
    due_ms = task.next_try_ms or 0

    def placed() -> bool:
        world.loops.alarm.step()
        return world.now(task).state is State.SCHEDULED

    wait_until(placed, timeout_s=3)
    assigned_ms = world.now(task).attempts[-1].assigned_ms or 0
    assert 0 <= assigned_ms - due_ms < 200


def test_a_ring_that_comes_again_cuts_no_pause_short(world: World) -> None:
    """A message that was delayed or doubled names a task that has crashed anew meanwhile: its pause stands."""
    sailor = world.sailor("node-1")
    task = world.run()
    for _ in range(2):
        sailor.engine.exit(task.container_name, 1)
        task = world.settle(task)
    world.loops.hear([task.id])
    assert world.now(task).state is State.PENDING


def test_a_refusal_before_the_start_spends_no_try(world: World) -> None:
    """A container that never ran has not failed: under every policy its task is tried again, elsewhere if it fits."""
    refusing = world.sailor("node-1")
    task = world.submit(restart="no")
    world.sailor("node-2")
    refusing.engine.fail("start", StartRefused(Reason(Code.PORT_IN_USE, "Port 80 is taken by nginx.")))
    task = world.settle(task)
    assert (task.state, task.fence, task.tries) == (State.RUNNING, ("node-2", 2), 0)
    assert task.attempts[0].reason is not None
    assert task.attempts[0].reason.code is Code.PORT_IN_USE


def test_each_attempt_stays_on_record(world: World) -> None:
    """Where it ran, how it ended and what it said last can still be read when the next attempt runs."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.engine.say(task.container_name, "no space in /var/spool")
    sailor.engine.exit(task.container_name, 75)
    first, second = world.settle(task).attempts
    assert (first.node, first.exit_code, first.log_tail) == ("node-1", 75, ("no space in /var/spool",))
    assert (second.number, second.ended_ms) == (2, None)
