"""Lesson 16. Redis was away: whose fault a silence is, who may join, and what is tried again and how often."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from manager_api.control.loops import Loops
from ormen.broker import AGAIN_S, make_app
from ormen.errors import NodeRefused
from ormen.node import NodeState
from ormen.store.loops import Turn
from tests.fundamentals.world import World


def slow(monkeypatch: pytest.MonkeyPatch, world: World, seconds: float) -> None:
    """Let Redis take so long to answer the loop's first question."""
    begin, elapsed = world.store.begin, [0.0]

    def late(loop: str, **options: Any) -> Turn:
        elapsed[0] += seconds
        return begin(loop, **options)

    monkeypatch.setattr(world.store, "begin", late)
    monkeypatch.setattr("manager_api.control.loops.time.monotonic", lambda: time.perf_counter() + elapsed[0])


def test_a_slow_redis_makes_no_node_silent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redis takes over a second to answer its judge, a node's silence may be Redis's own: it is counted anew."""
    world.sailor("node-1")
    world.silence("node-1")
    slow(monkeypatch, world, 1.5)
    world.loops.liveness()
    assert world.store.node("node-1").state is NodeState.READY


def test_a_quick_redis_makes_a_silent_node_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer within a second is one that a heartbeat would have had too."""
    world.sailor("node-1")
    world.silence("node-1")
    slow(monkeypatch, world, 0.5)
    world.loops.liveness()
    assert world.store.node("node-1").state is NodeState.LOST


def test_a_redis_that_came_back_empty_lets_nobody_in_who_is_not_listed(world: World) -> None:
    """The list of who may join is written again after each gap in the watch, so it is not lost with the rest."""
    loops = Loops(world.store, world.ringer, replace(world.settings, allowed_nodes="node-8, node-9"))
    loops.liveness()
    world.store.client.flushall()
    loops.liveness()
    with pytest.raises(NodeRefused):
        world.sailor("node-1")
    assert world.sailor("node-9").name == "node-9"


def test_a_redis_that_is_away_is_tried_each_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever consumes is back a second after Redis, however long it was away: the pauses do not grow."""
    app = make_app(replace(world.settings, redis_url="redis://127.0.0.1:1/0"), "test")
    pauses: list[float] = []

    def note(_: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 4:
            raise StopIteration

    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    with app.connection_for_read() as connection, pytest.raises(StopIteration):
        connection.ensure_connection(note)
    assert pauses == [AGAIN_S] * 4


def test_a_task_that_found_only_silent_nodes_is_looked_at_within_a_second(world: World) -> None:
    """Right after an outage every node looks silent; whoever submits then does not wait for it any longer."""
    world.sailor("node-1")
    world.silence("node-1")
    task = world.submit()
    assert world.now(task).reason is not None
    assert (world.now(task).next_try_ms or 0) - world.store.now_ms() <= 1000
