"""Words that come too late, twice or from the wrong side: one guard of a verb each."""

from __future__ import annotations

import pytest

from ormen.errors import IdTaken, NameTaken, StillRunning
from ormen.reasons import Code, Reason
from ormen.store.agent import AgentStore, Report
from ormen.store.loops import LoopStore
from ormen.store.orders import Wait
from ormen.task import State, Task, Wanted
from tests.store.test_flow import IDS, assign, card, lose, new, ready, run, silence, submit

INTERRUPTED = Reason(Code.INTERRUPTED, "Interrupted.")


@pytest.fixture
def agent(agent: AgentStore) -> AgentStore:
    """The agent of node-1, which is ready; node-2 is ready, too."""
    ready(agent, "node-2", "engine-2")
    return agent


def task_of(deck: LoopStore, number: int = 0) -> Task:
    """A task's record."""
    found = deck.read([IDS[number]])[IDS[number]]
    assert found is not None
    return found


def end(agent: AgentStore, *, release: bool, state: State = State.PENDING) -> None:
    """Report that the first attempt has ended."""
    reason = INTERRUPTED if state is State.PENDING else None
    assert agent.report(Report(IDS[0], "node-1", 1, state, reason, sentence="done", release=release)).accepted


def test_nothing_is_put_into_the_inbox_of_a_forgotten_node(deck: LoopStore, agent: AgentStore) -> None:
    """A node that nobody knows any more reads no inbox: none is kept for it."""
    run(deck, agent)
    deck.client.hdel(deck.keys.views, "node-1")
    deck.client.delete(deck.keys.inbox("node-1"))
    deck.restart(task_of(deck))
    assert deck.client.exists(deck.keys.inbox("node-1")) == 0


def test_a_task_that_keeps_its_seat_stays_on_its_nodes_list(deck: LoopStore, agent: AgentStore) -> None:
    """Nothing of it is left on the node in a back-off, and yet the node answers for it."""
    run(deck, agent)
    end(agent, release=False)
    agent.confirm(IDS[0], node="node-1")
    assert deck.node_task_ids("node-1") == [IDS[0]]


def test_a_removed_task_ends_with_the_last_confirmation(deck: LoopStore, agent: AgentStore) -> None:
    """Where two nodes may have a container of it, the tombstone outlives the first that confirms."""
    run(deck, agent)
    silence(deck)
    assert lose(deck) == 1
    assert assign(deck, node="node-2").placed
    deck.remove(task_of(deck), force=True)
    agent.confirm(IDS[0], node="node-2")
    assert task_of(deck).wanted is Wanted.REMOVED
    agent.confirm(IDS[0], node="node-1")
    assert deck.read([IDS[0]])[IDS[0]] is None


def test_the_id_of_a_tombstone_is_not_given_again(deck: LoopStore, agent: AgentStore) -> None:
    """Until the last node has confirmed, its container would be taken for the new task's."""
    run(deck, agent)
    deck.remove(task_of(deck), force=True)
    with pytest.raises(IdTaken):
        deck.create([new(0)], {"spec-1": {}})


def test_a_restart_takes_no_name_that_is_in_use(deck: LoopStore, agent: AgentStore) -> None:
    """An ended task whose name another has meanwhile stays ended."""
    run(deck, agent)
    end(agent, release=True, state=State.COMPLETED)
    deck.create([new(1, "web-0")], {"spec-1": {}})
    with pytest.raises(NameTaken):
        deck.restart(task_of(deck))
    assert task_of(deck).state is State.COMPLETED


def test_a_drain_asks_once_an_attempt(deck: LoopStore, agent: AgentStore) -> None:
    """The loop that goes on with a drain names no task that is being stopped for it already."""
    run(deck, agent)
    deck.mark_node("node-1", mode="draining", by="ann", why=None)
    assert [deck.drain("node-1"), deck.drain("node-1")] == [["web-0"], []]


def test_a_replaced_agent_takes_no_leave_for_its_successor(deck: LoopStore, agent: AgentStore) -> None:
    """The one that goes down late does not make the node silent."""
    agent.join(card(instance="i2"))
    agent.synced("node-1", "i2", orphans=[])
    agent.leave("node-1", "i1")
    submit(deck)
    assert assign(deck).placed


def test_a_clock_that_steps_back_counts_every_silence_anew(deck: LoopStore) -> None:
    """A last run in the future cannot be a second ago: Redis's clock was set, and nobody has fallen silent for it."""
    deck.begin("liveness", interval_ms=1000)
    deck.client.hset(deck.keys.loops, mapping={"since": 1, "liveness:began": deck.now_ms() + 60_000})
    turn = deck.begin("liveness", interval_ms=1000)
    assert (turn.run, turn.since_ms) == (True, turn.now_ms)


def test_silence_counts_from_when_somebody_listens(deck: LoopStore, agent: AgentStore) -> None:
    """A node whose heartbeat is old is not lost in the moment in which the loops begin to watch."""
    run(deck, agent)
    deck.client.zadd(deck.keys.heartbeats, {"node-1": 1})
    deck.client.hset(deck.keys.loops, "since", deck.now_ms())
    assert (lose(deck), task_of(deck).state) == (0, State.RUNNING)


def test_a_lost_node_loses_its_own_tasks_only(deck: LoopStore, agent: AgentStore) -> None:
    """What has moved on since the list was read, and what is removed, is let alone."""
    run(deck, agent)
    end(agent, release=True)
    assert assign(deck, node="node-2").placed
    run(deck, agent, 1)
    deck.remove(task_of(deck, 1), force=True)
    deck.client.sadd(deck.keys.node_tasks("node-1"), IDS[0])
    silence(deck)
    assert lose(deck) == 0
    assert (task_of(deck).node, task_of(deck).state) == ("node-2", State.SCHEDULED)
    assert task_of(deck, 1).wanted is Wanted.REMOVED


@pytest.mark.parametrize("how", ["heard of", "to be stopped"])
def test_a_start_that_is_heard_of_or_unwanted_is_not_moved(deck: LoopStore, agent: AgentStore, how: str) -> None:
    """Only what its agent is silent about, and what somebody still wants, is started elsewhere."""
    submit(deck)
    assert assign(deck).placed
    if how == "to be stopped":
        deck.client.zadd(deck.keys.scheduled, {IDS[0]: 1})
        deck.stop(task_of(deck))
    assert deck.unstall([IDS[0]], age_ms=60_000) == []
    assert task_of(deck).node == "node-1"


def test_a_ready_node_with_tasks_is_not_forgotten(deck: LoopStore, agent: AgentStore) -> None:
    """Whoever wants it gone drains it first, also if what it has only waits there for its next try."""
    run(deck, agent)
    end(agent, release=False)
    with pytest.raises(StillRunning):
        deck.forget_node("node-1")
    assert deck.node("node-1").tasks == 1


def test_why_a_task_waits_is_told_of_what_waits(deck: LoopStore, agent: AgentStore) -> None:
    """A scheduler that found no room a moment ago says nothing of a task that runs by now."""
    task = run(deck, agent)
    why = Reason(Code.FIT_CPU, "Needs 9 cpu.")
    assert not deck.defer([Wait(task.id, 1, why, "later", 1000)])
    assert (task_of(deck).reason, deck.client.zcard(deck.keys.pending)) == (None, 0)
