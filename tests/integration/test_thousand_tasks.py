"""Nothing grows for ever: a thousand tasks that end in every way leave what an exact formula says, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from manager_api import submission
from manager_api.control.loops import Loops
from ormen import messages
from ormen.reasons import Code, Reason
from ormen.schema import load_submission
from ormen.settings import Settings
from ormen.task import ENDED, State, Task
from tests.fundamentals.world import Sailor, World
from tests.key_table import complaints
from worker_agent.runtime import StartRefused

ROUNDS, EACH = 10, 10
KEEP, CONTAINERS = 50, 5
"""How many ended tasks are kept, and how many of their containers a node keeps."""
SAILORS = 3


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """Three nodes with room for a round's tasks."""
    made = World(settings)
    for n in range(SAILORS):
        made.sailor(f"node-{n}", cpus=64, keep_containers=CONTAINERS)
    yield made
    made.close()


def submit(world: World, way: str, number: int) -> list[Task]:
    """Ten tasks of one submission, which let their agents start them; each has a host port and a check."""
    raw = {"name": f"{way}-{number}", "image": "job", "count": EACH, "restart": "no", "memory": "16m"}
    body = {**raw, "ports": [{"container": 80}], "health": {"tcp": 80}}
    items = load_submission(body, policy=world.deck.policy, new_id=lambda: str(uuid4())).items
    return submission.submit(world.deck, items)


def exits(world: World, tasks: Sequence[Task], code: int) -> None:
    """Let the programs end by themselves."""
    for task in tasks:
        sailor_of(world, world.now(task)).engine.exit(task.container_name, code)
    settle(world)


def sailor_of(world: World, task: Task) -> Sailor:
    """The node that has the task."""
    return next(sailor for sailor in world.sailors if sailor.name == task.node)


def settle(world: World) -> None:
    """Let everybody do their part until nobody has anything left to do."""
    for _ in range(3):
        for sailor in world.sailors:
            sailor.look_into_inbox()
            sailor.listen()
        world.hear_rings()


def every(verb: Callable[[submission.Deck, Task], object]) -> Callable[[World, Sequence[Task]], None]:
    """A way to end that asks the deck for each task."""

    def act(world: World, tasks: Sequence[Task]) -> None:
        for task in tasks:
            verb(world.deck, world.now(task))
        settle(world)

    return act


def restarted(world: World, tasks: Sequence[Task]) -> None:
    """Replaced by a second attempt, which completes."""
    every(submission.restart)(world, tasks)
    exits(world, tasks, 0)


def started_again(world: World, tasks: Sequence[Task]) -> None:
    """Failed, started again by hand, completed."""
    exits(world, tasks, 1)
    every(submission.retry)(world, tasks)
    exits(world, tasks, 0)


def lost(world: World, tasks: Sequence[Task]) -> None:
    """One node is lost with what it has, its tasks run elsewhere, and it comes back with its containers."""
    world.silence("node-0")
    world.store.client.hdel(world.store.keys.loops, "liveness:began")
    world.store.client.hset(world.store.keys.loops, "liveness:began", world.store.now_ms() - 1900)
    world.loops.liveness()
    settle(world)
    world.sailors[0].beat()
    world.sailors[0].look_at_everything()
    settle(world)
    exits(world, tasks, 0)


def stopped_on_a_lost_node(world: World, tasks: Sequence[Task]) -> None:
    """Stopped while nobody can say that they have stopped; their node confirms when it is back."""
    name = str(world.now(tasks[0]).node)
    world.silence(name)
    for task in tasks:
        submission.stop(world.deck, world.now(task))
    world.loops.liveness()
    sailor_of(world, world.now(tasks[0])).beat()
    for sailor in world.sailors:
        sailor.look_at_everything()
    settle(world)


def refused(world: World, tasks: Sequence[Task]) -> None:
    """Restarted on a node whose engine refuses the start, and withdrawn while they wait."""
    fault = StartRefused(Reason(Code.PORT_IN_USE, "The port is taken."))
    for sailor in world.sailors:
        sailor.engine.fail("start", fault, times=EACH * 3)
    every(submission.restart)(world, tasks)
    for sailor in world.sailors:
        sailor.engine._faults.clear()
    every(submission.stop)(world, tasks)


WAYS: dict[str, Callable[[World, Sequence[Task]], None]] = {
    "completes": lambda world, tasks: exits(world, tasks, 0),
    "fails": lambda world, tasks: exits(world, tasks, 1),
    "stopped": every(submission.stop),
    "removed": every(lambda deck, task: submission.remove(deck, task, force=True)),
    "restarted": restarted,
    "started-again": started_again,
    "lost": lost,
    "unseen": stopped_on_a_lost_node,
    "refused": refused,
    "goes-on": lambda world, tasks: None,
}


