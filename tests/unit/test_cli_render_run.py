"""What `run` and the actions print while and after they work, against golden files."""

from __future__ import annotations

from typing import Any

import pytest
from cli_golden import eyes, fits, golden
from cli_stub import TRAIN, UP, WAY, WEB

from ormen.cli.render import actions, drain, problem, run, tasks
from ormen.cli.render.text import Look
from ormen.outcome import Verdict, judge

STILL = Look(80, False, False, 0.0)
"""A terminal whose spinner stands still."""

EXITED = {
    **WEB,
    "state": "pending",
    "restarts": 3,
    "attempt": 3,
    "reason": {"code": "EXIT", "sentence": "Exited with code 1 0.2s after its start, on node-1."},
}
ATTEMPTS = [
    {
        "attempt": 3,
        "node": "node-1",
        "started_at": "2026-11-21T10:02:15.000Z",
        "ended_at": "2026-11-21T10:02:15.200Z",
        "exit_code": 1,
        "log_tail": ['nginx: [emerg] host not found in upstream "db" in /etc/nginx/nginx.conf:8'],
    }
]
NO_IMAGE = {
    **WEB,
    "state": "pending",
    "reason": {
        "code": "PULL_NOT_FOUND",
        "sentence": "docker.io has no image library/ngnix:1.27, or it is private and no login is stored for docker.io.",
    },
}
NEVER = {**TRAIN, "could_fit": "never"}


def test_run_draws_each_step_with_its_time() -> None:
    """The finished block is the sketch's: placed, pulled, started, healthy, and where it runs."""
    text = run.block(UP, run.steps(WAY, WEB["created_at"]), eyes(80))
    golden("run_up", f"{text}\n{run.runs(UP, eyes(80))}")


def test_run_draws_the_pull_under_way() -> None:
    """A pull shows the share done, the amounts and the speed."""
    task = {**WEB, "detail": "pulling 28 of 67 MB at 17 MB/s"}
    golden("run_pulling", run.block(task, run.steps(WAY[:3], WEB["created_at"]), STILL))


def test_run_draws_plain_symbols_without_utf8() -> None:
    """A terminal without UTF-8 gets ASCII only."""
    task = {**WEB, "detail": "pulling 28 of 67 MB at 17 MB/s"}
    text = run.block(task, run.steps(WAY[:3], WEB["created_at"]), eyes(80, plain=True))
    assert text.isascii()
    golden("run_plain", text)


def test_run_of_many_draws_a_line_each() -> None:
    """Several tasks get a line each, in the order of the file."""
    pulling = {**WEB, "id": "2", "name": "web-2", "node": "node-3", "detail": "pulling 28 of 67 MB at 17 MB/s"}
    golden("run_many", run.many([UP, pulling, TRAIN], {UP["id"]: 5.1}, STILL))


@pytest.mark.parametrize(
    ("name", "task", "attempts", "waited_s"),
    [
        ("exits", EXITED, ATTEMPTS, None),
        ("no_image", NO_IMAGE, [], None),
        ("never_room", NEVER, [], None),
        ("no_room_yet", TRAIN, [], 300.0),
        ("late", WEB, [], 10.0),
    ],
)
def test_a_run_that_fails_says_why_and_what_to_do(
    name: str, task: dict[str, Any], attempts: list[dict[str, Any]], waited_s: float | None
) -> None:
    """Sentence with its code, the last lines, a remedy; all within the width."""
    text = run.not_up(task, attempts, eyes(80), waited_s=waited_s)
    assert fits(text, 80)
    golden(f"run_{name}", text)


def test_an_image_that_needs_a_login_is_no_matter_of_its_name() -> None:
    """The remedy for a locked registry is a login there."""
    locked = {**NO_IMAGE, "node": None, "reason": {"code": "PULL_AUTH", "sentence": "Not for this host."}}
    assert "ormen registry login docker.io, then ormen retry web." in run.not_up(locked, ATTEMPTS, eyes(80))


