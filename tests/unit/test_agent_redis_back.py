"""Redis that came back with less than it knew, or as another cluster: what an agent notices, and how soon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ormen.settings import Settings
from ormen.store.orders import Assignment, NewTask
from ormen.task import State, Task
from tests.unit.agents import AgentBench
from worker_agent.runtime import Container


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass, and has had its first heartbeat answered."""
    made = AgentBench(settings)
    made.agent.pulse.step(made.now)
    yield made
    made.close()


def forget(bench: AgentBench, task: Task) -> None:
    """Let Redis have forgotten that a task was ever asked for."""
    client, keys = bench.deck.client, bench.deck.keys
    client.delete(keys.task(task.id), keys.spec(task.id))
    client.srem(keys.node_tasks("node-1"), task.id)
    client.hdel(keys.names, task.name)


def renew(bench: AgentBench) -> None:
    """Break the agent's connections, as a Redis that is killed and started again within a moment does."""
    bench.agent.station.store.client.connection_pool.disconnect()
    bench.agent.pulse.step(bench.now + 2)


def repeat(bench: AgentBench, task: Task, node: str) -> None:
    """Ask for the same task again, by its id; it is given to a node."""
    need = bench.deck.node("node-1").free
    bench.deck.create(
        [NewTask(task.id, task.name, task.id, "digest", task.container_name, type(need)(10, 1, 0))],
        {task.id: dict(task.spec)},
    )
    assert bench.deck.assign([Assignment(task.id, node, "10.0.0.1", (), {}, "placed")])[0].placed


def test_a_new_connection_has_everything_looked_at(bench: AgentBench) -> None:
    """A Redis that was away for less than a heartbeat is known by the connection, and may have forgotten something."""
    task = bench.running()
    forget(bench, task)
    bench.sync()
    assert bench.agent.sync.orphans == ()
    renew(bench)
    bench.sync()
    assert bench.agent.sync.orphans == (task.container_name,)


def test_a_beat_on_the_same_connection_has_nothing_looked_at(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a new connection is worth a full pass."""
    bench.sync()
    monkeypatch.setattr(bench.agent.station.store, "held", lambda node: pytest.fail("a full pass"))
    bench.agent.pulse.step(bench.now + 2)
    bench.sync()


def test_an_orphan_whose_task_went_elsewhere_is_removed_at_the_next_pass(bench: AgentBench) -> None:
    """A client that repeats its request has one container in the end: the orphan goes within two seconds."""
    bench.join_other("node-2")
    task = bench.running()
    forget(bench, task)
    renew(bench)
    bench.sync()
    repeat(bench, task, "node-2")
    bench.sync()
    assert bench.container(task) is None
    assert bench.task(task.id).node == "node-2"
    bench.sync()
    assert bench.agent.sync.orphans == ()


def test_an_orphan_whose_task_came_back_is_adopted(bench: AgentBench) -> None:
    """If the repeated request is placed on the node that has the orphan, the same container goes on."""
    task = bench.running()
    forget(bench, task)
    renew(bench)
    bench.sync()
    repeat(bench, task, "node-1")
    bench.work()
    found = bench.task(task.id)
    assert (found.state, found.container_id) == (State.RUNNING, task.container_id)


def test_an_orphan_is_left_alone_pass_after_pass(bench: AgentBench) -> None:
    """Without a record nothing is ordered, and no full pass is made for it."""
    task = bench.running()
    forget(bench, task)
    renew(bench)
    for _ in range(3):
        bench.sync()
    container: Container | None = bench.container(task)
    assert container is not None
    assert container.running
    assert not bench.agent.sync._full_due


def test_the_agent_of_another_cluster_is_shown_to_whoever_looks(bench: AgentBench) -> None:
    """Its heartbeats leave a note of half a minute in the Redis they come to, and nothing else."""
    before = set(bench.deck.client.keys())
    bench.deck.client.set(bench.deck.keys.cluster, "another")
    bench.agent.pulse.step(bench.now + 2)
    (found,) = bench.deck.strangers()
    assert (found.name, found.cluster) == ("node-1", bench.agent.station.cluster)
    assert set(bench.deck.client.keys()) - before == {bench.deck.keys.strangers}
    assert 0 < bench.deck.client.ttl(bench.deck.keys.strangers) <= 30


def test_an_agent_of_this_cluster_is_no_stranger(bench: AgentBench) -> None:
    """A node that was only forgotten joins again, and is not noted."""
    bench.deck.forget_node("node-1")
    bench.agent.pulse.step(bench.now + 2)
    assert bench.deck.strangers() == []
    assert bench.deck.node("node-1").name == "node-1"


def test_a_stray_container_goes_once_its_task_is_given_to_another_node(bench: AgentBench) -> None:
    """A forgotten placement leaves the container be; when another node gets the task, it goes at the next pass."""
    bench.join_other("node-2")
    task = bench.running()
    forget(bench, task)
    need = type(bench.deck.node("node-1").free)(10, 1, 0)
    again = NewTask(task.id, task.name, task.id, "digest", task.container_name, need)
    bench.deck.create([again], {task.id: dict(task.spec)})
    renew(bench)
    bench.sync()
    assert bench.container(task) is not None
    assert bench.deck.assign([Assignment(task.id, "node-2", "10.0.0.1", (), {}, "placed")])[0].placed
    bench.sync()
    assert bench.container(task) is None
