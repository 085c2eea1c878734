"""Messages that are lost, doubled and late: a message is a doorbell, so the end is the same and hardly any later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from tests.cluster.bed import Bed
from tests.cluster.postman import NOWHERE, Postman
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

SMALL = {"cpu": 0.01, "memory": "16MiB"}
TASKS, PLAIN, AT_ONCE = 100, 24, 4
LATER_S = 2.0
"""The most that a start may be later for it."""


@contextlib.contextmanager
def postman(fleet: Bed, *, seed: int) -> Iterator[Postman]:
    """Let all messages go through his hands: each sender's connections are made anew, and he stands in them."""
    client = fleet.redis.client()
    found = Postman(client, seed=seed)
    for line in fleet.lines.values():
        line.editor = found
        line.cut()
    wait_until(fleet.answers, timeout_s=30)
    yield found
    for line in fleet.lines.values():
        line.editor = None
        line.cut()
    client.delete(NOWHERE)
    client.close()


def way_of(fleet: Bed, task: str) -> tuple[float, list[str]]:
    """Return how long a task took from its acceptance to its node's hands, by Redis's clock, and its events.

    Messages can make only this part later: the rest of a start is the engine's.
    """
    events = fleet.events(task)
    at = {event["type"]: datetime.fromisoformat(event["at"]) for event in events}
    told = [f"{event['at']} {event['type']}: {event['sentence']}" for event in reversed(events)]
    return (at["task.received"] - at["task.accepted"]).total_seconds(), told


def work(fleet: Bed, count: int) -> tuple[float, list[str]]:
    """Run so many tasks, stop a third of them and remove a third; return the longest way to a node, and its events."""

    def one(number: int) -> tuple[float, list[str]]:
        task = fleet.run(**SMALL)
        way = way_of(fleet, task["id"])
        if number % 3 == 1:
            assert fleet.call("POST", f"/v1/tasks/{task['id']}/stop", {}).status in (200, 202)
        elif number % 3 == 2:
            assert fleet.call("DELETE", f"/v1/tasks/{task['id']}?force=1").status in (202, 204)
        return way

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return max(pool.map(one, range(count)))


def outcome(fleet: Bed) -> dict[str, Any]:
    """Return how many tasks are in each state, and how many containers run and lie."""
    states = [task["state"] for task in fleet.get("/v1/tasks?limit=1000")["items"]]
    containers = [item.status for item in fleet.containers()]
    return {word: (states.count(word), containers.count(word)) for word in {*states, *containers}}


def test_messages_that_are_lost_doubled_or_late_change_nothing(fleet: Bed) -> None:
    """Of all messages one in ten is lost, one doubled, one late: the same end, and no start is over 2 s later."""
    plain, _ = work(fleet, PLAIN)
    fleet.settle()
    expected = {"running": (34, 34), "completed": (33, 0), "exited": (0, 33)}
    with postman(fleet, seed=7) as found:
        disturbed, told = work(fleet, TASKS)
        wait_until(lambda: outcome(fleet) == expected, what=f"for {expected}")
    assert min(found.did[fate] for fate in ("lost", "doubled", "late")) >= 10, found.did
    assert disturbed <= plain + LATER_S, "\n".join(told)
