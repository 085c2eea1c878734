"""Making sure: passes over Docker, outages of Redis and of the engine, orphans, and what the store is told."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from ormen.errors import StoreUnavailable
from ormen.reasons import Code
from ormen.settings import Settings
from ormen.task import State, Task
from tests.unit.agents import AgentBench
from tests.waiting import wait_until
from worker_agent.sync import SEEN_EVERY_S


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass."""
    made = AgentBench(settings)
    yield made
    made.close()


def cut_off(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Redis be out of the agent's reach until the patch is undone."""

    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("Redis does not answer")

    for verb in ("read", "report", "note", "take", "held", "synced", "seen", "probed", "heartbeat", "confirm", "adopt"):
        monkeypatch.setattr(bench.agent.station.store, verb, refuse)


def test_a_node_takes_tasks_only_after_its_first_pass(settings: Settings) -> None:
    """The first complete pass over Docker is what makes a node ready."""
    bench = AgentBench(settings)
    assert bench.deck.node("node-1").takes_tasks
    bench.agent.station.store.join(bench.agent._card)
    assert not bench.deck.node("node-1").takes_tasks
    bench.agent.sync.make_full()
    bench.sync()
    assert bench.deck.node("node-1").takes_tasks
    bench.close()


def test_the_list_finds_what_no_event_told(bench: AgentBench) -> None:
    """An exit without an event is found by the next pass, and judged by the one after."""
    task = bench.running()
    bench.runtime.exit(task.container_name, 1)
    bench.sync()
    assert bench.task(task.id).state is State.RUNNING
    bench.wall_offset_ms += 2_000
    bench.sync()
    assert bench.task(task.id).state is State.PENDING


def test_the_list_finds_a_container_that_is_gone(bench: AgentBench) -> None:
    """A container that was removed without an event is found missing."""
    task = bench.running()
    bench.runtime.remove(task.container_id or "")
    bench.sync()
    assert bench.task(task.id).state is State.PENDING


def test_a_pass_inspects_nothing_that_is_as_it_was(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick pass over unchanged containers costs one list and nothing else."""
    for n in range(3):
        bench.running(f"web-{n}")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("looked at without need")

    monkeypatch.setattr(bench.runtime, "inspect", refuse)
    monkeypatch.setattr(bench.agent.station.store, "read", refuse)
    bench.sync()
    assert bench.agent.controller.unsettled() == []


def test_a_container_without_a_record_is_an_orphan_and_left_running(bench: AgentBench) -> None:
    """Absence is never an order: what has no record is reported and not touched."""
    task = bench.running()
    bench.deck.client.delete(bench.deck.keys.task(task.id))
    bench.sync(after_s=61)
    container = bench.container(task)
    assert container is not None
    assert container.running
    assert bench.agent.sync.orphans == (task.container_name,)


def test_another_nodes_container_on_the_same_engine_is_nobodys_orphan(bench: AgentBench) -> None:
    """Nodes that share an engine see each other's containers, and each minds its own."""
    task = bench.running()
    held = bench.container(task)
    assert held is not None
    bench.runtime.change(held, node="node-2", task=str(uuid4()))
    bench.sync(120)
    assert bench.agent.sync.orphans == ()


def test_after_a_silence_of_redis_every_record_is_read_again(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked while Redis was away is found by the first pass that reaches it, not by one much later."""
    task = bench.running()
    with monkeypatch.context() as away:
        cut_off(bench, away)
        bench.sync(SEEN_EVERY_S)
    bench.deck.stop(bench.task(task.id))
    bench.deck.client.delete(bench.deck.keys.inbox(bench.node))
    bench.sync()
    assert bench.task(task.id).state is State.COMPLETED


def test_an_agent_tells_of_its_checks_while_there_are_any(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there are none that is told, also at its start of those of an agent before it, and then no more."""
    told: list[dict[str, float]] = []
    monkeypatch.setattr(bench.agent.station.store, "probed", lambda node, last: told.append(dict(last)))
    ages: dict[str, float] = {"t": 1.0}
    monkeypatch.setattr(bench.agent.sync, "_probe_ages", lambda: ages)
    for number in range(4):
        bench.sync(SEEN_EVERY_S * (number + 1))
        if number:
            ages.clear()
    assert told == [{"t": 1.0}, {"t": 1.0}, {}]


def test_an_agent_that_may_change_nothing_leaves_its_inbox(bench: AgentBench) -> None:
    """What it cannot do is still there when it may again, or when another is this node."""
    task = bench.submit()
    bench.agent.controller.frozen = "another agent is node-1 now"
    bench.work()
    bench.agent.controller.frozen = None
    bench.work()
    assert bench.task(task.id).state is State.RUNNING


def test_a_container_that_went_with_its_record_is_no_orphan(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may be removed between the list of containers and the reading of records: nothing is left to be told."""
    task, store = bench.running(), bench.agent.station.store
    held = store.held

    def late(node: str) -> object:
        bench.deck.remove(task, force=True)
        bench.runtime.remove(task.container_id or "")
        store.confirm(task.id, node=node)
        return held(node)

    monkeypatch.setattr(store, "held", late)
    bench.agent.sync.make_full()
    bench.sync()
    assert bench.agent.sync.orphans == ()


def test_without_redis_nothing_is_changed_and_nothing_forgotten(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exit during an outage of Redis is judged and reported when it is back."""
    task = bench.running()
    with monkeypatch.context() as patch:
        cut_off(bench, patch)
        bench.runtime.exit(task.container_name, 3)
        bench.hear()
        bench.sync()
        assert bench.agent.controller.unsettled() == [task.id]
    bench.sync()
    found = bench.task(task.id)
    assert (found.state, found.exit_code, found.tries) == (State.PENDING, 3, 1)


def test_without_redis_a_stop_waits(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redis is away no container is stopped, whatever is wanted."""
    task = bench.running()
    bench.deck.stop(task)
    with monkeypatch.context() as patch:
        cut_off(bench, patch)
        bench.work()
        bench.agent.controller.look(task.id)
        bench.agent.lanes.drain()
        container = bench.container(task)
        assert container is not None
        assert container.running
    bench.sync()
    assert bench.task(task.id).state is State.COMPLETED


def test_an_engine_that_restarts_interrupts_and_spends_nothing(bench: AgentBench) -> None:
    """Containers that went down with their engine get a new attempt, although they show exit code 0."""
    task = bench.running(restart="no")
    bench.runtime.go_down()
    bench.agent.watcher.lost()
    bench.sync()
    assert bench.agent.sync.trouble is not None
    bench.runtime.come_back(restarted=True)
    bench.sync()
    assert bench.task(task.id).state is State.RUNNING
    bench.agent.watcher.open()
    bench.sync()
    found = bench.task(task.id)
    assert (found.state, found.reason and found.reason.code, found.tries) == (State.PENDING, Code.INTERRUPTED, 0)


def test_an_agent_that_starts_again_finds_everything_as_it_is(bench: AgentBench) -> None:
    """After kill -9 of the agent its successor adopts what runs, and tells of nothing."""
    tasks = [bench.running(f"web-{n}") for n in range(3)]
    events = len(bench.deck.events(limit=1000))
    bench.agent = bench.new_agent("i2")
    bench.agent.lanes.drain()
    assert [bench.task(task.id) for task in tasks] == tasks
    assert len(bench.deck.events(limit=1000)) == events + 2  # joined, ready
    assert set(bench.agent.controller.known()) == {task.id for task in tasks}


def test_an_instance_that_was_replaced_ends(bench: AgentBench) -> None:
    """The former instance of a node is told by its next heartbeat, touches nothing any more, and hears the other."""
    former = bench.agent
    bench.agent = bench.new_agent("i2")
    former.pulse.step(bench.now)
    assert former.controller.frozen
    assert former.rung() == {}
    wait_until(lambda: bench.deck.now_ms() > bench.deck.node("node-1").heartbeat_ms)
    bench.agent.pulse.step(bench.now)
    former.pulse.step(bench.now + 2)
    assert len(bench.left) == 1


def test_an_instance_that_redis_has_forgotten_joins_again(bench: AgentBench) -> None:
    """Redis is back from before the agent's start and names an instance that is no more: nobody speaks in its place."""
    task = bench.running()
    bench.deck.client.hset(bench.deck.keys.node("node-1"), "instance", "one that was before")
    bench.agent.pulse.step(bench.now)
    assert bench.agent.controller.frozen

    def goes_on() -> bool:
        bench.now += 2
        bench.agent.pulse.step(bench.now)
        return not bench.agent.controller.frozen

    wait_until(goes_on)
    bench.sync()
    assert bench.left == []
    assert bench.deck.node("node-1").takes_tasks
    assert bench.task(task.id).state is State.RUNNING


def test_a_task_that_is_taken_during_a_pass_is_not_forgotten_for_it(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records of the pass were read before it came: what is known of it since then stays known."""
    held, taken = bench.agent.station.store.held, []

    def meanwhile(node: str) -> list[Task]:
        before = held(node)
        taken.append(bench.running())
        return before

    monkeypatch.setattr(bench.agent.station.store, "held", meanwhile)
    bench.agent.sync.make_full()
    bench.agent.sync.step(bench.now + 2)
    assert taken[0].id in bench.agent.controller.known()


def test_another_cluster_freezes_the_agent(bench: AgentBench) -> None:
    """A Redis that was emptied is another cluster: its agents change nothing, and go on when the old one is back."""
    task = bench.running()
    bench.deck.client.set(bench.deck.keys.cluster, "another")
    bench.agent.pulse.step(bench.now)
    assert bench.agent.controller.frozen
    assert bench.agent.controller.converge(task.id) == "frozen"
    bench.deck.client.set(bench.deck.keys.cluster, bench.agent.station.cluster)
    bench.agent.pulse.step(bench.now + 2)
    assert bench.agent.controller.frozen is None


def test_a_forgotten_node_joins_again(bench: AgentBench) -> None:
    """A node that was removed from the deck's list while its agent lives comes back by itself."""
    bench.deck.forget_node("node-1")
    bench.agent.pulse.step(bench.now)
    bench.sync()
    assert bench.deck.node("node-1").takes_tasks


def test_a_lost_ring_costs_a_heartbeat(bench: AgentBench) -> None:
    """An inbox that nobody rang for is taken at the heartbeat's answer."""
    task = bench.submit()
    bench.deck.client.hincrby(bench.deck.keys.node("node-1"), "inbox_since", -1_000)
    bench.agent.pulse.step(bench.now)
    bench.agent.lanes.drain()
    assert bench.task(task.id).state is State.RUNNING


def test_heartbeats_say_what_is_wrong(bench: AgentBench) -> None:
    """An engine that does not answer makes the node suspect, with the engine's own reason."""
    bench.runtime.go_down()
    bench.sync()
    bench.agent.pulse.step(bench.now)
    reason = bench.deck.node("node-1").state_reason
    assert reason is not None
    assert reason.code is Code.ENGINE_DOWN
