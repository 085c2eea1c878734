"""What the store must not let happen: minimal examples of what the state machine over it has found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from ormen.image_pin import Pin
from ormen.node import Resources
from ormen.reasons import Code, Reason
from ormen.store.agent import AgentStore, Late, Remark, Report
from ormen.store.loops import LoopStore
from ormen.store.losses import Loss, Word
from ormen.store.orders import Assignment, NewTask, Wait
from ormen.store.scripts import BATCH
from ormen.task import Health, Port, State, Task
from tests.store.test_flow import IDS, assign, beat, card, lose, new, ready, run, silence, submit


def task_of(deck: LoopStore) -> Task:
    """The one task."""
    found = deck.task(IDS[0])
    assert found is not None
    return found


def test_a_crash_that_meets_a_stop_ends_the_task(deck: LoopStore, agent: AgentStore) -> None:
    """An end that would be followed by a back-off in its seat is the stop that was asked for meanwhile."""
    task = run(deck, agent)
    deck.stop(task)
    agent.report(Report(task.id, "node-1", 1, State.PENDING, Reason(Code.EXIT, "x"), delay_ms=1000, delays=1))
    ended = task_of(deck)
    assert (ended.state, ended.reason and ended.reason.code) == (State.COMPLETED, Code.STOPPED)
    assert (ended.seat, deck.node("node-1").reserved) == (None, Resources())


def test_a_lost_node_is_not_forgotten_with_tasks_on_it(deck: LoopStore, agent: AgentStore) -> None:
    """Who forgets a lost node has its tasks taken from it first: nobody would take them later."""
    task = run(deck, agent)
    silence(deck)
    view = deck.client.hget(deck.keys.views, "node-1").split()
    deck.client.hset(deck.keys.views, "node-1", " ".join([*view[:3], "1", *view[4:]]))
    assert deck.run("forget", node="node-1", ids=[task.id], suspect="1", queue=["-"], text="")["code"] == "BUSY"
    deck.forget_node("node-1")
    assert task_of(deck).state is State.PENDING
    assert deck.nodes() == []


def test_a_forgotten_nodes_tombstone_gives_its_ports_back(deck: LoopStore, agent: AgentStore) -> None:
    """What a removed task held on an engine is free once its node is forgotten, since nobody will confirm."""
    submit(deck)
    assert assign(deck, ports=(Port(80, 8080),)).placed
    deck.remove(task_of(deck), force=True)
    silence(deck)
    assert lose(deck) == 0
    deck.forget_node("node-1")
    assert deck.read([IDS[0]]) == {IDS[0]: None}
    assert not deck.client.keys(f"{deck.settings.prefix}engine:*")


def test_a_node_on_another_engine_frees_the_ports_of_the_old_one(deck: LoopStore, agent: AgentStore) -> None:
    """A record gives its ports back to the engine that it took them from."""
    ready(agent, "node-2")
    submit(deck)
    assert assign(deck, ports=(Port(80, 8080),)).placed
    silence(deck)
    agent.join(card(engine="engine-2"))
    agent.report(Report(IDS[0], "node-1", 1, State.PENDING, Reason(Code.INTERRUPTED, "x"), release=True))
    assert deck.taken_ports(["engine-1", "engine-2"]) == {"engine-1": {}, "engine-2": {}}


def test_an_attempt_that_has_ended_is_not_taken_over(deck: LoopStore, agent: AgentStore) -> None:
    """Between the agent's look and its word the node was lost: the container it saw running is not adopted."""
    task = run(deck, agent)
    silence(deck)
    assert lose(deck) == 1
    before = task_of(deck)
    assert not agent.adopt(task, label=3, container_id="e" * 64).accepted
    assert task_of(deck) == before


def test_a_takeover_under_an_older_number_changes_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """Who read the record before its next attempt was assigned takes nothing over; the numbers stay."""
    old = run(deck, agent)
    agent.report(Report(old.id, "node-1", 1, State.PENDING, Reason(Code.INTERRUPTED, "x"), release=True))
    assert assign(deck).placed
    assert not agent.adopt(old, label=7, container_id="c7").accepted
    assert (task_of(deck).attempt, task_of(deck).container_id) == (2, None)


def test_a_tombstone_is_given_to_no_node(deck: LoopStore, agent: AgentStore) -> None:
    """What was removed while it waited, and is kept until a lost node has confirmed, never starts again."""
    run(deck, agent)
    silence(deck)
    assert lose(deck) == 1
    deck.remove(task_of(deck), force=True)
    ready(agent, "node-2", "engine-2")
    assert assign(deck, node="node-2").code == "STATE"
    assert deck.node("node-2").reserved == Resources()


def test_a_remark_about_what_has_ended_changes_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """A check that ends after its attempt makes no completed task healthy, and is no event."""
    task = run(deck, agent)
    agent.report(Report(task.id, "node-1", 1, State.COMPLETED, sentence="done", release=True))
    before = deck.client.xlen(deck.keys.events)
    assert not agent.note(Remark(task.id, "node-1", 1, "task.healthy", "GET / answered 200", health=Health.HEALTHY))
    assert (task_of(deck).health, deck.client.xlen(deck.keys.events)) == (None, before)


