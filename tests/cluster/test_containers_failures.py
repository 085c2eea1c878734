"""Containers that die, loop, or are paused behind ormen's back, and agents that die, on real engines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psutil
import pytest

from tests.acceptance.living import Done
from tests.cluster.bed import Bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)
HERE = ["node=host7"]


def at(stamp: str) -> float:
    """A time of the API as seconds since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()


def attempts_of(deck: Bed, word: str) -> list[dict[str, Any]]:
    """What is kept of a task's attempts, oldest first."""
    return sorted(deck.get(f"/v1/tasks/{word}/attempts")["items"], key=lambda one: int(one["attempt"]))


def loops(deck: Bed, *, attempt: int) -> dict[str, Any]:
    """A task whose program ends at once each time, as it waits before the attempt after this one."""
    task = deck.submit(name="loop", restart="always", entrypoint=["sh", "-c", "echo about to fall; exit 3"])
    return deck.until(task["id"], lambda now: now["state"] == "pending" and now["attempt"] == attempt, timeout_s=60)


def paused(deck: Bed, **spec: Any) -> dict[str, Any]:
    """A task that runs, and whose container somebody has paused."""
    task = deck.run(name="web", restart="always", **spec)
    deck.containers(task["id"])[0].pause()
    deck.until(task["id"], lambda now: now["paused_at"])
    return task


def born(deck: Bed, task: str) -> list[tuple[str, str]]:
    """Id and start of each container of a task."""
    found = deck.containers(task)
    for container in found:
        container.reload()
    return [(str(container.id), container.attrs["State"]["StartedAt"]) for container in found]


def without_agent(deck: Bed) -> None:
    """Kill the agent of host7 and the sailor that would start it again."""
    deck.hosts[0].end_sailors()


def ended(deck: Bed, task: str) -> list[Any]:
    """The codes of a task's attempts that have ended."""
    return [one["reason"]["code"] for one in attempts_of(deck, task) if one["reason"]]


def test_a_program_that_is_killed_runs_again_at_once_and_its_end_is_kept(deck: Bed) -> None:
    """A killed program's code, signal and last lines stay on record; the next attempt waits for nothing."""
    words = "echo first; echo last words; exec sleep 600"
    task = deck.run(name="web", restart="on-failure:1", entrypoint=["sh", "-c", words], stop_grace="1s")
    first = deck.containers(task["id"])[0].attrs
    psutil.Process(first["State"]["Pid"]).kill()
    deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
    ended, running = attempts_of(deck, task["id"])
    assert (ended["exit_code"], ended["log_tail"]) == (137, ["first", "last words"])
    assert (ended["reason"]["code"], "code 137 (SIGKILL)" in ended["reason"]["sentence"]) == ("EXIT", True)
    assert ended["container_id"] == first["Id"] != running["container_id"]
    assert at(running["assigned_at"]) - at(ended["ended_at"]) < 1
    (container,) = deck.containers(task["id"])
    assert (container.id, container.status) == (running["container_id"], "running")


def test_a_crash_loop_is_visible(deck: Bed) -> None:
    """`status` and `events` of a loop say how it ended, how long the pause is, and when which attempt follows."""
    task = loops(deck, attempt=3)
    pause_s = at(task["next_try_at"]) - at(task["ended_at"])
    assert 2 <= pause_s < 2.5
    listed = " ".join(deck.ormen("status").out.split())
    assert (
        f"Exited with code 3, 0.0s after its start on {task['node']}; attempt 4 follows a pause of {pause_s:.1f}s."
        in listed
    )
    assert "Next try at" in listed
    assert "next try" in deck.ormen("status", "loop").out
    assert "attempt 3 follows a pause of 1." in " ".join(deck.ormen("events", "loop").out.split())
    assert [one["log_tail"] for one in attempts_of(deck, "loop")][:3] == [["about to fall"]] * 3


def test_a_retry_cuts_the_pause_short(deck: Bed) -> None:
    """`ormen retry` starts the next attempt long before the pause is over, and says so."""
    task = loops(deck, attempt=4)
    due = at(task["next_try_at"])
    done: Done = deck.ormen("retry", "--no-wait", "loop")
    assert (done.code, done.err) == (0, ""), done
    deck.until("loop", lambda now: now["attempt"] == 5)
    fifth = attempts_of(deck, "loop")[-1]
    assert due - at(fifth["assigned_at"]) > 1
    types = [event["type"] for event in deck.events("loop")]
    assert types[types.index("task.retried") + 1] == "task.placed"


@pytest.mark.parametrize("verb", ["stop", "rm", "restart"])
def test_a_paused_container_can_be_ended(deck: Bed, verb: str) -> None:
    """What somebody paused is shown with its remedy, and stops, restarts and goes as any other."""
    task = paused(deck)
    shown = " ".join(deck.ormen("status").out.split())
    assert f"it runs no code until, on {task['node']}: docker unpause {task['container_name']}" in shown
    done = deck.ormen(verb, "web", *(["-f"] if verb == "rm" else []))
    assert done.code == 0, done
    if verb == "restart":
        again = deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
        assert (again["paused_at"], deck.running(task["id"])) == (None, [again["node"]])
    else:
        wait_until(lambda: not [each for each in deck.containers(task["id"]) if each.status != "exited"])


def test_a_paused_container_goes_on_as_it_was(deck: Bed) -> None:
    """After `docker unpause` the same container runs on, and the record says nothing of a pause any more."""
    task = paused(deck)
    deck.containers(task["id"])[0].unpause()
    now = deck.until(task["id"], lambda now: not now["paused_at"])
    assert (now["container_id"], now["attempt"]) == (task["container_id"], 1)
    assert [event["type"] for event in deck.events(task["id"])][-2:] == ["task.paused", "task.unpaused"]


def test_a_check_ends_what_is_paused(deck: Bed) -> None:
    """A paused program fails its health check, and that ends the attempt as any failing check does."""
    check = {"http": "/health", "interval": "1s", "timeout": "1s", "retries": 2}
    task = paused(deck, ports=[{"container": 7777}], health=check)
    deck.until(task["id"], lambda now: now["attempt"] == 2 and now["health"] == "healthy", timeout_s=40)
    assert attempts_of(deck, task["id"])[0]["reason"]["code"] == "HEALTH_HTTP"


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
