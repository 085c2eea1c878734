"""What `status`, `mast` and `events` print, against golden files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cli_golden import PIPE, eyes, fits, golden
from cli_stub import GIB, TRAIN, UP, WAY, WEB, node

from ormen.cli.render import events, nodes, tasks
from ormen.cli.render.text import Look


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC, so that the files hold anywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def task(name: str, image: str, **fields: Any) -> dict[str, Any]:
    """Return a task's record."""
    record = {**WEB, "detail": None, "ports": [], "labels": {}, "spec": {"name": name, "image": image}}
    return {**record, "name": name, "id": f"{name.encode().hex():0<8.8}-94c1-4f7a-a3a0-5c7d0f2be611", **fields}


API = task(
    "api",
    "registry.example.com/acme/api:4.2",
    state="running",
    health="failing",
    node="node-2",
    attempt=3,
    created_at="2026-11-21T06:52:00.000Z",
    started_at="2026-11-21T06:54:00.000Z",
    restarts=2,
    detail='GET :8000/health answered 503 "db down" (2 of 3 failures)',
    labels={"app": "shop", "tier": "api"},
    ports=[{"container": 8000, "host": 8000, "protocol": "tcp", "address": "10.0.0.12"}],
    spec={
        "image": "registry.example.com/acme/api:4.2",
        "cpu": 0.5,
        "memory": "512MiB",
        "ports": [{"container": 8000, "host": 8000}],
        "health": {"http": "/health"},
    },
)
LIST = [
    UP,
    task("report", "acme/report:9", node="node-3", detail="pulling 140 of 600 MB at 31 MB/s"),
    TRAIN,
    API,
    task(
        "import",
        "acme/import:1",
        state="failed",
        node="node-2",
        reason={"code": "EXIT", "sentence": "Exited with code 1, four times; on-failure:3 is spent."},
        created_at="2026-11-20T08:00:00.000Z",
    ),
]
ATTEMPTS = [
    {"attempt": number, "node": place, "started_at": began, "ended_at": ended, "exit_code": None, "reason": reason}
    for number, place, began, ended, reason in (
        (
            1,
            "node-1",
            "2026-11-21T06:49:03.000Z",
            "2026-11-21T06:55:11.000Z",
            {"code": "OOM", "sentence": "Out of memory."},
        ),
        (3, "node-2", "2026-11-21T07:01:55.000Z", None, None),
    )
]


@pytest.mark.parametrize(("name", "look"), [("80", eyes(80)), ("120", eyes(120)), ("40", eyes(40)), ("pipe", PIPE)])
def test_status_is_drawn_for_each_width(name: str, look: Look) -> None:
    """The list is the sketch at 80 columns, has container names at 120, lines of keys at 40 and all in a pipe."""
    golden(f"status_{name}", tasks.status(LIST, look))


def test_status_of_one_task_is_drawn() -> None:
    """One task in full: sentence, evidence, facts, attempts."""
    golden("status_one", tasks.detail(API, ATTEMPTS, eyes(80)))


def test_attempts_that_never_started_are_no_restarts() -> None:
    """A task counts as restarted as often as the API says, however many attempts were refused."""
    assert "restart " not in tasks.detail({**API, "restarts": 0}, [], eyes(80)).replace("restart    on-failure\n", "")


def test_a_pause_by_another_hand_is_shown_with_its_remedy() -> None:
    """A task whose container somebody paused is running, and the list says since when and how it goes on."""
    text = " ".join(tasks.status([{**UP, "paused_at": "2026-11-21T10:01:00.000Z"}], eyes(120)).split())
    assert f"10:01:00: it runs no code until, on {UP['node']}: docker unpause {UP['container_name']}" in text
    assert "Paused by somebody" in text


def test_the_next_try_of_a_crash_loop_is_shown() -> None:
    """A task in a back-off says when its next attempt follows; one that waits for room has no such time."""
    reason = {"code": "EXIT", "sentence": "Exited with code 1; attempt 4 follows a pause of 2.1s."}
    due = {"state": "pending", "reason": reason, "next_try_at": "2026-11-21T23:59:58.000Z", "could_fit": None}
    loop = task("loop", "acme/loop:1", **due)
    assert "a pause of 2.1s. Next try at 23:59:58." in " ".join(tasks.status([loop], eyes(120)).split())
    assert "Next try" not in tasks.status([{**loop, "could_fit": "later"}], eyes(120))


@pytest.mark.parametrize("width", [50, 64, 80, 100, 120])
def test_no_line_of_a_list_exceeds_the_terminal(width: int) -> None:
    """Columns leave and sentences wrap until everything fits."""
    text = tasks.status(LIST, eyes(width)) + "\n" + nodes.mast(FLEET, eyes(width))
    assert fits(text, width), text


def test_name_state_and_reason_never_leave() -> None:
    """However narrow, a list says who, what state and why."""
    text = tasks.status(LIST, eyes(50))
    assert "NAME" in text
    assert "STATE" in text
    assert "IMAGE" not in text
    assert "most free is 1.5 GiB" in " ".join(text.split())


