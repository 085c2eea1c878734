"""The verbs of the store, on a real server: what each writes, refuses and tells."""

from __future__ import annotations

import pytest

from ormen import messages
from ormen.errors import IdTaken, NameTaken, NodeTaken, StillRunning
from ormen.node import NodeState, Resources
from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Heartbeat, NodeCard, Remark, Report
from ormen.store.loops import LoopStore
from ormen.store.orders import Assigned, Assignment, NewTask
from ormen.task import Port, State, Task, Wanted

GIB = 1024**3
NEED = Resources(1000, GIB, 0)
CHOSEN = {"strategy": "epvm", "cost": 0.32, "fitted": 2, "next": [{"node": "node-2", "cost": 0.35}]}
IDS = [f"7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7{n:02x}" for n in range(256)]


@pytest.fixture
def agent(settings: Settings) -> AgentStore:
    """The agent's side, before it has joined."""
    return AgentStore.connect(settings, "test-agent")


def card(name: str = "node-1", engine: str = "engine-1", instance: str = "i1") -> NodeCard:
    """A node with 4 cores and 4 GiB."""
    capacity = Resources(4000, 4 * GIB, 100 * GIB)
    return NodeCard(
        name, instance, "10.0.0.1", "http://127.0.0.1:5556", engine, "24", "linux", "amd64", "0", {}, capacity
    )


def ready(agent: AgentStore, name: str = "node-1", engine: str = "engine-1") -> None:
    """Let a node join and report its first complete pass."""
    agent.join(card(name, engine))
    agent.synced(name, "i1", orphans=[])


def new(number: int, name: str | None = None, digest: str = "d") -> NewTask:
    """A task to be stored."""
    task_id = IDS[number]
    return NewTask(task_id, name or f"web-{number}", "spec-1", digest, f"c-{number}", NEED, pin_id="pin-1")


def submit(deck: LoopStore, number: int = 0) -> Task:
    """Store one task and return it."""
    deck.create([new(number)], {"spec-1": {"image": "nginx"}})
    task = deck.task(IDS[number])
    assert task is not None
    return task


def assign(deck: LoopStore, number: int = 0, node: str = "node-1", ports: tuple[Port, ...] = ()) -> Assigned:
    """Ask to give a task to a node."""
    return deck.assign([Assignment(IDS[number], node, "10.0.0.1", ports, CHOSEN, "placed")])[0]


def run(deck: LoopStore, agent: AgentStore, number: int = 0) -> Task:
    """Bring a task to running on node-1."""
    submit(deck, number)
    assert assign(deck, number).placed
    agent.take("node-1", "i1")
    outcome = agent.report(Report(IDS[number], "node-1", 1, State.RUNNING, container_id="c" * 64))
    assert outcome.accepted
    assert outcome.task is not None
    return outcome.task


def silence(deck: LoopStore, node: str = "node-1") -> None:
    """Let the node have been silent since ever."""
    deck.client.zadd(deck.keys.heartbeats, {node: 1})
    deck.client.hset(deck.keys.loops, "since", 1)


def lose(deck: LoopStore, node: str = "node-1") -> int:
    """Judge the node as liveness does."""
    return deck.lose(node, silent_s=9, code=Code.NODE_LOST, text="Lost.", useless_ms=60_000)


def test_a_stored_task_is_pending_and_found_by_name_id_and_prefix(deck: LoopStore) -> None:
    """A stored task waits, and any of its words finds it."""
    task = submit(deck)
    assert task.state is State.PENDING
    assert deck.find("web-0") == deck.find(task.id) == deck.find(task.id[:8]) == task
    assert deck.tasks()[0] == [task]
    assert deck.counts()[State.PENDING] == 1


def test_the_same_id_is_the_same_task_only_with_the_same_content(deck: LoopStore) -> None:
    """Posting an id twice is one task; with other content it is a conflict that names the id."""
    submit(deck)
    assert deck.create([new(0)], {"spec-1": {}}).known == {IDS[0]}
    with pytest.raises(IdTaken, match=IDS[0]):
        deck.create([new(0, digest="other")], {"spec-1": {}})
    assert deck.counts()[State.PENDING] == 1


def test_a_list_with_one_taken_name_stores_nothing(deck: LoopStore) -> None:
    """A list is stored whole or not at all, also beyond one script's batch."""
    submit(deck)
    many = [new(number) for number in range(1, 150)] + [new(200, name="web-0")]
    with pytest.raises(NameTaken, match="web-0 is taken by task 7f3c2a10"):
        deck.create(many, {"spec-1": {}})
    assert sum(deck.counts().values()) == 1


