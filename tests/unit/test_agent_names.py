"""Whose the container is that has a task's name already: what is adopted, and what is cleared away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ormen.settings import Settings
from ormen.task import State
from tests.unit.agents import AgentBench
from worker_agent.runtime import ContainerPlan


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass."""
    made = AgentBench(settings)
    yield made
    made.close()


@pytest.mark.parametrize("change", [{"node": "node-2"}, {"spec_hash": "of another spec", "fixed_hash": "another"}])
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


@pytest.mark.parametrize("change", [{"cluster": "another"}, {"node": "node-2"}, {"task": "of somebody else"}])
def test_a_removal_leaves_what_is_not_wholly_ours(bench: AgentBench, change: dict[str, str]) -> None:
    """What has a task's name and id, but another cluster's, node's or task's label, outlives the task."""
    task = bench.running()
    held = bench.container(task)
    assert held is not None
    bench.runtime.change(held, **change)
    bench.deck.remove(bench.task(task.id), force=True)
    bench.work()
    bench.sync(120)
    after = bench.container(task)
    assert (after and after.id, after and after.running) == (held.id, True)


def test_a_container_that_came_under_the_name_meanwhile_is_looked_at_again(bench: AgentBench) -> None:
    """Between the refused create and the removal the record changed: nothing is removed on the older word."""
    task = bench.running()
    held = bench.container(task)
    assert held is not None
    bench.runtime.change(held, spec_hash="of another spec", fixed_hash=None)
    record = bench.deck.keys.task(task.id)
    bench.deck.client.hset(record, "state", "scheduled")
    bench.deck.client.hdel(record, "cid")
    create = bench.runtime.create

    def create_late(plan: ContainerPlan, *, meanwhile: Callable[[], object]) -> str:
        bench.deck.client.hset(record, "attempt", "2")
        return create(plan, meanwhile=meanwhile)

    bench.runtime.create = create_late  # type: ignore[method-assign]
    bench.agent.controller.converge(task.id)
    assert bench.container(task) == bench.runtime.inspect(held.id)
