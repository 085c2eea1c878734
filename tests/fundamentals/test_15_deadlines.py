"""Lesson 15. Deadlines: how long a task may wait, and how long it may run."""

from __future__ import annotations

from manager_api import submission
from ormen.reasons import Code, Reason
from ormen.store.agent import Report
from ormen.task import State, Task
from tests.fundamentals.world import World, code_of

HUGE = {"cpu": 64, "deadline": {"wait": "10m"}}


def grow_old(world: World, task: Task, *, watched_s: float = 60) -> None:
    """Let a waiting task's time be over, while the loops watched for so long."""
    now = world.store.now_ms()
    record, index = world.store.keys.task(task.id), world.store.keys.deadlines
    world.store.client.hset(record, "until_ms", now)
    world.store.client.zadd(index, {task.id: now}, xx=True)
    world.store.client.hset(
        world.store.keys.loops, mapping={"since": round(now - watched_s * 1000), "liveness:began": now - 100}
    )
    world.store.client.hdel(world.store.keys.loops, "reschedule:began")


def refuse(world: World, task: Task) -> None:
    """Let the task's node say that it cannot start it."""
    news = Report(task.id, "node-1", task.attempt, State.PENDING, Reason(Code.DISK_FULL, "Full."), release=True)
    assert world.sailors[0].store.report(news).accepted


def test_what_waits_too_long_fails_and_says_what_it_waited_for(world: World) -> None:
    """After `deadline.wait` a pending task has failed; the sentence has the time and the last reason."""
    world.sailor("node-1")
    task = world.submit(**HUGE)
    grow_old(world, task)
    world.loops.reschedule()
    ended = world.now(task)
    assert (ended.state, code_of(ended)) == (State.FAILED, Code.DEADLINE_WAIT)
    assert ended.reason is not None
    assert ended.reason.sentence.startswith("Did not run within 10m, its deadline.wait. Needs 64 cpu;")
    assert world.story(task) == ["accepted", "waiting", "failed"]
    assert world.submit().name == task.name, "its name is free"


def test_the_wait_is_counted_from_the_acceptance(world: World) -> None:
    """The record says until when it waits, and before that nothing ends it."""
    task = world.submit(**HUGE)
    assert task.until_ms is not None
    assert task.until_ms - task.created_ms == 600_000
    assert task.to_json()["deadline_at"] is not None
    world.loops.reschedule()
    assert world.store.expire({task.id: "too early"}).failed == ()
    assert world.now(task).state is State.PENDING


def test_room_that_comes_in_time_is_taken(world: World) -> None:
    """The last look comes before the end: what fits by now runs, and its wait is forgotten."""
    task = world.submit(deadline={"wait": "10m"})
    world.sailor("node-1")
    grow_old(world, task)
    world.wait_over(task)
    world.loops.reschedule()
    running = world.settle(task)
    assert (running.state, running.until_ms) == (State.RUNNING, None)
    assert world.store.client.zcard(world.store.keys.deadlines) == 0


def test_a_refused_start_begins_no_wait_anew(world: World) -> None:
    """A node that cannot start it does not lengthen the wait: it still has not run."""
    world.sailor("node-1")
    task = world.submit(deadline={"wait": "10m"})
    refuse(world, task)
    waits = world.now(task)
    assert (waits.state, waits.until_ms) == (State.PENDING, task.until_ms)
    grow_old(world, task)
    world.store.client.zadd(world.store.keys.pending, {task.id: world.store.now_ms() + 60_000})
    world.loops.reschedule()
    assert code_of(world.now(task)) is Code.DEADLINE_WAIT


def test_the_end_of_a_run_begins_the_wait_anew(world: World) -> None:
    """What has run waits its whole time again, from the end of its pause."""
    sailor = world.sailor("node-1")
    task = world.run(restart="always", deadline={"wait": "10m"})
    assert task.until_ms is None
    sailor.engine.exit(task.container_name, 1)
    sailor.listen()
    waits = world.now(task)
    assert waits.until_ms is not None
    assert waits.next_try_ms is not None
    assert waits.until_ms - waits.next_try_ms == 600_000


def test_a_failed_wait_gives_its_seat_back_and_may_be_tried_again(world: World) -> None:
    """A pause keeps the seat, the end of the wait does not; a retry has the whole time once more."""
    sailor = world.sailor("node-1")
    task = world.run(restart="always", deadline={"wait": "10m"}, cpu=4)
    sailor.engine.exit(task.container_name, 1)
    sailor.listen()
    grow_old(world, task)
    world.store.client.zadd(world.store.keys.pending, {task.id: world.store.now_ms() + 60_000})
    world.loops.reschedule()
    assert world.now(task).seat is None
    assert world.node("node-1").reserved.cpu_milli == 0
    assert submission.retry(world.deck, world.now(task)).state is State.SCHEDULED


def test_nothing_fails_for_the_time_in_which_nobody_placed(world: World) -> None:
    """Loops that are just back give what waits its chance first: the nodes come back later than they."""
    task = world.submit(deadline={"wait": "10m"})
    grow_old(world, task, watched_s=5)
    world.loops.reschedule()
    assert world.now(task).state is State.PENDING


def test_what_is_being_started_may_still_start(world: World) -> None:
    """A pull that is nearly done is worth more than the rule: only what is pending fails."""
    world.sailor("node-1")
    task = world.submit(deadline={"wait": "10m"})
    grow_old(world, task)
    assert world.store.expire({task.id: "a late look"}).failed == ()
    assert world.settle(task).state is State.RUNNING


def test_a_stopped_or_removed_task_has_no_deadline_any_more(world: World) -> None:
    """Whatever ends the wait takes the task out of the index."""
    first, second = world.submit("a", **HUGE), world.submit("b", **HUGE)
    submission.stop(world.deck, first)
    submission.remove(world.deck, second, force=False)
    assert world.store.client.zcard(world.store.keys.deadlines) == 0
