"""`ormen wait`: what is there, what will never be, and what took too long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_stub import TRAIN, UP, WEB, Answer, deck, event, ormen, problem

from ormen.outcome import Reach, reach

ONE, OTHER = f"GET /v1/tasks/{WEB['id']}", f"GET /v1/tasks/{TRAIN['id']}"
DONE: dict[str, Any] = {**WEB, "state": "completed", "exit_code": 0, "detail": None}
BROKEN: dict[str, Any] = {
    **WEB,
    "state": "failed",
    "exit_code": 1,
    "reason": {"code": "EXIT", "sentence": "Exited with code 1, four times; on-failure:3 is spent."},
}
ENDED = event("task.completed", "10:02:17.000", "exited with code 0", to="completed")


def test_what_is_there_already_is_said_at_once() -> None:
    """A task that has the state is one line on stdout and exit code 0."""
    with deck({"GET /v1/tasks/web": DONE}) as stub:
        result = ormen("wait", "web", at=stub.address)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("web: completed on node-1 after 0.0s, exit code 0")


def test_an_event_ends_the_wait() -> None:
    """The record is read anew when an event names the task, and decides."""
    with deck({"GET /v1/tasks/web": UP, ONE: [UP, DONE]}, [ENDED]) as stub:
        result = ormen("wait", "web", "-o", "json", at=stub.address)
    assert result.returncode == 0
    assert [task["state"] for task in json.loads(result.stdout)] == ["completed"]


def test_what_can_never_be_is_exit_1_with_its_reason() -> None:
    """A failed task is not waited for any longer, and its reason is the error's."""
    with deck({"GET /v1/tasks/web": BROKEN}) as stub:
        result = ormen("wait", "web", at=stub.address)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "error: web is failed and not completed: exited with code 1, four times; on-failure:3 is spent.\n"
        "hint:  ormen why web\n"
    )


def test_the_time_over_is_124_and_says_what_is() -> None:
    """--timeout ends the wait; the sentence names the state and why it is so."""
    with deck({"GET /v1/tasks/train": TRAIN, OTHER: TRAIN}) as stub:
        result = ormen("wait", "--for", "running", "--timeout", "500ms", "train", at=stub.address)
    assert result.returncode == 124
    assert result.stderr.startswith("error: train is not running after 0.5s: it is pending, needs 4 GiB of memory;")


def test_each_task_is_waited_for_and_the_first_failure_counts() -> None:
    """A name that is not there is exit 3; the others are waited for all the same."""
    gone = problem(404, "TASK_NOT_FOUND", 'no task "wbe"', hint="did you mean web?")
    with deck({"GET /v1/tasks/wbe": gone, "GET /v1/tasks/web": DONE}) as stub:
        result = ormen("wait", "wbe", "web", "--for", "ended", at=stub.address)
    assert result.returncode == 3
    assert result.stdout.startswith("web: completed")


def test_a_removed_task_ends_the_wait() -> None:
    """Whoever removes what is waited for is told on the waiter's screen."""
    gone = problem(404, "TASK_NOT_FOUND", "no task")
    with deck({"GET /v1/tasks/web": UP, ONE: gone}) as stub:
        result = ormen("wait", "web", at=stub.address)
    assert result.returncode == 1
    assert "web was removed while it was waited for" in result.stderr


def test_a_deck_that_is_away_is_waited_for() -> None:
    """A request that nobody answers says nothing about the task."""
    with deck({"GET /v1/tasks/web": UP, ONE: [Answer(cut=True), UP, DONE]}) as stub:
        assert ormen("wait", "web", at=stub.address).returncode == 0


@pytest.mark.parametrize(
    ("record", "goal", "expected"),
    [
        (UP, "running", Reach.THERE),
        ({**UP, "health": "starting"}, "running", Reach.NOT_YET),
        (DONE, "running", Reach.THERE),
        ({**DONE, "reason": {"code": "STOPPED", "sentence": ""}}, "running", Reach.NEVER),
        (DONE, "failed", Reach.NEVER),
        (BROKEN, "ended", Reach.THERE),
        ({**TRAIN, "could_fit": "never"}, "completed", Reach.NEVER),
        ({**TRAIN, "could_fit": "later"}, "completed", Reach.NOT_YET),
        ({**TRAIN, "reason": {"code": "PULL_AUTH", "sentence": ""}}, "ended", Reach.NEVER),
    ],
)
def test_what_a_record_means_to_who_waits(record: dict[str, Any], goal: str, expected: Reach) -> None:
    """Running means healthy where there is a check; what only somebody's help can bring is not waited for."""
    assert reach(record, goal) is expected