def test_an_assignment_reserves_and_rings_once(deck: LoopStore, agent: AgentStore) -> None:
    """Assigning takes room from the node, and rings it once while its inbox is not empty."""
    ready(agent)
    submit(deck, 0), submit(deck, 1)
    first, second = assign(deck, 0), assign(deck, 1)
    assert (first.code, second.code, first.unrung) == ("OK", "OK", ())
    assert deck.client.llen(messages.node_queue("node-1")) == 1
    node = deck.node("node-1")
    assert (node.reserved, node.tasks) == (NEED + NEED, 2)
    taken = agent.take("node-1", "i1")
    assert [task.id for task in taken.tasks] == [IDS[0], IDS[1]]
    assert taken.tasks[0].spec == {"image": "nginx"}
    assert assign(deck, 0).code == "STATE"


def test_an_attempt_is_received_once(deck: LoopStore, agent: AgentStore) -> None:
    """Who empties the inbox has in hand what is to start, and that is told, however often the node is rung for it."""
    ready(agent)
    submit(deck)
    assign(deck)
    (first,) = agent.take("node-1", "i1").tasks
    deck.client.rpush(deck.keys.inbox("node-1"), first.id)
    (again,) = agent.take("node-1", "i1").tasks
    assert (first.received, again) == (True, first)
    assert [event.type for event in deck.events(task=first.id)][2:] == ["task.received"]


def test_a_full_node_is_refused(deck: LoopStore, agent: AgentStore) -> None:
    """The fifth task of 1 GiB does not go onto a node of 4 GiB, whoever asks."""
    ready(agent)
    for number in range(5):
        submit(deck, number)
    assert [assign(deck, number).code for number in range(5)] == ["OK"] * 4 + ["FIT"]


def test_a_host_port_is_given_once_per_engine(deck: LoopStore, agent: AgentStore) -> None:
    """Two nodes on one engine share its ports; a wildcard bind takes them all, another engine has its own."""
    ready(agent, "node-1"), ready(agent, "node-2"), ready(agent, "node-3", "engine-2")
    for number in range(4):
        submit(deck, number)
    one, any_bind = (Port(80, 8080, "tcp", "10.0.0.1"),), (Port(80, 8080),)
    assert assign(deck, 0, "node-1", one).code == "OK"
    assert assign(deck, 1, "node-2", any_bind).code == "PORT"
    assert assign(deck, 2, "node-2", (Port(80, 8080, "tcp", "10.0.0.2"),)).code == "OK"
    assert assign(deck, 3, "node-3", any_bind).code == "OK"
    assert deck.node_ports(deck.node("node-3")) == {"8080/tcp": "web-3"}


def test_a_node_that_has_not_synced_gets_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """Until its first complete pass over Docker a node is given no task."""
    agent.join(card())
    submit(deck)
    assert assign(deck).code == "NODE"


def test_a_running_task_has_a_start_and_its_end_gives_all_back(deck: LoopStore, agent: AgentStore) -> None:
    """Running and completing are one write each: times, history, reservation, name and event."""
    ready(agent)
    task = run(deck, agent)
    assert task.state is State.RUNNING
    assert task.started_ms is not None
    done = agent.report(Report(task.id, "node-1", 1, State.COMPLETED, exit_code=0, release=True, log_tail=["bye"])).task
    assert done is not None
    assert (done.state, done.exit_code, done.attempts[-1].log_tail) == (State.COMPLETED, 0, ("bye",))
    assert deck.node("node-1").reserved == Resources()
    assert [event.type for event in deck.events(task=task.id)] == [
        "task.accepted",
        "task.placed",
        "task.received",
        "task.running",
        "task.completed",
    ]
    assert deck.find("web-0").id == task.id


def test_late_news_changes_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """A report of another attempt or another node is refused and leaves the record as it is."""
    ready(agent)
    task = run(deck, agent)
    for late in (Report(task.id, "node-1", 2, State.FAILED), Report(task.id, "node-2", 1, State.FAILED)):
        assert not agent.report(late).accepted
    assert not agent.note(Remark(task.id, "node-9", 1, event="task.pulling"))
    assert deck.task(task.id) == task


def test_a_placement_without_ports_leaves_none_of_the_last(deck: LoopStore, agent: AgentStore) -> None:
    """Ports are those of this attempt; a record without any has no list of them, also once its agent has reported."""
    ready(agent)
    submit(deck)
    assert assign(deck, ports=(Port(80, 8080),)).placed
    agent.report(Report(IDS[0], "node-1", 1, State.PENDING, Reason(Code.EXIT, "x"), release=True))
    assert assign(deck).placed
    agent.report(Report(IDS[0], "node-1", 2, State.RUNNING, container_id="c" * 64, ports=()))
    task = deck.task(IDS[0])
    assert task is not None
    assert (task.ports, task.gpus, deck.taken_ports(["engine-1"])) == ((), (), {"engine-1": {}})
    assert not {"ports", "gpus"} & deck.client.hgetall(deck.keys.task(IDS[0])).keys()


