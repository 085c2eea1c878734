"""Lesson 20. Each question to Redis is a wait for its answer, so a start asks few, and rings before it keeps books."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from redis.connection import AbstractConnection

from ormen import messages
from ormen.store.redis import FEW
from ormen.task import State
from tests.fundamentals.world import World
from worker_agent.runtime import RuntimeEvent


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All that is sent to Redis, a packet a question; it is sent as ever."""
    packets: list[bytes] = []
    send = AbstractConnection.send_packed_command

    def heard(self: AbstractConnection, command: object, *rest: object, **options: object) -> None:
        packets.append(command if isinstance(command, bytes) else b"".join(command))  # type: ignore[call-overload]
        send(self, command, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(AbstractConnection, "send_packed_command", heard)
    return packets


def test_a_ring_comes_with_the_second_question(world: World, asked: list[bytes]) -> None:
    """Create and what has changed of the fleet, assign and ring: no script is looked for, nothing is noted."""
    sailor = world.sailor()
    world.submit(name="first")
    sailor.beat(), sailor.look_into_inbox()
    asked.clear()
    world.submit()
    assert b"worker_agent.run" in asked[1]
    assert world.store.client.llen(messages.node_queue("node-1")) == 2
    assert not any(b"SCRIPT" in packet or b":figures" in packet for packet in asked[:2])
    assert not any(b"LPUSH" in packet for packet in asked)


def test_an_agent_starts_a_task_with_three_questions(world: World, asked: list[bytes]) -> None:
    """It takes its inbox, asks whose image holds, and reports: it reads nothing beside."""
    sailor = world.sailor()
    # From then on Redis has the scripts.
    world.run("first")
    task = world.submit()
    asked.clear()
    sailor.look_into_inbox()
    assert len(asked) == 3
    assert world.now(task).state.value == "running"


def test_an_agent_asks_once_whose_image_holds(world: World, asked: list[bytes]) -> None:
    """What holds for a submission holds for ever: its other tasks, taken before that was settled, need not ask."""
    sailor = world.sailor()
    sailor.engine.behaviour.images, sailor.engine.behaviour.tags = set(), {"app:1": "sha256:" + "a" * 64}
    world.run("first", image="app:1")
    task = world.submit("web", image="app:1", count=3)
    asked.clear()
    sailor.look_into_inbox()
    assert len(asked) == 1 + 1 + 3
    assert world.store.counts()[State.RUNNING] == 4
    assert world.now(task).pin is not None


def test_what_ends_on_another_node_of_the_same_engine_is_no_question(world: World, asked: list[bytes]) -> None:
    """Every agent of an engine hears of all containers there; only whose it was reads the record."""
    sailor = world.sailor("node-1")
    task = world.run()
    for node, questions in (("node-2", 0), ("node-1", 1)):
        asked.clear()
        sailor.agent.watcher.hear(RuntimeEvent("die", str(task.container_id), task.id, 1, node=node))
        sailor.agent.lanes.drain()
        assert len(asked) == questions


def test_a_few_tasks_are_read_in_one_question_and_as_many_are(world: World, asked: list[bytes]) -> None:
    """Few are read by a script, many by pipelines; what is found is the same, also for an id without a record."""
    tasks = [world.submit(name=f"web-{number}", labels={"n": str(number)}) for number in range(FEW)]
    ids = [*(task.id for task in tasks), "nobody"]
    asked.clear()
    few = {task_id: world.store.read([task_id])[task_id] for task_id in ids}
    assert len(asked) == len(ids)
    assert few == world.store.read(ids) == {**{task.id: task for task in tasks}, "nobody": None}
    assert world.store.read([]) == {}


def test_one_node_is_read_without_the_others(world: World, asked: list[bytes]) -> None:
    """It is the same node as among all, and of one that is not there nothing is said."""
    for number in (1, 2):
        world.sailor(f"node-{number}")
    asked.clear()
    found = world.store.node("node-2")
    assert re.search(rb"HGETALL\r\n\$\d+\r\n\S+nodes:(view|facts)", b"".join(asked)) is None
    assert replace(found, heartbeat_age_s=0) == replace(world.store.nodes()[1], heartbeat_age_s=0)
    assert world.store._nodes("node-3") == []


def trouble(world: World, number: int) -> None:
    """Let a node's agent have complained of its engine for over a minute."""
    sailor = world.sailors[number]
    sailor.engine.go_down()
    sailor.look_at_everything(), sailor.beat()
    world.store.client.hset(world.store.keys.node(sailor.name), "trouble_since", world.store.now_ms() - 61_000)


def turn(world: World, asked: list[bytes]) -> int:
    """How many questions a turn of liveness asks."""
    world.store.client.hset(world.store.keys.loops, mapping={"since": 1, "liveness:began": world.store.now_ms() - 900})
    asked.clear()
    world.loops.liveness()
    return len(asked)


def test_a_turn_of_liveness_asks_no_more_of_many_nodes_than_of_one(world: World, asked: list[bytes]) -> None:
    """All are told, and all lose their tasks, with the questions of one; once they are told, there is one look."""
    questions: list[int] = []
    for nodes in (range(1), range(1, 13)):
        for number in nodes:
            world.sailor(f"node-{number}")
        tasks = [world.run(f"t{number}", constraints=[f"node=node-{number}"]) for number in nodes]
        for number in nodes:
            trouble(world, number)
        questions.append(turn(world, asked))
        assert [world.now(task).state.value for task in tasks] == ["pending"] * len(tasks)
    assert questions[1] <= questions[0] + 1  # more than a few records are read in two questions
    assert turn(world, asked) <= 8
