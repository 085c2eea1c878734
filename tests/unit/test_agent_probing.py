"""Checks: grace, retries, what is told, and how an attempt ends by them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.spec import HealthSpec
from ormen.task import Health, State, Task
from tests.unit.agents import AgentBench, events_of
from worker_agent.fake_engine import Behaviour, Pace
from worker_agent.probing import Watched
from worker_agent.runtime import Container, EngineHung, ProbeResult

GOOD = ProbeResult(True, "fine", Code.HEALTH_HTTP)
BAD = ProbeResult(False, "no", Code.HEALTH_HTTP)


def watched(**health: float) -> Watched:
    """Return a container that started now, at second 0."""
    spec = HealthSpec(http="/", **health)  # type: ignore[arg-type]
    return Watched("t", 1, spec, Container("c", "web", "running"), spec.grace_s, 0.0, None)


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass."""
    made = AgentBench(settings)
    yield made
    made.close()


def probe(bench: AgentBench, times: int = 1) -> None:
    """Let that many checks of everything come due."""
    for _ in range(times):
        bench.now += 100
        bench.agent.probing.clock = lambda: bench.now
        bench.agent.probing.step(bench.now)
        bench.agent.lanes.drain()


def checked(bench: AgentBench, status: int = 0, **health: object) -> Task:
    """Return a running task whose command check exits with `status`."""
    task = bench.running(health={"command": ["ok"], "grace": 0, "retries": 2, **health})
    bench.runtime.answer_command(task.container_name, "ok", status=status)
    return task


def test_failures_do_not_count_within_the_grace_time() -> None:
    """Until the grace time is over a failure is looked at again within a second, and counts for nothing."""
    item = watched(grace_s=30, interval_s=10)
    item.take(BAD, 29.0)
    assert (item.failures, item.state, item.due) == (0, Health.STARTING, 30.0)
    item.take(BAD, 30.0)
    assert (item.failures, item.state, item.due) == (1, Health.FAILING, 40.0)


def test_a_pass_ends_the_grace_time() -> None:
    """After its first pass a container's failures count at once."""
    item = watched(grace_s=30, interval_s=10)
    item.take(GOOD, 1.0)
    item.take(BAD, 2.0)
    assert (item.failures, item.due) == (1, 12.0)


def test_only_failures_in_a_row_end_an_attempt() -> None:
    """A pass between two failures begins the count anew."""
    item = watched(grace_s=0, retries=2)
    for result in (BAD, GOOD, BAD):
        item.take(result, 1.0)
    assert not item.over
    item.take(BAD, 2.0)
    assert item.over


def test_health_is_told_when_it_changes(bench: AgentBench) -> None:
    """A task becomes healthy with its first pass; further passes say nothing."""
    task = checked(bench)
    probe(bench, 3)
    assert bench.task(task.id).health is Health.HEALTHY
    assert events_of(bench, task).count("task.healthy") == 1


def test_a_failing_check_is_told_and_a_pass_mends_it(bench: AgentBench) -> None:
    """A failure shows with its count; the next pass makes the task healthy again."""
    task = checked(bench, status=1)
    probe(bench)
    failing = bench.task(task.id)
    assert (failing.health, failing.detail) == (Health.FAILING, "ok exited with 1 (1 of 2 failures)")
    bench.runtime.answer_command(task.container_name, "ok", status=0)
    probe(bench)
    mended = bench.task(task.id)
    assert (mended.health, mended.detail, mended.state) == (Health.HEALTHY, None, State.RUNNING)


def test_the_last_checks_are_kept_while_they_fail(bench: AgentBench) -> None:
    """At most three, the newest first; a pass takes them away."""
    task = checked(bench, status=3, retries=9)
    probe(bench, times=5)
    kept = bench.task(task.id).probes
    assert [(each.ok, each.status) for each in kept] == [(False, 3)] * 3
    assert kept[0].at_ms >= kept[-1].at_ms > 0
    bench.runtime.answer_command(task.container_name, "ok", status=0)
    probe(bench)
    assert bench.task(task.id).probes == ()


def test_what_a_check_is_answered_within_the_grace_time_is_told_once(bench: AgentBench) -> None:
    """Each other answer; the state stays, and no event is written."""
    task = checked(bench, status=3, grace=3600)
    probe(bench)
    first = bench.task(task.id)
    probe(bench)
    assert (first.health, len(first.probes), bench.task(task.id).revision) == (Health.STARTING, 1, first.revision)
    bench.runtime.answer_command(task.container_name, "ok", status=4)
    probe(bench)
    assert [each.status for each in bench.task(task.id).probes] == [4, 3, 3]


