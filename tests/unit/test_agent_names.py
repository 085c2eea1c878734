"""Whose the container is that has a task's name already: what is adopted, and what is cleared away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ormen.settings import Settings
from ormen.task import State
from tests.unit.agents import AgentBench


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass."""
    made = AgentBench(settings)
    yield made
    made.close()


@pytest.mark.parametrize("change", [{"node": "node-2"}, {"spec_hash": "of another spec"}])
def test_only_this_nodes_container_of_the_same_spec_is_adopted(bench: AgentBench, change: dict[str, str]) -> None:
    """A container of ours under the name that is another node's on this engine, or an older spec's, makes way."""
    task = bench.running()
    held = bench.container(task)
    assert held is not None
    bench.runtime.change(held, **change)
    bench.deck.client.hset(bench.deck.keys.task(task.id), "state", "scheduled")
    bench.deck.client.hdel(bench.deck.keys.task(task.id), "cid")
    bench.agent.controller.converge(task.id)
    after = bench.container(task)
    assert after is not None
    assert (after.id != held.id, after.node, bench.task(task.id).state) == (True, "node-1", State.RUNNING)