def test_a_crash_waits_out_its_back_off_in_its_seat(deck: LoopStore, agent: AgentStore) -> None:
    """A crashed task is pending with its next time and keeps its room on the node until it is placed again."""
    ready(agent)
    task = run(deck, agent)
    reason = Reason(Code.EXIT, "Exited with code 1.")
    news = Report(task.id, "node-1", 1, State.PENDING, reason, exit_code=1, spends=True, delay_ms=60_000, delays=2)
    waiting = agent.report(news).task
    assert waiting is not None
    assert (waiting.state, waiting.tries, waiting.delays, waiting.seat) == (State.PENDING, 1, 2, "node-1")
    assert waiting.next_try_ms is not None
    assert waiting.next_try_ms - deck.now_ms() > 50_000
    assert deck.node("node-1").reserved == NEED
    assert assign(deck).placed
    assert deck.node("node-1").reserved == NEED


def test_an_exit_before_the_start_was_reported_makes_both_transitions(deck: LoopStore, agent: AgentStore) -> None:
    """A container that ended at once has both its start and its end as events, in order."""
    ready(agent)
    submit(deck), assign(deck)
    news = Report(IDS[0], "node-1", 1, State.COMPLETED, exit_code=0, release=True, also_started="c-0 started")
    assert agent.report(news).accepted
    assert [e.type for e in deck.events(task=IDS[0])][-2:] == ["task.running", "task.completed"]


def test_a_stop_of_a_waiting_task_ends_it_at_once(deck: LoopStore) -> None:
    """What has no container is completed by the stop itself, and its name is free."""
    task = submit(deck)
    assert deck.stop(task).state is State.COMPLETED
    deck.create([new(1, name="web-0")], {"spec-1": {}})


def test_an_exit_while_a_stop_is_wanted_completes(deck: LoopStore, agent: AgentStore) -> None:
    """A container that dies while its stop is wanted is stopped, not restarted."""
    ready(agent)
    task = run(deck, agent)
    assert deck.stop(task).ring == ("node-1",)
    outcome = agent.report(Report(task.id, "node-1", 1, State.PENDING, Reason(Code.EXIT, "x"), release=True)).task
    assert outcome is not None
    assert outcome.state is State.COMPLETED
    assert outcome.reason is not None
    assert outcome.reason.code is Code.STOPPED


def test_a_removed_task_leaves_a_tombstone_until_its_agent_confirms(deck: LoopStore, agent: AgentStore) -> None:
    """Absence is never an order: the record says removed until the agent has said that nothing is left."""
    ready(agent)
    task = run(deck, agent)
    with pytest.raises(StillRunning):
        deck.remove(task, force=False)
    deck.remove(task, force=True)
    assert deck.task(task.id) is None
    tomb = agent.read([task.id])[task.id]
    assert tomb is not None
    assert tomb.wanted is Wanted.REMOVED
    assert deck.node("node-1").reserved == NEED
    agent.confirm(task.id, node="node-1")
    assert agent.read([task.id])[task.id] is None
    assert deck.node("node-1").reserved == Resources()
    assert not [*deck.client.scan_iter(deck.keys.spec("*")), *deck.client.scan_iter(deck.keys.pin("*"))]


def test_an_ended_task_starts_again(deck: LoopStore, agent: AgentStore) -> None:
    """A restart of an ended task makes it pending and due now, under its old name."""
    ready(agent)
    task = run(deck, agent)
    agent.report(Report(task.id, "node-1", 1, State.FAILED, Reason(Code.EXIT, "x"), release=True))
    assert deck.restart(task).due
    again = deck.task(task.id)
    assert again is not None
    assert (again.state, again.wanted, again.tries) == (State.PENDING, Wanted.RUNNING, 0)
    assert assign(deck).placed


def test_a_living_name_is_refused_to_another_engine(agent: AgentStore) -> None:
    """While a node's heartbeat is young, an agent on another engine cannot take its name; the same engine can."""
    ready(agent)
    with pytest.raises(NodeTaken, match="node-1; heard 0"):
        agent.join(card(engine="engine-2"))
    assert agent.join(card(instance="i2")).known


def beat(instance: str = "i1", cluster: str = "") -> Heartbeat:
    """A heartbeat of node-1."""
    return Heartbeat("node-1", instance, cluster, Resources(), 0.5)


def test_a_replaced_agent_is_told_and_gets_nothing(deck: LoopStore, agent: AgentStore) -> None:
    """The older instance hears that it is replaced, and the inbox is not emptied by it."""
    ready(agent)
    agent.join(card(instance="i2"))
    agent.synced("node-1", "i2", orphans=[])
    submit(deck), assign(deck)
    answer = agent.heartbeat(beat("i1", deck.cluster()))
    assert answer.replaced
    assert agent.take("node-1", "i1").tasks == ()
    assert len(agent.take("node-1", "i2").tasks) == 1