def test_nobody_ever_sees_a_part_of_a_list(deck: LoopStore) -> None:
    """A thousand tasks appear at once: a deck that dies while it stores them has stored all of them or none."""
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(1000)]
    many = [NewTask(task_id, f"web-{task_id[:8]}", "spec-1", "d", f"c-{task_id}", Resources()) for task_id in ids]
    stored, seen = Event(), set()
    with ThreadPoolExecutor(1) as reader:

        def read() -> None:
            while not stored.is_set():
                seen.add(deck.client.zcard(deck.keys.pending))

        reading = reader.submit(read)
        deck.create(many, {"spec-1": {}})
        stored.set()
        reading.result()
    assert seen <= {0, 1000}
    assert sum(deck.counts().values()) == 1000


def test_ports_of_a_seat_outlive_their_engine(deck: LoopStore, agent: AgentStore) -> None:
    """An engine that no node has any more may come back: what a record still counts on there is not swept."""
    submit(deck)
    assert assign(deck, ports=(Port(80, 8080),)).placed
    silence(deck)
    agent.join(card(engine="engine-2"))
    assert deck.strays() == ([], ["engine-1"])
    assert deck.sweep([], ["engine-1"]) == 0
    agent.report(Report(IDS[0], "node-1", 1, State.PENDING, Reason(Code.INTERRUPTED, "x"), release=True))
    assert deck.taken_ports(["engine-1"]) == {"engine-1": {}}


def test_news_of_a_removed_task_changes_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """Its tombstone waits for the confirmation alone; a report would put it back among the tasks."""
    task = run(deck, agent)
    deck.remove(task, force=True)
    assert not agent.report(Report(task.id, "node-1", 1, State.COMPLETED, release=True)).accepted
    assert sum(deck.counts().values()) == 0


def test_a_node_that_fell_silent_since_the_look_gets_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """The age of its heartbeat is read again when a task is given to it."""
    submit(deck)
    deck.client.zadd(deck.keys.heartbeats, {"node-1": deck.now_ms() - 4_000})
    assert assign(deck).code == "NODE"


@pytest.mark.parametrize("how", ["in trouble", "draining", "cordoned"])
def test_a_node_that_stopped_taking_tasks_since_the_look_gets_nothing(
    deck: LoopStore, agent: AgentStore, how: str
) -> None:
    """Whatever a scheduler saw a moment ago: a node that is of no use or closed by an admin gets nothing."""
    submit(deck)
    if how == "in trouble":
        trouble = Reason(Code.ENGINE_DOWN, "Docker does not answer.")
        agent.heartbeat(replace(beat("i1", deck.cluster()), trouble=trouble))
    else:
        deck.mark_node("node-1", mode=how, by="ann", why=None)
    assert assign(deck).code == "NODE"
    assert deck.node("node-1").reserved == Resources()


def test_a_heartbeat_for_another_cluster_is_not_heard(deck: LoopStore, agent: AgentStore) -> None:
    """An agent of another Redis may have the name of one of our nodes."""
    deck.cluster()
    assert not agent.heartbeat(beat("i1", "another")).known


def test_a_replaced_agents_pass_makes_no_node_ready(deck: LoopStore, agent: AgentStore) -> None:
    """Only the instance that is the node knows what runs there."""
    agent.join(card(instance="i2"))
    agent.synced("node-1", "i1", orphans=[])
    assert not deck.node("node-1").takes_tasks


def test_a_record_whose_spec_has_gone_is_gone(deck: LoopStore) -> None:
    """A reader that was overtaken by the end of a tombstone finds no task, rather than one without a spec."""
    submit(deck)
    deck.client.delete(deck.keys.spec("spec-1"))
    assert deck.read([IDS[0]]) == {IDS[0]: None}


def test_a_late_look_shortens_no_back_off(deck: LoopStore, agent: AgentStore) -> None:
    """A scheduler that was frozen while the task ran and crashed changes neither its reason nor its pause."""
    task = run(deck, agent)
    crash = Report(task.id, "node-1", 1, State.PENDING, Reason(Code.EXIT, "x"), delay_ms=60_000, delays=7)
    agent.report(crash)
    before = task_of(deck)
    assert not deck.defer([Wait(task.id, 0, Reason(Code.FIT_CPU, "y"), "later", 5000)])
    assert task_of(deck) == before


def says(deck: LoopStore, state: str, text: str, heard_ms: int | None = None) -> bool:
    """Whether it is news that the node is in that state."""
    known = len(deck.events(node="node-1"))
    assert deck.judge([Word("node-1", state, text, heard_ms)]) == 0
    return len(deck.events(node="node-1")) > known


