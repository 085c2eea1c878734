"""Submitting, placing and the loops, on a real Redis, with nodes that only exist in it."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable

import pytest

from manager_api import submission
from manager_api.control.loops import Loops
from manager_api.planning import plan
from manager_api.submission import Deck
from ormen.errors import IdTaken, NameTaken, StoreUnavailable
from ormen.node import NodeState, Resources
from ormen.policy import Policy
from ormen.reasons import Code, Reason
from ormen.ringer import Ringer
from ormen.schema import Item, load_submission
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Heartbeat, NodeCard, Report
from ormen.store.loops import LoopStore
from ormen.store.scripts import BATCH
from ormen.task import State, Task, Wanted

GIB = 1024**3
Submit = Callable[..., list[Task]]


@pytest.fixture
def deck(settings: Settings) -> Deck:
    """A deck without its processes."""
    store = LoopStore.connect(settings, "deck")
    return Deck(store, Ringer(store), settings, Policy(()))


@pytest.fixture
def agent(settings: Settings) -> AgentStore:
    """The store as agents see it."""
    return AgentStore.connect(settings, "agent")


@pytest.fixture
def loops(deck: Deck, settings: Settings) -> Loops:
    """The control worker's loops, run by hand."""
    assert isinstance(deck.store, LoopStore)
    return Loops(deck.store, deck.ringer, settings)


def join(agent: AgentStore, name: str = "node-1", engine: str | None = None) -> None:
    """Let a node of 4 cores and 4 GiB become ready."""
    room = Resources(4000, 4 * GIB, 0)
    card = NodeCard(name, "i", "10.0.0.1", "", engine or f"engine-of-{name}", "24", "linux", "amd64", "0", {}, room)
    agent.join(card)
    agent.synced(name, "i", orphans=[])


def items(*specs: dict[str, object]) -> tuple[Item, ...]:
    """Read specs as the API does."""
    return load_submission(list(specs), policy=Policy(()), new_id=lambda: str(uuid.uuid4())).items


def silence(deck: Deck, node: str) -> None:
    """Make a node's last heartbeat very old, and liveness's watch older."""
    deck.store.client.zadd(deck.store.keys.heartbeats, {node: 1})
    deck.store.client.hset(deck.store.keys.loops, mapping={"since": 1, "liveness:began": deck.store.now_ms() - 1500})


def test_the_answer_to_a_submission_names_the_node(deck: Deck, agent: AgentStore) -> None:
    """A task that fits is scheduled in the request itself, with its reason for the node, and its agent is rung."""
    join(agent)
    task = submission.submit(deck, items({"image": "nginx", "name": "web", "ports": [{"container": 80}]}))[0]
    assert (task.state, task.node, task.attempt) == (State.SCHEDULED, "node-1", 1)
    assert 20000 <= task.ports[0].host < 30000
    assert task.placement is not None
    assert task.placement["fitted"] == 1
    assert deck.store.queue_lengths(["node.node-1"]) == {"node.node-1": 1}


def test_the_answer_to_a_submission_is_what_is_stored(deck: Deck, agent: AgentStore) -> None:
    """The records of new tasks are told without being read again, over several scripts too, as a reader gets them."""
    join(agent), join(agent, "node-2")
    plain: dict[str, object] = {"image": "x", "cpu": 0.01, "memory": "8MiB"}
    more: dict[str, object] = {"ports": [{"container": 80}], "deadline": {"wait": "1h"}, "far": "b", "priority": 70}
    listed = items(*(plain for _ in range(BATCH)), plain | more, plain | {"cpu": 99})
    told = submission.submit(deck, listed)
    assert [task.state for task in told] == [*[State.SCHEDULED] * (BATCH + 1), State.PENDING]
    assert {task.id: task for task in told} == deck.store.read([item.id for item in listed])