def test_an_emptied_redis_is_another_cluster(deck: LoopStore, agent: AgentStore) -> None:
    """After its keys are gone, Redis does not know the agent, and says so."""
    ready(agent)
    cluster = deck.cluster()
    deck.client.flushall()
    assert not agent.heartbeat(beat("i1", cluster)).known


def test_a_heartbeat_tells_of_the_inbox(deck: LoopStore, agent: AgentStore) -> None:
    """The answer to a heartbeat says that something waits, so a lost ring costs a second."""
    ready(agent)
    submit(deck), assign(deck)
    answer = agent.heartbeat(beat("i1", deck.cluster()))
    assert (answer.known, answer.inbox, answer.resync) == (True, 1, False)


def test_a_lost_node_gives_its_tasks_back(deck: LoopStore, agent: AgentStore) -> None:
    """Taking tasks from a silent node makes them pending with NODE_LOST, and its return needs a new full pass."""
    ready(agent)
    task = run(deck, agent)
    deck.client.zadd(deck.keys.heartbeats, {"node-1": 1})
    deck.client.hset(deck.keys.loops, "since", 1)
    assert deck.node("node-1").state is NodeState.LOST
    assert deck.lose("node-1", silent_s=9, code=Code.NODE_LOST, text="node-1 is lost.", useless_ms=60_000) == 1
    lost = deck.task(task.id)
    assert lost is not None
    assert lost.reason is not None
    assert (lost.state, lost.reason.code, lost.seat) == (State.PENDING, Code.NODE_LOST, None)
    assert deck.node("node-1").reserved == Resources()
    assert agent.heartbeat(beat("i1", deck.cluster())).resync
    assert assign(deck).code == "NODE"


def test_a_young_heartbeat_saves_a_node(deck: LoopStore, agent: AgentStore) -> None:
    """The script reads the age again: a node that spoke just now loses nothing."""
    ready(agent)
    run(deck, agent)
    assert deck.lose("node-1", silent_s=9, code=Code.NODE_LOST, text="x", useless_ms=60_000) == 0


def test_every_key_is_known_or_has_a_time_to_live(deck: LoopStore, agent: AgentStore) -> None:
    """After a task's whole life nothing is left but what keys.py declares to live on."""
    ready(agent)
    task = run(deck, agent)
    deck.remove(task, force=True)
    agent.confirm(task.id, node="node-1"), agent.take("node-1", "i1")
    assert deck.client.lpop(messages.node_queue("node-1"))
    left = {key.removeprefix(deck.settings.prefix) for key in deck.client.keys("*") if deck.client.ttl(key) == -1}
    assert left <= {
        "cluster",
        "counts",
        "events",
        "figures",
        "node:node-1",
        "nodes:view",
        "nodes:facts",
        "nodes:changes",
        "nodes:rev",
        "nodes:heartbeats",
    }


def test_pages_of_tasks_neither_repeat_nor_skip(deck: LoopStore) -> None:
    """Walking the pages yields each task once, newest first, although many share their time of creation."""
    deck.create([new(number) for number in range(25)], {"spec-1": {}})
    seen: list[str] = []
    cursor = None
    while True:
        page, cursor = deck.tasks(limit=10, cursor=cursor)
        seen += [task.id for task in page]
        if cursor is None:
            break
    assert sorted(seen) == sorted(IDS[:25])


def test_followers_get_events_in_order(deck: LoopStore) -> None:
    """Following from an id returns what came after it."""
    submit(deck, 0)
    _, newest = deck.edges()
    submit(deck, 1)
    assert [event.name for event in deck.follow(newest, 100)] == ["web-1"]
    assert deck.follow(deck.edges()[1], 10) == []


def test_what_a_host_uses_is_in_its_view_once_it_matters(deck: LoopStore, agent: AgentStore) -> None:
    """Placing reads what hosts use from one line a node, which changes only by a 64th of what the node has."""
    ready(agent)
    cluster, has = deck.cluster(), deck.nodes()[0].capacity

    def used(memory: int) -> int:
        agent.heartbeat(Heartbeat("node-1", "i1", cluster, Resources(100, memory, 0), 0.5))
        return deck.lean_nodes()[0].used.memory_bytes

    much = has.memory_bytes // 2
    assert used(much) == used(much + has.memory_bytes // 65) == much
    assert used(much + has.memory_bytes // 63) == much + has.memory_bytes // 63
    assert deck.nodes()[0].used.memory_bytes == much + has.memory_bytes // 63
