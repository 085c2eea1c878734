"""Real hosts that fail: the engine stopped, killed and restarted, the cable pulled and plugged in again."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.cluster.bed import Bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


def interrupted_only(deck: Bed, task: dict[str, Any]) -> bool:
    """Whether all that ended an attempt of the task was somebody else's doing."""
    ends = [event["reason"] for event in deck.events(task["id"]) if event["from"] == "running"]
    return all(ends) and {reason["code"] for reason in ends} == {"INTERRUPTED"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_tasks_come_back_with_their_engine(deck: Bed, number: signal.Signals) -> None:
    """While a host's engine is away its node is suspect with ENGINE_DOWN; its tasks are interrupted and run again."""
    host = deck.hosts[0]
    task = deck.run(name="web", restart="no", constraints=["node=host7"])
    host.stop_engine(number)
    assert deck.until_node("host7", "suspect", timeout_s=10)["state_reason"]["code"] == "ENGINE_DOWN"
    assert deck.task(task["id"])["state"] in ("running", "pending")
    host.start_engine()
    again = deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
    assert interrupted_only(deck, again)
    assert [container.status for container in deck.containers(task["id"])] == ["running"]


def test_a_restart_of_the_engine_completes_no_task(deck: Bed) -> None:
    """An engine that stops and is back at once leaves exit codes 0; every task runs again, under any policy."""
    here = ["node=host7"]
    tasks = [deck.run(name=f"web-{word[:2]}", restart=word, constraints=here) for word in ("no", "on-failure:1")]
    deck.hosts[0].stop_engine()
    deck.hosts[0].start_engine()
    for task in tasks:
        deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
        assert interrupted_only(deck, task)


def test_a_task_of_a_lost_host_runs_on_another(deck: Bed) -> None:
    """A host whose cable is pulled is lost, and its task runs elsewhere; once it is back, one container is left."""
    host, other = deck.hosts
    deck.ormen("mast", "cordon", "host8")
    task = deck.run(name="web", restart="no")
    deck.ormen("mast", "activate", "host8")
    host.cut()
    try:
        deck.until_node("host7", "lost", timeout_s=15)
        moved = deck.until(task["id"], lambda now: now["state"] == "running" and now["node"] == "host8")
        (reason,) = [event["reason"] for event in deck.events(task["id"]) if event["from"] == "running"]
        assert (reason["code"], "host7" in reason["sentence"]) == ("NODE_LOST", True)
        assert [len(each.containers(task["id"])) for each in deck.hosts] == [1, 1]
    finally:
        host.mend()
    deck.until_node("host7", "ready", timeout_s=30)
    wait_until(lambda: host.containers(task["id"]) == [], timeout_s=5, what="for the old container to go")
    assert [container.id for container in other.containers(task["id"])] == [moved["container_id"]]
    assert deck.task(task["id"]) == moved