def test_tasks_that_differ_in_id_and_name_only_have_one_spec(deck: Deck) -> None:
    """A spec is stored once for them, each is shown its own as it was sent, and the last takes it along."""
    first, other = str(uuid.uuid4()), str(uuid.uuid4())
    named = [{"id": first, "image": "nginx", "name": "one"}, {"name": "two", "id": other, "image": "nginx"}]
    bare = [{"image": "nginx"}, {"image": "nginx", "name": None}, {"image": "nginx"}]
    odd = [{"id": str(uuid.uuid4()).upper(), "image": "nginx"}, {"image": "nginx", "name": "many", "count": 2}]
    sent = [*named, *bare, *odd, odd[1]]
    made = submission.submit(deck, items(*named, *bare, *odd))
    stored = deck.store.read([task.id for task in made])
    assert [task.spec for task in made] == [task.spec for task in stored.values() if task]
    assert [task.spec for task in made] == [*named, *[bare[0]] * 3, *sent[5:]]
    assert len(deck.store.client.keys(deck.store.keys.spec("*"))) == 4
    for task in made:
        submission.remove(deck, task, force=True)
    assert deck.store.client.keys(deck.store.keys.spec("*")) == []


def test_what_fits_nowhere_waits_and_says_why(deck: Deck, agent: AgentStore) -> None:
    """A task without room is accepted, pending, and names amount and node."""
    join(agent)
    task = submission.submit(deck, items({"image": "x", "memory": "40GiB"}))[0]
    assert task.state is State.PENDING
    assert task.reason is not None
    assert task.reason.code is Code.FIT_MEMORY
    assert "40 GiB" in task.reason.sentence
    assert "4 GiB" in task.reason.sentence


