"""Containers that die, loop, or are paused behind ormen's back, on a real engine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psutil
import pytest

from tests.acceptance.living import Done
from tests.cluster.bed import Bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


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
    assert [one["log_tail"] for one in attempts_of(deck, "loop")] == [["about to fall"]] * 3


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