def test_a_pipe_holds_no_escape_and_nothing_shortened() -> None:
    """Programs get whole ids, whole names and no colour; one line a task."""
    text = tasks.status(LIST, PIPE)
    assert "\x1b" not in text
    assert "…" not in text
    assert UP["id"] in text
    assert len(text.split("\n")) == len(LIST) + 1


def test_colour_only_repeats_words() -> None:
    """Without its escapes a coloured list is the plain one."""
    import re

    coloured = tasks.status(LIST, eyes(80, colour=True))
    assert "\x1b[32mrunning\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == tasks.status(LIST, eyes(80))


def test_foreign_text_loses_its_control_characters() -> None:
    """A container's words cannot move the cursor or forge a line."""
    evil = task("web", "nginx", state="failed", reason={"code": "EXIT", "sentence": "bad \x1b[2J\x07\nnews\u202e"})
    text = tasks.status([evil], eyes(80))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "Bad [2J news." in text


def test_the_count_names_each_state() -> None:
    """The last line counts the states that occur, in the order of the sketch."""
    assert tasks.summary(LIST) == "5 tasks: 2 running, 1 scheduled, 1 pending, 1 failed"
    assert tasks.summary([]) == "No tasks."


FLEET = [
    node("node-1"),
    node("node-2", capacity={"cpu": 8, "memory_bytes": 31948 * 1024**2, "disk_bytes": 460 * GIB}, tasks=9),
    node(
        "node-3",
        state="draining",
        tasks=1,
        state_reason={"code": "NODE_DRAINING", "sentence": "Draining since 10:02 by ann: 1 of 7 tasks left, report."},
    ),
]


@pytest.mark.parametrize(("name", "look"), [("80", eyes(80)), ("60", eyes(60)), ("pipe", PIPE)])
def test_mast_is_drawn_for_each_width(name: str, look: Look) -> None:
    """Nodes: the seeds' columns first; role, disk and free cores leave in that order."""
    golden(f"mast_{name}", nodes.mast(FLEET, look))


def test_one_node_is_drawn() -> None:
    """One node in full, as the sketch has it: who, where, how much of each, which ports and tasks."""
    shown = node(
        "node-2",
        address="10.0.0.12",
        labels={"disk": "ssd", "zone": "eu-west"},
        last_heartbeat_at="2026-11-21T10:04:20.990Z",
        joined_at="2026-11-03T09:00:00.000Z",
        ports={"8000/tcp": "api", "8080/tcp": "shop", "5432/tcp": "db"},
        capacity={"cpu": 8, "memory_bytes": 33499906048, "disk_bytes": 493921239040},
        reserved={"cpu": 7.5, "memory_bytes": 33071248179, "disk_bytes": 42949672960},
        used={"cpu": 3.1, "memory_bytes": 21152713932, "disk_bytes": 104152956928},
    )
    held = ["api", "shop", "db", "cache", "import-1", "import-2", "mail", "cron", "web-3"]
    golden("mast_one", nodes.detail(shown, held, eyes(80)))


def test_amounts_of_one_row_have_one_unit() -> None:
    """What is left of gibibytes is said in gibibytes; a host of less is in mebibytes."""
    text = nodes.detail(node("tiny", capacity={"cpu": 1, "memory_bytes": GIB // 2, "disk_bytes": 0}), [], eyes(80))
    assert "512 MiB" in text


def test_gpus_have_a_row_where_there_are_any() -> None:
    """How many the node has, and how many tasks have; what programs make of them is not seen."""
    with_two = {"cpu": 1, "memory_bytes": GIB, "disk_bytes": 0, "gpus": 2}
    text = nodes.detail(node("g", capacity=with_two, reserved={**with_two, "gpus": 1}), [], eyes(80))
    assert ["gpus", "2", "1", "1", "-"] in [line.split() for line in text.split("\n")]
    assert "gpus" not in nodes.detail(node("plain"), [], eyes(80))


def test_events_are_drawn() -> None:
    """Time, what, event, sentence; a pending task's reason has its code."""
    lost = {"code": "NODE_LOST", "sentence": "node-2 is lost."}
    more = {**WAY[0], "type": "task.pending", "reason": lost, "name": "api"}
    about_node = {
        **WAY[0],
        "type": "node.lost",
        "node": "node-2",
        "sentence": "silent for 8.0s; its 9 tasks are placed anew",
    }
    golden("events", events.listed([*WAY, about_node, more], eyes(80)))


def test_history_of_one_task_shows_the_gaps() -> None:
    """One task's events say how long each step took instead of repeating its name."""
    golden("events_one", events.history(WAY, eyes(80)))


def test_a_settled_image_is_shown_by_its_digest() -> None:
    """Its first digits for eyes, all of it in a pipe."""
    record = {**UP, "image_digest": "sha256:9f1c2e" + "0" * 58}
    assert "image      nginx (sha256:9f1c2e000000…)" in tasks.detail(record, [], eyes(80))
    assert "sha256:9f1c2e000000…" in tasks.status([record], eyes(200), wide=True)
    assert record["image_digest"] in tasks.status([record], PIPE)