LACKING = {**NO_IMAGE, "placement": {"fitted": 3}, "reason": {"code": "NODE_LACKS", "sentence": "No network there."}}


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (UP, Verdict.UP),
        ({**UP, "health": "starting"}, Verdict.WAITING),
        ({**UP, "health": None, "spec": {"image": "x"}}, Verdict.UP),
        (WEB, Verdict.WAITING),
        (TRAIN, Verdict.WAITING),
        (NEVER, Verdict.NO_ROOM),
        (EXITED, Verdict.FAILED),
        ({**EXITED, "restarts": 2}, Verdict.WAITING),
        (NO_IMAGE, Verdict.FAILED),
        ({**LACKING, "attempt": 2}, Verdict.WAITING),
        ({**LACKING, "attempt": 3}, Verdict.FAILED),
        ({**LACKING, "attempt": 1, "placement": {"fitted": 1}}, Verdict.FAILED),
        ({**WEB, "state": "completed"}, Verdict.DONE),
        ({**WEB, "state": "completed", "reason": {"code": "STOPPED", "sentence": ""}}, Verdict.STOPPED),
        ({**WEB, "state": "failed"}, Verdict.FAILED),
    ],
)
def test_waiting_ends_when_it_cannot_get_better(record: dict[str, Any], verdict: Verdict) -> None:
    """Up, done, incurable, three ended attempts, stopped or no room ever: everything else is waited for."""
    assert judge(record) is verdict


def test_actions_say_what_is_so() -> None:
    """One line for each thing done, with the place, the time and the exit code."""
    gone = {**UP, "state": "completed", "exit_code": 0, "reason": {"code": "STOPPED", "sentence": "Stopped."}}
    lines = [
        actions.stopped(gone, 0.8),
        actions.stopped({**gone, "exit_code": 137}, 10.0),
        actions.stopped({**gone, "node": None, "attempt": 0, "exit_code": None}, 0.1),
        actions.stopped(UP, 60.0),
        actions.started_again({**UP, "attempt": 2}, 2.1),
        actions.started_again(TRAIN, 60.0),
    ]
    golden("actions", "\n".join(lines))


def test_draining_shows_each_move() -> None:
    """Moved, on its way, without room: each task of the node has its line."""
    moving = {**WEB, "id": "2", "name": "report", "detail": "pulling 140 of 600 MB"}
    golden("drain", drain.progress([UP, moving, TRAIN], {UP["id"]: 1.9}, STILL, left_s=552))


def test_what_a_drain_could_not_move_says_why() -> None:
    """When the time is over, each task that is left has its line: what it waits for, or that it still starts."""
    said = drain.left([UP, TRAIN, {**UP, "id": "2", "name": "slow"}], {UP["id"]: 1.9}, Look(None, False, False, 0.0))
    why = "needs 4 GiB of memory; the most free is 1.5 GiB, on node-1"
    assert said.split("\n")[0].endswith(f"train: no room elsewhere: {why}")
    assert [line.split()[1] for line in said.split("\n")] == ["train:", "slow:"]


def test_refusals_are_drawn_as_in_the_sketches() -> None:
    """Sentence and code, the matches, the remedy of the command line rather than the API's."""
    near = {"detail": 'no task "wbe"', "code": "TASK_NOT_FOUND", "hint": "did you mean web, web-2 or webhook?"}
    taken = {"detail": "the name web is taken by task 7f3c2a10 (running on node-1)", "code": "NAME_TAKEN"}
    matches = [{"id": UP["id"], "name": "web", "state": "running", "node": "node-1"}]
    matches.append({"id": "7fe2aa01-0", "name": "report", "state": "failed", "node": None})
    several = {"detail": '"7f" fits 2 tasks; nothing was done', "code": "AMBIGUOUS", "matches": matches}
    token = {"detail": "this deck wants a token", "code": "TOKEN_MISSING", "hint": "send Authorization: Bearer …"}
    texts = [
        problem.problem(document, eyes(80), address="10.0.0.5:5555", name="web", word="7f")
        for document in (near, taken, several, token, {"status": 500, "request_id": "5f0c1e9a"})
    ]
    golden("refusals", "\n".join(texts))


def test_faults_are_aligned() -> None:
    """All faults at once, each with its line, its path and what was probably meant."""
    rows = [
        ("line 4", "tasks[0].memroy", "unknown field; did you mean memory?"),
        ("line 14", "tasks[1].restart", '"allways": did you mean always?'),
    ]
    title = problem.fault_title("shop.yaml", 2)
    golden("faults", problem.faults(title, rows, eyes(80), code="INVALID_SPEC"))


def test_an_ipv6_address_stands_in_brackets_before_its_port() -> None:
    """An address of IPv6 has colons of its own; without brackets a browser takes no such URL."""
    port = {"container": 80, "host": 8091, "protocol": "tcp", "address": "::1"}
    assert run.runs({**UP, "ports": [port]}, Look(None, False, False, 0.0)).endswith(", http://[::1]:8091")
    assert tasks.ports({**UP, "ports": [port]}) == "[::1]:8091->80"
