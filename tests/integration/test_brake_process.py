"""The brake with real agents: processes that are frozen, as hosts behind a dead switch are silent."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ormen.node import NodeState
from ormen.settings import Settings
from tests.integration.nodes import Harbour
from tests.waiting import wait_until


@pytest.fixture
def harbour(settings: Settings, image: str, tmp_path: Path) -> Iterator[Harbour]:
    """Five agents that share the engine, each with a task."""
    made = Harbour(replace(settings, share="1/5"), image, tmp_path)
    try:
        for number in range(1, 6):
            made.node(f"node-{number}", ready=False)
        for number, node in enumerate(made.nodes, 1):
            wait_until(lambda: made.joined(node, f"node-{number}"), timeout_s=60)  # noqa: B023 - called at once
        yield made
    finally:
        made.close()


def test_frozen_agents_lose_nothing_and_restart_nothing(harbour: Harbour) -> None:
    """Three of five fall silent: no task moves; they wake: every container is the one it was, in its first attempt."""
    tasks = [harbour.run(f"t{number}", constraints=[f"node=node-{number}"], cpu=0.01) for number in range(1, 6)]
    cut_off = harbour.nodes[:3]
    for node in cut_off:
        node.process.send_signal(signal.SIGSTOP)

    def lost(amount: int) -> bool:
        harbour.loops.liveness()
        states = [node.state for node in harbour.store.nodes()]
        return states.count(NodeState.LOST) == amount

    wait_until(lambda: lost(3) and harbour.store.brake().nodes == ("node-1", "node-2", "node-3"), timeout_s=30)
    for node in cut_off:
        node.process.send_signal(signal.SIGCONT)
    wait_until(lambda: lost(0) and all(node.synced for node in harbour.store.nodes()), timeout_s=30)
    wait_until(lambda: lost(0) and not harbour.store.braked(), timeout_s=30)
    after = [harbour.task(task) for task in tasks]
    assert [(t.state, t.attempt, t.container_id) for t in after] == [(t.state, 1, t.container_id) for t in tasks]
    assert [harbour.state_of(task) for task in tasks] == ["running"] * 5