def test_a_check_that_fails_too_often_ends_the_attempt(bench: AgentBench) -> None:
    """After its retries a failing check stops the container and spends a try."""
    task = checked(bench, status=1)
    probe(bench, 2)
    found, container = bench.task(task.id), bench.container(task)
    assert container is not None
    assert not container.running
    assert (found.state, found.tries) == (State.PENDING, 1)
    assert found.reason is not None
    assert found.reason.code is Code.HEALTH_COMMAND
    assert found.reason.sentence == "Not healthy on node-1: ok exited with 1, 2 times in a row."


def ended_by(settings: Settings, *, restart: bool) -> tuple[list[str], list[str]]:
    """End a failing task's attempt, with three checks due meanwhile; return its details then, and all its events."""
    details: list[str] = []

    def stopping(_: float) -> None:
        details.append(str(bench.task(task.id).detail))
        probe(bench, 3)

    bench = AgentBench(settings, behaviour=Behaviour(pace=Pace(stop_s=1), sleep=stopping))
    task = checked(bench, status=1)
    probe(bench)
    if restart:
        bench.deck.restart(task)
        bench.work()
    else:
        probe(bench)
    told = events_of(bench, task)
    bench.close()
    return details, told


def test_no_check_counts_while_a_restart_ends_the_attempt(settings: Settings) -> None:
    """While the container is being stopped as somebody asked, its check is not made and tells nothing."""
    details, told = ended_by(settings, restart=True)
    assert (details, told.count("task.failing")) == (["stopping, at most 10.0s"], 1)


def test_the_end_of_an_unhealthy_attempt_is_told_and_its_checks_end(settings: Settings) -> None:
    """Nothing is counted beyond `retries`, and both the detail and an event say why it is being stopped."""
    details, told = ended_by(settings, restart=False)
    assert (details, told.count("task.failing")) == (["stopping as unhealthy, at most 10.0s"], 2)
    assert told.count("task.stopping") == 1


def test_checks_go_on_when_the_end_fails(bench: AgentBench) -> None:
    """An engine that refuses the stop leaves the check as it was; more failures than `retries` are not told."""
    task = checked(bench, status=1)
    bench.runtime.fail("stop", EngineHung(Reason(Code.ENGINE_HUNG, "no answer")))
    probe(bench, 2)
    assert bench.task(task.id).state is State.RUNNING
    probe(bench)
    assert bench.task(task.id).state is State.PENDING
    assert events_of(bench, task).count("task.failing") == 2


def test_the_end_of_a_check_ends_the_rest_before_the_next(bench: AgentBench) -> None:
    """The next check is due from the last one's end, so an interval below a second holds."""
    checked(bench)
    bench.agent.probing.rest(0)
    probe(bench)
    began = time.monotonic()
    bench.agent.probing.rest(30)
    assert time.monotonic() - began < 15


def test_without_a_restart_policy_a_failing_check_fails_the_task(bench: AgentBench) -> None:
    """Under `no` the attempt that fails its check is the last."""
    task = bench.running(restart="no", health={"command": ["ok"], "grace": 0, "retries": 1})
    bench.runtime.answer_command(task.container_name, "ok", status=1)
    probe(bench)
    assert bench.task(task.id).state is State.FAILED


def test_an_ended_task_is_checked_no_more(bench: AgentBench) -> None:
    """With the container the check ends."""
    task = checked(bench)
    probe(bench)
    assert set(bench.agent.probing.ages_s()) == {task.id}
    bench.deck.stop(task)
    bench.work()
    assert bench.agent.probing.ages_s() == {}


def test_a_successor_goes_on_checking(bench: AgentBench) -> None:
    """An agent that starts again checks what runs already, and knows what was healthy."""
    task = checked(bench)
    probe(bench)
    bench.agent = bench.new_agent("i2")
    bench.agent.lanes.drain()
    probe(bench)
    assert set(bench.agent.probing.ages_s()) == {task.id}
    assert events_of(bench, task).count("task.healthy") == 1


def test_the_engines_fault_is_not_the_containers(bench: AgentBench) -> None:
    """A check that the engine cannot make says nothing of the container's health."""
    task = checked(bench)
    bench.runtime.go_down()
    probe(bench, 3)
    bench.runtime.come_back()
    assert replace(bench.task(task.id), revision=0) == replace(task, revision=0)


def test_a_check_that_is_overtaken_by_the_end_tells_nothing(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a check finds in a container that is being ended is the ending's doing, and no failure."""
    task = checked(bench, status=1)
    look = bench.runtime.probe_command

    def ended_meanwhile(container_id: str, command: tuple[str, ...], *, timeout_s: float) -> ProbeResult:
        with bench.agent.station.evidence.ending(container_id):
            return look(container_id, command, timeout_s=timeout_s)

    monkeypatch.setattr(bench.runtime, "probe_command", ended_meanwhile)
    probe(bench)
    assert "task.failing" not in events_of(bench, task)
