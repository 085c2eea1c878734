"""Lesson 4. The inbox and the ring: a message says "look", never what to do."""

from __future__ import annotations

import base64
import json

from ormen.task import State
from tests.fundamentals.world import World
from tests.waiting import wait_until


def test_an_assignment_lies_in_the_inbox(world: World) -> None:
    """The store puts the task into its node's inbox in the same write that gives it to the node."""
    sailor = world.sailor("node-1")
    task = world.submit()
    taken = sailor.store.take("node-1", sailor.agent.station.instance)
    assert [found.id for found in taken.tasks] == [task.id]


def test_a_ring_carries_no_orders(world: World) -> None:
    """The message in the node's queue has names, for people who read queues; nothing acts on them."""
    world.sailor("node-1")
    world.submit("web", image="nginx:1.28")
    message = json.loads(world.store.client.lrange("node.node-1", 0, -1)[0])
    arguments = json.loads(base64.b64decode(message["body"]))[0]
    assert message["headers"]["task"] == "worker_agent.run"
    assert arguments == [["web"]]


def test_rings_merge_while_the_inbox_is_not_empty(world: World) -> None:
    """One ring is enough for all that lies in an inbox: the agent takes it whole."""
    world.sailor("node-1")
    tasks = [world.submit(f"web-{n}") for n in range(3)]
    assert world.store.queue_lengths(["node.node-1"]) == {"node.node-1": 1}
    for task in tasks:
        assert world.settle(task).state is State.RUNNING


def test_a_lost_ring_costs_a_heartbeat(world: World) -> None:
    """The answer to each heartbeat tells how much lies in the inbox, so the agent looks although nothing rang."""
    sailor = world.sailor("node-1")
    task = world.submit()
    world.store.client.delete("node.node-1")

    def beaten() -> bool:
        sailor.beat()
        return world.now(task).state is State.RUNNING

    wait_until(beaten, what="for a heartbeat's answer")


def test_a_doubled_ring_changes_nothing(world: World) -> None:
    """Who looks twice finds everything as it is wanted."""
    sailor = world.sailor("node-1")
    task = world.run()
    for _ in range(3):
        sailor.agent.rung()
        sailor.agent.controller.converge(task.id)
    assert world.now(task) == task
    assert len(sailor.engine.table) == 1


def test_a_late_ring_finds_what_is_wanted_now(world: World) -> None:
    """A task that was stopped before its node looked is not started first."""
    sailor = world.sailor("node-1")
    task = world.submit()
    world.store.stop(task)
    assert world.settle(task).state is State.COMPLETED
    assert sailor.engine.table == {}


def test_a_request_is_as_old_as_it_is(world: World) -> None:
    """What lies in an inbox that was empty has an age of its own, not that of what was taken from there long ago."""
    world.sailor("node-1")
    world.store.client.hset(world.store.keys.node("node-1"), "inbox_since", 1)
    assert list(world.store.ask_nodes("stats", {"node-1": {}, "node-9": {}})) == ["node-1"]
    since = int(world.store.client.hget(world.store.keys.node("node-1"), "inbox_since"))
    assert world.store.now_ms() - since < 60_000
    assert list(world.store.client.scan_iter("*node-9*")) == []