def test_a_hundred_racing_submits_fill_ten_places_exactly(deck: Deck, agent: AgentStore) -> None:
    """A hundred submits from ten threads for room for ten: ten are placed, ninety wait, nothing is over."""
    join(agent, "node-1"), join(agent, "node-2"), join(agent, "node-3")

    def ten() -> None:
        for _ in range(10):
            submission.submit(deck, items({"image": "x", "cpu": 1.2, "memory": "8MiB"}))

    threads = [threading.Thread(target=ten) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    counts = deck.store.counts()
    assert (counts[State.SCHEDULED], counts[State.PENDING]) == (9, 91)
    assert all(node.reserved.cpu_milli == 3600 for node in deck.store.nodes())


def test_one_more_place_is_taken_when_room_is_freed(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """What waits for room starts by itself once something is stopped."""
    join(agent)
    first, second = submission.submit(deck, items({"image": "x", "cpu": 4}, {"image": "y", "cpu": 4}))
    assert second.state is State.PENDING
    submission.stop(deck, first)
    agent.report(Report(first.id, "node-1", 1, State.COMPLETED, Reason(Code.STOPPED, "x"), release=True))
    loops.place(())
    now = deck.store.task(second.id)
    assert now is not None
    assert now.state is State.SCHEDULED


def test_the_same_submission_twice_is_one_task(deck: Deck, agent: AgentStore) -> None:
    """Posting the same ids and content again answers with the tasks as they are now."""
    join(agent)
    once = items({"id": str(uuid.uuid4()), "image": "x", "memory": "512MiB"})
    first = submission.submit(deck, once)
    again = submission.submit(deck, items({"id": first[0].id, "image": "x", "memory": 536870912}))
    assert again[0].id == first[0].id
    assert sum(deck.store.counts().values()) == 1


@pytest.mark.parametrize("amount", [1, 150])
def test_an_emptied_redis_is_another_cluster_at_once(deck: Deck, amount: int) -> None:
    """A deck that knew the cluster before makes no container's name of it, whether of one task or of a list."""
    submission.submit(deck, items({"image": "x"}))
    deck.store.client.flushall()
    tasks = submission.submit(deck, items({"image": "x", "name": "web", "count": amount}))
    cluster = deck.store.cluster()
    hashes = [hashlib.sha256(f"{cluster} {task.id}".encode()).hexdigest()[:10] for task in tasks]
    assert [task.container_name for task in tasks] == [
        f"{task.name}.{end}" for task, end in zip(tasks, hashes, strict=True)
    ]
    assert len(tasks) == sum(deck.store.counts().values()) == amount


def test_two_tasks_of_one_name_are_refused(deck: Deck) -> None:
    """A name belongs to one live task; the refusal says whose it is."""
    submission.submit(deck, items({"image": "x", "name": "web"}))
    with pytest.raises(NameTaken, match="the name web is taken by task"):
        submission.submit(deck, items({"image": "x", "name": "web"}))


@pytest.mark.parametrize("ask", [submission.submit, plan])
def test_all_that_is_taken_is_told_at_once(deck: Deck, ask: Callable[..., object]) -> None:
    """Each name with whose it is and each id; beyond ten a number, and of a list of batches nothing twice."""
    there = submission.submit(deck, items({"image": "x", "name": "web", "count": 12}))
    again: list[dict[str, object]] = [{"image": "y", "id": there[0].id, "name": "other"}]
    again += [{"image": "x", "name": f"web-{number}"} for number in range(2, 13)]
    again += [{"image": "x", "name": f"free-{number}"} for number in range(100)]
    with pytest.raises(IdTaken) as refused:
        ask(deck, items(*again))
    sentences = refused.value.sentence.split("; ")
    assert sentences[0] == f"the id {there[0].id} is known with other content"
    assert sentences[1] == f"the name web-2 is taken by task {there[1].id[:8]} (pending)"
    assert (len(sentences), sentences[-1]) == (11, "and 2 more")
    taken = refused.value.extra["taken"]
    assert isinstance(taken, list)
    assert [item["task"] for item in taken] == [task.id for task in there]
    assert sum(deck.store.counts().values()) == 12


def test_what_went_down_with_the_cluster_waits_for_its_own_node(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """While a cluster comes up, its first node is not given the tasks of all the others."""
    join(agent, "node-1")
    task = submission.submit(deck, items({"image": "x"}))[0]
    agent.take("node-1", "i")
    agent.report(Report(task.id, "node-1", 1, State.PENDING, Reason(Code.CLUSTER_DOWN, "x"), release=True))
    agent.leave("node-1", "i")
    join(agent, "node-2")
    loops.place([task.id])
    assert state_of(deck, task) == (State.PENDING, "node-1")
    loops.liveness()
    deck.store.client.hset(deck.store.keys.loops, "since", deck.store.now_ms() - 11_000)
    loops.place([task.id])
    assert state_of(deck, task) == (State.SCHEDULED, "node-2")


def state_of(deck: Deck, task: Task) -> tuple[State, str | None]:
    """Return a task's state and node as they are now."""
    now = deck.store.task(task.id)
    assert now is not None
    return now.state, now.node


def test_a_default_name_that_is_taken_grows(deck: Deck) -> None:
    """Nobody chose a default name, so a second one that would be the same gets more digits of its id."""
    first = submission.submit(deck, items({"image": "x", "id": "7f3c0000-0000-4000-8000-000000000001"}))[0]
    second = submission.submit(deck, items({"image": "x", "id": "7f3c1111-0000-4000-8000-000000000002"}))[0]
    assert (first.name, second.name) == ("x-7f3c", "x-7f3c1111")


def test_default_names_of_a_crowd_are_longer_from_the_start(deck: Deck) -> None:
    """Four digits of a thousand ids are likely taken, and the whole list would be stored twice for it."""
    told = submission.submit(deck, items(*({"image": "x"} for _ in range(submission.CROWD + 1))))
    assert {len(task.name) for task in told} == {len("x-12345678")}
    counted = submission.submit(deck, items({"image": "x", "count": submission.CROWD + 1}))
    assert {len(task.name.rpartition("-")[0]) for task in counted} == {len("x-1234")}


def test_liveness_moves_the_tasks_of_a_silent_node(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A node that is silent beyond its limit is lost, and its tasks run elsewhere with the reason on record."""
    join(agent, "node-1")
    task = submission.submit(deck, items({"image": "x"}))[0]
    join(agent, "node-2")
    silence(deck, "node-1")
    loops.liveness()
    now = deck.store.task(task.id)
    assert now is not None
    assert (now.node, now.attempt, now.state) == ("node-2", 2, State.SCHEDULED)
    first = now.attempts[0]
    assert first.reason is not None
    assert first.reason.code is Code.NODE_LOST
    assert "node-1" in first.reason.sentence
    assert deck.store.node("node-1").state is NodeState.LOST
    assert "node.lost" in [event.type for event in deck.store.events(node="node-1")]


def test_a_gap_in_the_watch_judges_nobody(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """When liveness itself was away, every node's silence is counted anew."""
    join(agent)
    deck.store.client.zadd(deck.store.keys.heartbeats, {"node-1": deck.store.now_ms() - 60_000})
    loops.liveness()
    assert deck.store.node("node-1").state is NodeState.READY


def test_reschedule_places_what_its_request_could_not(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A task whose next try is due is placed by the loop."""
    task = submission.submit(deck, items({"image": "x"}))[0]
    assert task.reason is not None
    assert task.reason.code is Code.NO_NODES
    join(agent)
    deck.store.client.zadd(deck.store.keys.pending, {task.id: 1})
    loops.reschedule()
    now = deck.store.task(task.id)
    assert now is not None
    assert now.state is State.SCHEDULED


def test_reschedule_leaves_alone_what_is_not_due(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A task that waits for room is not looked at before its time unless room was freed: looking costs a placement."""
    join(agent)
    task = submission.submit(deck, items({"image": "x", "memory": "40GiB"}))[0]
    loops.reschedule()
    now = deck.store.task(task.id)
    assert now is not None
    assert now.revision == task.revision


def test_round_robin_goes_on_from_request_to_request(deck: Deck, agent: AgentStore) -> None:
    """Tasks submitted one by one go round all nodes, whichever process placed the one before."""
    join(agent, "node-1"), join(agent, "node-2"), join(agent, "node-3")
    spec = {"image": "x", "strategy": "roundrobin"}
    chosen = [submission.submit(deck, items(spec))[0].node for _ in range(6)]
    assert sorted(chosen[:3]) == sorted(chosen[3:]) == ["node-1", "node-2", "node-3"]


def test_a_start_of_which_nothing_is_heard_goes_elsewhere(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A scheduled task without a sign for a minute is placed on another node, with START_STALLED on record."""
    join(agent, "node-1")
    task = submission.submit(deck, items({"image": "x"}))[0]
    join(agent, "node-2")
    deck.store.client.zadd(deck.store.keys.scheduled, {task.id: deck.store.now_ms() - 61_000})
    loops.reschedule()
    now = deck.store.task(task.id)
    assert now is not None
    assert (now.node, now.attempt) == ("node-2", 2)
    assert now.attempts[0].reason is not None
    assert now.attempts[0].reason.code is Code.START_STALLED


def test_health_looks_into_a_check_that_is_overdue(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A running task whose check nobody has made for too long is put before its agent again, and no other."""
    join(agent), join(agent, "node-2")
    check: dict[str, object] = {"image": "x", "strategy": "roundrobin", "health": {"tcp": 80, "interval": 1}}
    made = submission.submit(deck, items(*[check] * 4, {"image": "x"}, {"image": "x", "health": None}))
    for node in ("node-1", "node-2"):
        agent.take(node, "i")
    for task in made:
        agent.report(Report(task.id, str(task.node), 1, State.RUNNING, container_id="c"))
        deck.store.client.hset(deck.store.keys.task(task.id), "started", deck.store.now_ms() - 25_000)
    for told in made[2:4]:
        deck.store.client.hset(deck.store.keys.probes(str(told.node)), told.id, deck.store.now_ms())
    loops.health()
    again = [found.id for node in ("node-1", "node-2") for found in agent.take(node, "i").tasks]
    assert sorted(again) == sorted(task.id for task in made[:2])


def test_cleanup_reports_a_reservation_that_does_not_add_up(
    deck: Deck, agent: AgentStore, loops: Loops, caplog: pytest.LogCaptureFixture
) -> None:
    """What a node's tasks hold is counted anew; a difference to its record is a fault that is said."""
    join(agent)
    task = submission.submit(deck, items({"image": "x"}))[0]
    deck.store.client.hset(deck.store.keys.task(task.id), "need", "7 7 7")
    loops.cleanup()
    assert "node-1: its tasks hold (7, 7, 7, 1)" in caplog.text


def test_many_tasks_of_several_nodes_are_counted_together(
    deck: Deck, agent: AgentStore, loops: Loops, caplog: pytest.LogCaptureFixture
) -> None:
    """What nodes hold is summed over as many scripts as it takes, each node apart, and cleanup finds no fault."""
    join(agent), join(agent, "node-2"), join(agent, "node-3")
    spec: dict[str, object] = {"image": "x", "cpu": 0.01, "memory": "8MiB", "strategy": "roundrobin"}
    submission.submit(deck, items(*[spec] * (BATCH + BATCH // 2), {**spec, "cpu": 0.02}))
    assert isinstance(deck.store, LoopStore)
    says = {node.name: (node.reserved, node.tasks) for node in deck.store.nodes()}
    held = deck.store.held_by([*says])
    assert {name: (Resources(*amounts), tasks) for name, (*amounts, tasks) in held.items()} == says
    assert sum(tasks for *_, tasks in held.values()) == BATCH + BATCH // 2 + 1
    loops.cleanup()
    assert "its tasks hold" not in caplog.text


def test_a_loop_runs_once_per_interval(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """Two decks tick twice; the second tick within an interval returns at once."""
    assert isinstance(deck.store, LoopStore)
    assert deck.store.begin("health", interval_ms=5000).run
    assert not deck.store.begin("health", interval_ms=5000).run
    loops.health()
    assert "health" not in deck.store.loops()


def test_draining_asks_each_task_to_leave(deck: Deck, agent: AgentStore) -> None:
    """A draining node gets nothing new, and each of its tasks is asked to end its attempt there."""
    join(agent, "node-1")
    task = submission.submit(deck, items({"image": "x"}))[0]
    assert submission.drain(deck, "node-1", by="ann", why="kernel").state is NodeState.DRAINING
    now = deck.store.task(task.id)
    assert now is not None
    assert (now.restart, now.restart_code) == (1, Code.NODE_DRAINING)
    assert submission.submit(deck, items({"image": "x"}))[0].state is State.PENDING


def test_a_stop_on_a_lost_node_ends_unseen(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A stop that no agent can confirm is completed with STOPPED_UNSEEN, and the agent still hears of it."""
    join(agent)
    task = submission.submit(deck, items({"image": "x"}))[0]
    assert submission.stop(deck, task).wanted is Wanted.STOPPED
    silence(deck, "node-1")
    loops.liveness()
    now = deck.store.task(task.id)
    assert now is not None
    assert now.reason is not None
    assert (now.state, now.reason.code) == (State.COMPLETED, Code.STOPPED_UNSEEN)
    assert [held.id for held in agent.held("node-1")] == [task.id]


def test_redis_away_names_the_task_to_repeat(settings: Settings, deck: Deck) -> None:
    """Without Redis a submission fails with the place, and the id by which it can safely be repeated."""
    from dataclasses import replace

    away = replace(settings, redis_url="redis://127.0.0.1:1/0")
    lone = Deck(LoopStore.connect(away, "deck"), deck.ringer, away, Policy(()))
    wanted = items({"image": "x"})
    with pytest.raises(StoreUnavailable, match=r"Redis at 127.0.0.1:1 refuses connections") as caught:
        submission.submit(lone, wanted)
    assert caught.value.extra["task"] == wanted[0].id


def test_a_heartbeat_ends_a_suspicion(deck: Deck, agent: AgentStore, loops: Loops) -> None:
    """A node is told suspect once, and ready again once it speaks."""
    join(agent)
    now = deck.store.now_ms()
    deck.store.client.zadd(deck.store.keys.heartbeats, {"node-1": now - 4000})
    deck.store.client.hset(deck.store.keys.loops, mapping={"since": 1, "liveness:began": now - 1500})
    loops.liveness()
    agent.heartbeat(Heartbeat("node-1", "i", deck.store.cluster(), Resources(), 0.0))
    deck.store.client.hset(deck.store.keys.loops, "liveness:began", deck.store.now_ms() - 1500)
    loops.liveness()
    told = [event.type for event in deck.store.events(node="node-1")]
    assert told[-2:] == ["node.suspect", "node.ready"]
