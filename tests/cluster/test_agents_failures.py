"""An agent that dies: its containers run on, and what happened meanwhile is caught up."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from tests.cluster.bed import Bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)
HERE = ["node=host7"]


def born(deck: Bed, task: str) -> list[tuple[str, str]]:
    """Id and start of each container of a task."""
    found = deck.containers(task)
    for container in found:
        container.reload()
    return [(str(container.id), container.attrs["State"]["StartedAt"]) for container in found]


def without_agent(deck: Bed) -> None:
    """Kill the agent of host7 and the sailor that would start it again."""
    deck.hosts[0].end_sailors()


def test_a_killed_agent_is_back_and_nothing_was_touched(deck: Bed) -> None:
    """After kill -9 of the agent its sailor starts another; each container is the one it was, and nothing is told."""
    tasks = [deck.run(name=f"web-{number}", constraints=HERE)["id"] for number in range(3)]
    before, events = [born(deck, task) for task in tasks], [deck.events(task) for task in tasks]
    host = deck.hosts[0]
    joined, former = host.log.count("joined"), host.agent
    former.kill()
    wait_until(lambda: host.log.count("joined") > joined, what="for the next agent")
    deck.until_node("host7", "ready")
    assert deck.run(name="late", constraints=HERE)["attempt"] == 1
    assert ([born(deck, task) for task in tasks], [deck.events(task) for task in tasks]) == (before, events)


def test_what_ended_while_the_agent_was_away_is_caught_up(deck: Bed) -> None:
    """A program that fell, one that somebody killed and a container that is gone are told apart and run again."""
    fell, killed, gone, stays = (deck.run(name=name, constraints=HERE)["id"] for name in ("a1", "b2", "c3", "d4"))
    untouched = born(deck, stays)
    (one,), (two,), (three,) = (deck.containers(task) for task in (fell, killed, gone))
    without_agent(deck)
    one.reload()
    psutil.Process(one.attrs["State"]["Pid"]).kill()
    two.kill()
    three.remove(force=True)
    deck.rejoin(deck.hosts[0])
    for task, code in ((fell, "EXIT"), (killed, "INTERRUPTED"), (gone, "INTERRUPTED")):
        deck.until(task, lambda now: now["state"] == "running" and now["attempt"] == 2)
        assert ended(deck, task) == [code]
        assert deck.running(task) == ["host7"]
    assert (born(deck, stays), deck.task(stays)["attempt"]) == (untouched, 1)
    assert "node.lost" not in [event["type"] for event in deck.get("/v1/events?node=host7&limit=1000")["items"]]


def test_what_was_asked_while_the_agent_was_away_is_caught_up(deck: Bed) -> None:
    """A stop, a removal, a restart and a new task that were asked of a node without an agent are done by the next."""
    words = ("stopped", "removed", "again")
    stopped, removed, again = (deck.run(name=name, constraints=HERE)["id"] for name in words)
    without_agent(deck)
    assert deck.call("POST", f"/v1/tasks/{stopped}/stop", {}).status == 202
    assert deck.call("DELETE", f"/v1/tasks/{removed}?force=1").status == 204
    assert deck.call("POST", f"/v1/tasks/{again}/restart", {}).status == 202
    new = deck.submit(name="new", constraints=HERE)["id"]
    deck.rejoin(deck.hosts[0])
    deck.until(stopped, lambda now: now["state"] == "completed")
    wait_until(lambda: deck.containers(removed) == [], what="for the removed container to go")
    deck.until(again, lambda now: now["state"] == "running" and now["attempt"] == 2)
    deck.until(new, lambda now: now["state"] == "running" and now["attempt"] == 1)
    assert [deck.running(task) for task in (stopped, again, new)] == [[], ["host7"], ["host7"]]


def ended(deck: Bed, task: str) -> list[Any]:
    """The codes of a task's attempts that have ended."""
    items = deck.get(f"/v1/tasks/{task}/attempts")["items"]
    return [one["reason"]["code"] for one in items if one["reason"]]