def breathe(world: World) -> None:
    """Let every agent look at its engine, hear from its queue and say that it lives, so that it is given tasks."""
    for sailor in world.sailors:
        now = time.monotonic()
        sailor.agent.sync.step(now)
        sailor.agent.proof.heard(now)
        sailor.beat()


def churn(world: World) -> list[Task]:
    """Run a thousand tasks, ten in each way a round; return the ten that run at the end, having ended the others."""
    running: list[Task] = []
    for number in range(ROUNDS):
        for way, act in WAYS.items():
            breathe(world)
            tasks = submit(world, way, number)
            settle(world)
            act(world, tasks)
            if way == "goes-on":
                every(submission.stop)(world, running)
                running = tasks
    return running


def tidy(world: World) -> None:
    """Let the cleanup loop and each agent do what they do once a minute; the rings have been heard."""
    queues = [messages.CONTROL_QUEUE, *(messages.node_queue(sailor.name) for sailor in world.sailors)]
    world.store.client.hdel(world.store.keys.loops, "cleanup:began")
    Loops(world.store, world.ringer, replace(world.settings, keep_ended=KEEP)).cleanup()
    for _ in range(2):
        for sailor in world.sailors:
            sailor.look_into_inbox()
            sailor.look_at_everything()
    world.store.client.delete(*queues)


def expected_keys(world: World, kept: Sequence[Task], running: Sequence[Task]) -> set[str]:
    """Twelve keys of the cluster, one of the sweep, and those of each state, node, engine and task on record."""
    keys = world.store.keys
    alone = (keys.cluster, keys.ids, keys.names, keys.past, keys.ended, keys.counts, keys.views, keys.changes)
    states = {keys.tasks(task.state.value) for task in (*kept, *running)}
    others = (keys.facts, keys.heartbeats, keys.events, keys.figures, keys.loops, keys.revision, keys.lease("sweep"))
    cluster = {*alone, *others, *states}
    records = {keys.task(task.id) for task in (*kept, *running)}
    # Tasks of one submission share its spec and its pin, which stay for the last of them: the test counts their tasks.
    shared = {key for kind in (keys.spec, keys.pin) for key in world.store.client.scan_iter(kind("*"))}
    nodes = {keys.node(sailor.name) for sailor in world.sailors}
    nodes |= {keys.node_tasks(sailor.name) for sailor in world.sailors if sailor.engine.table}
    nodes |= {keys.probes(sailor.name) for sailor in world.sailors if sailor.agent.probing.ages_s()}
    nodes |= {keys.groups(str(task.node)) for task in running}
    engines = {keys.ports(f"engine-of-{task.node}") for task in running}
    return cluster | records | shared | nodes | engines


def check_engines(world: World, kept: Sequence[Task], running: Sequence[Task]) -> None:
    """Each container is that of a record, each record that names one is right, and each agent knows just those."""
    for sailor in world.sailors:
        here = [task for task in (*kept, *running) if task.node == sailor.name and task.container_id]
        assert set(sailor.engine.table) == {task.container_id for task in here}
        assert len(here) - sum(task in running for task in here) <= CONTAINERS
        assert set(sailor.agent.controller.known()) == {task.id for task in here}
        assert set(world.store.node_task_ids(sailor.name)) == {task.id for task in here}
        assert sailor.agent.lanes._places == {}


def test_a_thousand_tasks_leave_what_is_kept_and_nothing_else(world: World) -> None:
    """Keys, members and containers after a thousand tasks are those of the fifty kept and of the ten that run."""
    running = [world.now(task) for task in churn(world)]
    tidy(world)
    client, keys = world.store.client, world.store.keys
    kept = [task for task in world.store.tasks(limit=1000)[0] if task.state in ENDED]
    assert (len(kept), len(running)) == (KEEP, EACH)
    assert set(client.scan_iter("*")) == expected_keys(world, kept, running)
    assert complaints(client, world.settings.prefix) == []
    check_engines(world, kept, running)
    sizes = [client.zcard(key) for key in (keys.ids, keys.ended, keys.past, keys.pending, keys.scheduled)]
    assert sizes == [KEEP + EACH, KEEP, KEEP, 0, 0]
    assert sum(client.zcard(keys.tasks(state.value)) for state in State) == KEEP + EACH
    assert client.hlen(keys.names) == EACH
    assert sum(world.store.counts().values()) == KEEP + EACH
    for shared in (keys.spec, keys.pin):
        assert sum(int(client.hget(key, "tasks")) for key in client.scan_iter(shared("*"))) == KEEP + EACH
