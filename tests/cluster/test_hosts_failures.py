"""Real hosts that fail: the engine stopped, killed and restarted, the cable pulled and plugged in again."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.cluster.bed import Bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


def interrupted_only(deck: Bed, task: dict[str, Any]) -> bool:
    """Whether all that ended an attempt of the task was somebody else's doing."""
    ends = [event["reason"] for event in deck.events(task["id"]) if event["from"] == "running"]
    return all(ends) and {reason["code"] for reason in ends} == {"INTERRUPTED"}


def born(deck: Bed, tasks: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Id and start of each container of each task."""
    found = [deck.containers(task) for task in tasks]
    return [
        [(str(each.id), each.client.api.inspect_container(each.id)["State"]["StartedAt"]) for each in one]
        for one in found
    ]


def story(deck: Bed, node: str) -> list[str]:
    """What has been told of a node, oldest first."""
    items = deck.get(f"/v1/events?node={node}&limit=1000")["items"]
    return [event["type"] for event in items if event["type"].startswith("node.")]


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
    wait_until(lambda: deck.running(task["id"]) == ["host8"], timeout_s=15, what="for one container")
    deck.until_node("host7", "ready", timeout_s=30)
    wait_until(lambda: host.containers(task["id"]) == [], timeout_s=5, what="for the old container to go")
    assert [container.id for container in other.containers(task["id"])] == [moved["container_id"]]
    assert deck.task(task["id"]) == moved
    wait_until(lambda: story(deck, "host7")[-1] == "node.ready")
    assert story(deck, "host7")[-3:] == ["node.suspect", "node.lost", "node.ready"]


def test_a_short_cut_restarts_nothing(deck: Bed) -> None:
    """A cable that is plugged in again before its host is lost costs nothing: each container is the one it was."""
    host = deck.hosts[0]
    tasks = [deck.run(name=f"web-{number}", constraints=["node=host7"])["id"] for number in range(2)]
    before, events = born(deck, tasks), [deck.events(task) for task in tasks]
    host.cut()
    try:
        wait_until(lambda: story(deck, "host7")[-1] == "node.suspect", timeout_s=10)
    finally:
        host.mend()
    deck.until_node("host7", "ready")
    assert (born(deck, tasks), [deck.events(task) for task in tasks]) == (before, events)
    wait_until(lambda: story(deck, "host7")[-2:] == ["node.suspect", "node.ready"])


def test_a_host_that_boots_again_at_once_keeps_its_tasks(deck: Bed) -> None:
    """Power off and on before the host is lost: no task that was running is completed, each runs again there."""
    tasks = [deck.run(name=f"web-{word[:2]}", restart=word, constraints=["node=host7"]) for word in ("no", "always")]
    deck.hosts[0].power_off()
    deck.power_on(deck.hosts[0])
    for task in tasks:
        deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2, timeout_s=40)
        ends = [event["reason"]["code"] for event in deck.events(task["id"]) if event["from"] == "running"]
        assert ends in (["INTERRUPTED"], ["NODE_LOST"])
        assert deck.running(task["id"]) == ["host7"]


def test_a_host_without_power_is_replaced_and_clears_up_when_it_is_back(deck: Bed) -> None:
    """The reason names the host; what may move runs elsewhere, what may not waits for it; then one container each."""
    host = deck.hosts[0]
    bound = deck.run(name="bound", constraints=["node=host7"], restart="no")["id"]
    free = deck.run(name="free", constraints=["node in (host7,host8)"], strategy="greedy", restart="no")["id"]
    was = deck.task(free)["node"]
    host.power_off()
    deck.until(bound, lambda now: now["state"] == "pending", timeout_s=15)
    (reason,) = [event["reason"] for event in deck.events(bound) if event["from"] == "running"]
    assert (reason["code"], "host7 is lost" in reason["sentence"]) == ("NODE_LOST", True)
    deck.until(free, lambda now: (now["state"], now["node"]) == ("running", "host8"))
    deck.power_on(host)
    deck.until(bound, lambda now: (now["state"], now["node"], now["attempt"]) == ("running", "host7", 2), timeout_s=40)
    wait_until(lambda: [len(deck.containers(task)) for task in (bound, free)] == [1, 1], what="for one container each")
    assert deck.task(free)["attempt"] == (2 if was == "host7" else 1)


def test_an_engine_that_hangs_costs_nothing_if_it_goes_on(deck: Bed) -> None:
    """A frozen engine makes its node suspect with ENGINE_HUNG; once it goes on each container is the one it was."""
    host = deck.hosts[0]
    tasks = [deck.run(name="web", constraints=["node=host7"])["id"]]
    before = born(deck, tasks)
    host.freeze_engine()
    try:
        assert deck.until_node("host7", "suspect", timeout_s=30)["state_reason"]["code"] == "ENGINE_HUNG"
        assert deck.run(name="elsewhere")["node"] == "host8"
    finally:
        host.thaw_engine()
    deck.until_node("host7", "ready", timeout_s=30)
    assert (born(deck, tasks), deck.task(tasks[0])["attempt"]) == (before, 1)


@pytest.fixture
def restoring(deck: Bed) -> Iterator[Bed]:
    """The deck with an engine of host7 that lets its containers live when it ends."""
    host = deck.hosts[0]
    for host.live_restore in (True, False):
        host.stop_engine()
        host.start_engine()
        deck.until_node("host7", "ready", timeout_s=30)
        if host.live_restore:
            yield deck


def test_what_outlives_its_engine_is_adopted(restoring: Bed) -> None:
    """With `live-restore` containers run on without their engine; the next one has them, and so has ormen."""
    host = restoring.hosts[0]
    task = restoring.run(name="web", restart="no", constraints=["node=host7"])
    before = born(restoring, [task["id"]])
    for number in (signal.SIGTERM, signal.SIGKILL):
        host.stop_engine(number)
        restoring.until_node("host7", "suspect")
        host.start_engine()
        restoring.until_node("host7", "ready", timeout_s=30)
        assert restoring.run(name=f"late-{number:d}", constraints=["node=host7"])["attempt"] == 1
        assert (born(restoring, [task["id"]]), restoring.task(task["id"])) == (before, task)
