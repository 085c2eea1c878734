"""How an agent begins and goes: where it may write, and that it says "down" of what is down."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ormen.settings import Settings
from ormen.task import State
from tests.unit.agents import AgentBench
from worker_agent.__main__ import Files, take_lock
from worker_agent.app import RUNS_ON, Process
from worker_agent.fake_runtime import Behaviour
from worker_agent.lanes import START


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass."""
    made = AgentBench(settings)
    yield made
    made.close()


@pytest.fixture
def process(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> Process:
    """The process of that agent, which does not end."""
    made = Process()
    made.agent = bench.agent
    monkeypatch.setattr("worker_agent.app.DOWN_WITHIN_S", 0.3)
    monkeypatch.setattr(made, "leave", lambda code=0: setattr(made, "exit_code", code))
    return made


def test_containers_of_another_cluster_are_not_said_to_be_down(
    bench: AgentBench, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis was emptied: nothing there is this agent's, and its containers run on, which is said at once."""
    task = bench.running()
    bench.deck.client.set(bench.deck.keys.cluster, "another")
    bench.agent.pulse.step(bench.now)
    began = time.monotonic()
    process.go_down()
    assert time.monotonic() - began < 0.3
    assert (process.exit_code, bench.agent.controller.going_down) == (RUNS_ON, False)
    assert "containers run on: Redis holds another cluster" in caplog.text
    container = bench.container(task)
    assert container is not None
    assert container.running


def test_containers_that_do_not_end_are_not_said_to_be_down(
    bench: AgentBench, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine that hangs keeps them: their number is said, and the node is not told as one that has left."""
    caplog.set_level(logging.INFO, "ormen.sailor")
    bench.running()
    process.go_down()
    assert process.exit_code == RUNS_ON
    assert "down with 0 containers" in caplog.text
    assert "1 container did not end in time and may run on" in caplog.text
    assert bench.deck.node("node-1").takes_tasks


def test_an_agent_that_redis_knows_again_goes_on(bench: AgentBench) -> None:
    """An older file of Redis came and went between two heartbeats: whoever was replaced by nobody is not for ever."""
    bench.deck.client.hset(bench.deck.keys.node("node-1"), "instance", "one that was before")
    bench.agent.pulse.step(bench.now)
    assert bench.agent.controller.frozen
    bench.deck.client.hset(bench.deck.keys.node("node-1"), "instance", "i1")
    bench.agent.pulse.step(bench.now + 2)
    assert not bench.agent.controller.frozen
    assert bench.running().state is State.RUNNING


def test_starts_that_waited_for_an_image_leave_the_lane_of_stops_free(settings: Settings) -> None:
    """When a pull ends, all who waited for it queue where starts do, and a stop is done before them."""
    bench = AgentBench(settings, behaviour=Behaviour(images=set(), remote=None))
    bench.submit(image="acme/web:1")
    lanes, handed = bench.agent.lanes, []
    submit = lanes.submit
    lanes.submit = lambda lane, key, work: handed.append((lane, key)) or submit(lane, key, work)  # type: ignore[method-assign,func-returns-value]
    bench.agent.take()
    lanes.drain()
    assert [lane for lane, key in handed if not key.startswith("pull")] == [START, START]
    bench.close()


@pytest.mark.parametrize("folder", ["/proc/none", "/dev/null/agents"])
def test_a_state_folder_that_cannot_be_used_is_named(settings: Settings, bench: AgentBench, folder: str) -> None:
    """The setting, the folder and the cause, in a sentence."""
    with pytest.raises(ValueError, match=f"ORMEN_STATE_DIR: {folder} cannot be used: .*may write to"):
        Files.of(replace(settings, state_dir=folder), bench.runtime.engine(), "node-1")
    with pytest.raises(ValueError, match=f"ORMEN_STATE_DIR: {folder} cannot be used: "):
        take_lock(Path(folder, "node-1.lock"), "node-1")
