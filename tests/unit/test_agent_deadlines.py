"""The agent ends what has run as long as its spec lets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ormen.reasons import Code
from ormen.settings import Settings
from ormen.task import State, Task
from tests.unit.agents import AgentBench, events_of

HOUR_MS = 3_600_000


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """An agent on a fake engine."""
    made = AgentBench(settings)
    yield made
    made.close()


def overrun(bench: AgentBench, **spec: Any) -> Task:
    """Let a task with an hour run, and an hour go by."""
    task = bench.running(deadline={"run": "1h"}, **spec)
    bench.wall_offset_ms = HOUR_MS
    return task


def step(bench: AgentBench, after_s: float = 3600) -> None:
    """Let the agent ask which times are over."""
    bench.agent.deadlines.step(bench.agent.deadlines.clock() + after_s)
    bench.agent.lanes.drain()
    bench.hear()


@pytest.mark.parametrize("restart", ["no", "always", "on-failure"])
def test_an_attempt_that_runs_too_long_is_ended_and_has_failed(bench: AgentBench, restart: str) -> None:
    """Under every policy: its container is stopped first, then the task has failed and gives its seat back."""
    task = overrun(bench, restart=restart)
    step(bench)
    ended, container = bench.task(task.id), bench.container(task)
    assert (ended.state, ended.reason and ended.reason.code) == (State.FAILED, Code.DEADLINE_RUN)
    assert (ended.tries, ended.seat) == (0, None)
    assert container is not None
    assert container.state == "exited"
    assert events_of(bench, task)[-2:] == ["task.stopping", "task.failed"]


def test_the_sentence_has_the_time_and_the_node(bench: AgentBench) -> None:
    """And the exit code of the end."""
    task = overrun(bench)
    step(bench)
    reason = bench.task(task.id).reason
    assert reason is not None
    assert reason.sentence == "Ran for 1h on node-1, its deadline.run, and was ended: exit code 0."


def test_nothing_is_ended_before_its_time(bench: AgentBench) -> None:
    """Asked too early, as after a step of the clock, the container is looked at and runs on."""
    task = overrun(bench)
    bench.wall_offset_ms = HOUR_MS - 5_000
    step(bench)
    assert bench.task(task.id).state is State.RUNNING
    assert 0 < bench.agent.deadlines.step(bench.agent.deadlines.clock()) - bench.agent.deadlines.clock() <= 1.0


def test_a_new_agent_counts_from_the_containers_own_start(bench: AgentBench) -> None:
    """The time goes on while an agent is away: its successor, which only listed the container, ends it at once."""
    task = overrun(bench)
    bench.agent = bench.new_agent("i2")
    step(bench, after_s=0)
    ended = bench.task(task.id)
    assert (ended.state, ended.reason and ended.reason.code) == (State.FAILED, Code.DEADLINE_RUN)


def test_what_somebody_ended_after_its_time_is_not_started_again(bench: AgentBench) -> None:
    """An agent that was killed while it ended the attempt leaves an exit that looks like somebody else's."""
    task = overrun(bench, restart="always")
    found = bench.container(task)
    assert found is not None
    assert found.started_ms is not None
    bench.runtime.change(found, started_ms=found.started_ms - HOUR_MS)
    bench.runtime.kill(task.container_name)
    bench.hear()
    ended = bench.task(task.id)
    assert (ended.state, ended.reason and ended.reason.code) == (State.FAILED, Code.DEADLINE_RUN)


def test_an_end_that_redis_did_not_hear_of_is_asked_again(bench: AgentBench) -> None:
    """While Redis is away nothing is stopped; a few seconds after it is back the attempt is ended."""
    task = overrun(bench)
    pool = bench.agent.station.store.client.connection_pool
    port, pool.connection_kwargs["port"] = pool.connection_kwargs["port"], 1
    pool.disconnect()
    pool.reset()
    step(bench)
    assert bench.container(task).running  # type: ignore[union-attr]
    pool.connection_kwargs["port"] = port
    pool.reset()
    step(bench, after_s=3606)
    assert bench.task(task.id).state is State.FAILED
