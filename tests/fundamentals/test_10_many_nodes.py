"""Lesson 10. Several nodes in trouble: each is judged as if it were alone, and what is said has an order."""

from __future__ import annotations

from ormen.reasons import Code
from ormen.task import State
from tests.fundamentals.world import World

TOLD = ("node.suspect", "node.lost", "node.ready", "task.pending", "brake.on")


def trouble(world: World, number: int, *, seconds: int) -> None:
    """Let a node's agent have complained of its engine for so long."""
    sailor = world.sailors[number]
    sailor.engine.go_down()
    sailor.look_at_everything()
    sailor.beat()
    since = world.store.now_ms() - 1000 * seconds
    world.store.client.hset(world.store.keys.node(sailor.name), "trouble_since", since)


def tick(world: World) -> None:
    """Let liveness have its next turn."""
    world.store.client.hset(world.store.keys.loops, mapping={"since": 1, "liveness:began": world.store.now_ms() - 900})
    world.loops.liveness()


def story(world: World) -> list[str]:
    """What was said of nodes, and of the tasks that were taken from them, in order."""
    events = [event for event in world.store.events() if event.type in TOLD]
    return [f"{event.type} {event.node or ''}".strip() for event in events]


def in_all_states(world: World) -> None:
    """Seven nodes: the first is lost, others are useless, in trouble, well again and silent, three with a task each."""
    for number in range(1, 8):
        world.sailor(f"node-{number}")
    for number in (1, 2, 3):
        world.run(f"t{number}", constraints=[f"node=node-{number}"])
    trouble(world, 3, seconds=0)
    tick(world)
    world.sailors[3].engine.come_back()
    world.sailors[3].look_at_everything(), world.sailors[3].beat()
    trouble(world, 1, seconds=61)
    trouble(world, 2, seconds=20)
    world.silence("node-1")
    world.silence("node-5", seconds=20)


def test_what_is_said_comes_node_by_node_and_once(world: World) -> None:
    """Of each node first its state, then the tasks that go, in the order of the nodes; a second turn says nothing."""
    in_all_states(world)
    known = len(story(world))
    for _ in range(2):
        tick(world)
        assert story(world)[known:] == [
            "node.lost node-1",
            "task.pending node-1",
            "node.suspect node-2",
            "task.pending node-2",
            "node.suspect node-3",
            "node.ready node-4",
            "node.suspect node-5",
        ]


def test_what_a_useless_node_had_says_why(world: World) -> None:
    """After a minute of trouble the tasks move, with the agent's own complaint as their reason."""
    world.sailor()
    task = world.run()
    trouble(world, 0, seconds=20)
    tick(world)
    assert world.now(task).state is State.RUNNING
    trouble(world, 0, seconds=61)
    tick(world)
    reason = world.now(task).attempts[0].reason
    assert reason is not None
    assert reason.code is Code.ENGINE_DOWN
    assert reason.sentence.startswith("node-1 is of no use: Docker does not answer")