def test_a_late_judge_calls_no_node_suspect(deck: LoopStore, agent: AgentStore) -> None:
    """A silence that was seen before the judge was frozen, and is over, is not told; one that lasts is told once."""
    silence(deck)
    heard = deck.node("node-1").heartbeat_ms
    assert says(deck, "suspect", "Silent.", heard)
    assert not says(deck, "suspect", "Silent.", heard)
    ready(agent)
    assert not says(deck, "suspect", "Silent.", heard)
    assert [event.type for event in deck.events(node="node-1")].count("node.suspect") == 1


def test_a_node_is_called_ready_once_when_it_may_be_given_tasks(deck: LoopStore, agent: AgentStore) -> None:
    """A lost node that speaks again is told ready by its complete pass, not by a judge who looks before that."""
    ready(agent)
    silence(deck)
    assert says(deck, "suspect", "Silent.")
    lose(deck)
    agent.heartbeat(beat(cluster=deck.cluster()))
    assert not says(deck, "ready", "It speaks again.")
    agent.synced("node-1", "i1", orphans=[])
    assert not says(deck, "ready", "It speaks again.")
    told = [event.type for event in deck.events(node="node-1")]
    assert told[-3:] == ["node.suspect", "node.lost", "node.ready"]


def test_no_verdict_is_left_out_and_their_order_is_kept(deck: LoopStore, agent: AgentStore) -> None:
    """More of them than a batch, and more tasks than one on a node; a node that speaks keeps what it has."""
    names = [f"node-{number}" for number in range(1, BATCH + 3)]
    for name in names:
        agent.join(replace(card(name, name.replace("node", "engine")), capacity=Resources(10**6, 2**40, 2**40)))
        agent.synced(name, "i1", orphans=[])
    tasks = [f"t{number}" for number in range(BATCH + 1)]
    deck.create([replace(new(0), id=task, name=task, container_name=f"c-{task}") for task in tasks], {"spec-1": {}})
    assert all(found.placed for found in deck.assign([Assignment(task, "node-1", "", (), {}, "") for task in tasks]))
    silence(deck)
    words: list[Word | Loss] = [Word(name, "suspect", "It hangs.") for name in names]
    losses = [Loss(name, 60, Code.NODE_LOST, "Lost.") for name in names[:2]]
    assert deck.judge([*words, *losses]) == len(tasks)
    said = [
        (event.type, event.node) for event in deck.events(limit=1000) if event.type in ("node.suspect", "node.lost")
    ]
    assert said == [*(("node.suspect", name) for name in names), ("node.lost", "node-1")]


def test_the_first_pin_holds_for_the_whole_submission(deck: LoopStore, agent: AgentStore) -> None:
    """Who comes later hears what holds, also with another spec; only the attempt that is to start may say it."""
    deck.create([new(0), replace(new(1), spec_id="spec-2")], {"spec-1": {"image": "nginx"}, "spec-2": {}})
    assign(deck), assign(deck, 1)
    task, pin = task_of(deck), Pin("sha256:1", "sha256:a")
    assert agent.pin(task, None) is None
    assert agent.pin(task, pin) == agent.pin(task, Pin("sha256:2", "sha256:b")) == pin
    assert [found.pin for found in agent.take("node-1", "i1").tasks] == [pin, pin]
    assert [found and found.pin for found in deck.read(IDS[:2]).values()] == [pin, pin]
    for late in (replace(task, attempt=2), replace(task, node="node-2")):
        with pytest.raises(Late):
            agent.pin(late, None)


def test_a_pin_goes_with_the_last_task_that_has_it(deck: LoopStore, agent: AgentStore) -> None:
    """Until then it holds, whichever task goes first; one whose tag is not resolved has none and leaves it alone."""
    deck.create([new(0), new(1), replace(new(2), pin_id="")], {"spec-1": {"image": "nginx"}})
    assign(deck)
    pin = agent.pin(task_of(deck), Pin("sha256:1", "sha256:a"))
    first, second, own = (task for task in deck.read(IDS[:3]).values() if task is not None)
    deck.remove(first, force=True), agent.confirm(first.id, node="node-1"), deck.remove(own, force=False)
    assert [found and found.pin for found in deck.read(IDS[:3]).values()] == [None, pin, None]
    deck.remove(second, force=False)
    assert not deck.client.keys(deck.keys.pin("*"))


def test_nothing_is_pinned_for_what_is_not_to_start(deck: LoopStore, agent: AgentStore) -> None:
    """A stop is heard before the start, an attempt that runs has its image, and not every tag is to be settled."""
    running = run(deck, agent)
    deck.create([new(1), replace(new(2), pin_id="")], {"spec-1": {"image": "nginx"}})
    assign(deck, 1), assign(deck, 2)
    stopped, own = (task for task in deck.read(IDS[1:3]).values() if task is not None)
    deck.stop(stopped)
    for task in (running, stopped, own):
        with pytest.raises(Late):
            agent.pin(task, Pin("sha256:1", "sha256:a"))
    assert task_of(deck).pin is None
