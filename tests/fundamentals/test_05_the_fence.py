"""Lesson 5. The fence: (node, attempt). Who carries another pair is too late, and changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from manager_api import submission
from ormen.reasons import Code, Reason
from ormen.store.agent import Remark, Report
from ormen.task import State
from tests.fundamentals.world import World
from worker_agent import controller


def test_each_run_on_a_node_is_an_attempt_with_a_number(world: World) -> None:
    """A new attempt gets the next number, also on the same node."""
    sailor = world.sailor("node-1")
    task = world.run()
    assert task.fence == ("node-1", 1)
    sailor.engine.exit(task.container_name, 1)
    again = world.settle(task)
    assert (again.state, again.fence) == (State.RUNNING, ("node-1", 2))


def test_news_of_an_older_attempt_is_dropped(world: World) -> None:
    """The exit of attempt 1 may be reported when attempt 2 runs already: it says nothing of attempt 2."""
    sailor = world.sailor("node-1")
    first = world.run()
    sailor.engine.exit(first.container_name, 1)
    second = world.settle(first)
    late = Report(first.id, "node-1", first.attempt, State.FAILED, Reason(Code.EXIT, "Exited."), release=True)
    assert not sailor.store.report(late).accepted
    assert world.now(first) == second


def test_news_of_another_node_is_dropped(world: World) -> None:
    """A node that had the task before cannot end what now runs elsewhere."""
    old, _ = world.sailor("node-1"), world.sailor("node-2")
    task = world.submit()
    other = "node-2" if task.node == "node-1" else "node-1"
    late = Report(task.id, other, task.attempt, State.RUNNING, container_id="c")
    assert not old.store.report(late).accepted
    assert world.now(task) == task


def test_a_transition_must_come_from_where_the_record_is(world: World) -> None:
    """The right pair is not enough: what has ended cannot start to run by a report that was on its way."""
    sailor = world.sailor("node-1")
    task = world.run()
    news = Report(task.id, "node-1", 1, State.COMPLETED, exit_code=0, release=True)
    assert sailor.store.report(news).accepted
    assert not sailor.store.report(replace(news, target=State.RUNNING)).accepted
    assert world.now(task).state is State.COMPLETED


def test_no_agent_ends_what_only_waits(world: World) -> None:
    """News that comes twice, or after its node was given up, has the right pair, and comes to nothing."""
    sailor = world.sailor("node-1")
    task = world.run()
    news = Report(task.id, "node-1", 1, State.PENDING, Reason(Code.INTERRUPTED, "Somebody ended it."))
    assert sailor.store.report(news).accepted
    for target in (State.FAILED, State.COMPLETED):
        assert not sailor.store.report(replace(news, target=target, release=True)).accepted
    assert world.now(task).state is State.PENDING


def test_remarks_are_fenced_likewise(world: World) -> None:
    """Progress and health of an older attempt do not stand beside a newer one."""
    sailor = world.sailor("node-1")
    task = world.run()
    assert sailor.store.note(Remark(task.id, "node-1", 1, detail="now"))
    assert not sailor.store.note(Remark(task.id, "node-1", 0, detail="long ago"))
    assert world.now(task).detail == "now"


def test_what_changed_during_a_pull_is_heeded_before_the_start(world: World) -> None:
    """A pull takes long, so the record is read again after it: a task that left meanwhile is not started."""
    sailor = world.sailor("node-1")
    sailor.engine.behaviour.images = set()
    task = world.submit()
    sailor.agent.take()
    assert sailor.agent.controller.converge(task.id) == "pulling"
    world.store.stop(task)
    sailor.agent.lanes.drain()
    assert sailor.engine.table == {}


def test_the_container_of_an_earlier_attempt_goes_at_once(world: World) -> None:
    """A task that ended on one node and starts again on another leaves nothing behind: the first node is rung too."""
    sailor, _ = world.sailor("node-1"), world.sailor("node-2")
    world.store.mark_node("node-2", mode="cordoned", by="ann", why=None)
    task = world.run(restart="no")
    sailor.engine.exit(task.container_name, 0)
    ended = world.settle(task)
    assert sailor.container(ended) is not None
    world.store.mark_node("node-1", mode="cordoned", by="ann", why=None)
    world.store.mark_node("node-2", mode="active", by="ann", why=None)
    again = world.settle(submission.restart(world.deck, ended))
    assert (again.state, again.node, sailor.container(again)) == (State.RUNNING, "node-2", None)


def test_a_ring_replaces_the_start_that_waits(world: World) -> None:
    """The inbox brings the record along; what is stopped before its turn comes, and rung for, is not started."""
    sailor = world.sailor("node-1")
    task = world.submit()
    sailor.agent.take()
    submission.stop(world.deck, task)
    sailor.agent.take()
    sailor.agent.lanes.drain()
    ended = world.now(task)
    assert (ended.state, ended.started_ms, sailor.container(task)) == (State.COMPLETED, None, None)


def test_a_start_that_waited_long_begins_from_the_record_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an agent read before it was held up is no order any more: without a ring too it is read anew."""
    monkeypatch.setattr(controller, "FRESH_S", 0.0)
    sailor = world.sailor("node-1")
    task = world.submit()
    sailor.agent.take()
    submission.stop(world.deck, task)
    sailor.agent.lanes.drain()
    assert (world.now(task).started_ms, sailor.container(task)) == (None, None)


def test_what_changed_without_ending_it_is_started_as_it_is_now(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was written to before its turn came is read anew, and its start follows in the same turn."""
    monkeypatch.setattr(controller, "FRESH_S", 0.0)
    sailor = world.sailor("node-1")
    task = world.submit()
    sailor.agent.take()
    sailor.store.note(Remark(task.id, "node-1", task.attempt, detail="somebody wrote meanwhile"))
    sailor.agent.lanes.drain()
    assert world.now(task).state is State.RUNNING
