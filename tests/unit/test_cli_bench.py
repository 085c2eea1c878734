"""``ormen bench``: its arithmetic, its words, what it refuses, and that it removes what it has started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cli_golden import PIPE, eyes, fits, golden
from cli_stub import WEB, Result, Stub, deck, event, node, ormen, problem

from ormen.cli.bench_figures import DOCKER, FAILOVER, ORMEN, START, THROUGHPUT, Collected, Figures, percentile
from ormen.cli.render import bench as render

FIGURES = {"rounds_s": [0.3091, 0.342], "p50_s": 0.3091, "p95_s": 0.342, "max_s": 0.342, "tasks_per_s": None}
BY_HAND = {"rounds_s": [0.296, 0.335], "p50_s": 0.296, "p95_s": 0.335, "max_s": 0.335, "tasks_per_s": None}
MANY = {"rounds_s": [2.9], "p50_s": 2.9, "p95_s": 2.9, "max_s": 2.9, "tasks_per_s": 3.448}
FOUND: dict[str, Any] = {
    "id": "1f0c77aa",
    "at": "2026-11-21T10:04:21.390Z",
    "complete": True,
    "image": "ormen/echo:1",
    "command": None,
    "tasks": 10,
    "deck": {"address": "127.0.0.1:5555", "version": "0.1.0"},
    "client": {"host": "desk", "cpus": 2, "load": 1.9, "version": "0.1.0"},
    "nodes": [
        {"name": f"node-{n}", "cpu": 2.0, "memory_bytes": 1, "engine": "20.10.24", "agent_version": "0.1.0"}
        for n in (1, 2, 3)
    ],
    "other_tasks": 0,
    "docker": {"version": "20.10.24", "same_engine": True},
    "docker_missing": None,
    "pulled": 0,
    "killed": 0,
    "measures": [
        {"measure": "start", "tasks": 1, "ormen": FIGURES, "docker": BY_HAND, "ratio": 1.044},
        {"measure": "throughput", "tasks": 10, "ormen": MANY, "docker": {**MANY, "p50_s": 2.6}, "ratio": 1.115},
        {"measure": "failover", "tasks": 1, "ormen": FIGURES, "docker": None, "ratio": None},
    ],
    "left": [],
    "left_because": None,
}
DOUBTFUL = {
    **FOUND,
    "complete": False,
    "command": ["sleep", "600"],
    "other_tasks": 3,
    "docker": {"version": "24.0.7", "same_engine": False},
    "pulled": 1,
    "killed": 2,
    "measures": [{**FOUND["measures"][0], "ratio": None}],
}
ROOM = {"items": [{"node": "node-1", "reason": None}]}
FULL = {"items": [{"node": None, "reason": {"code": "FIT_CPU", "sentence": "Needs 0.1 cpu; the most free is 0."}}]}
CLUSTER: dict[str, Any] = {
    "GET /v1/nodes": {"items": [node("node-1")], "next": None},
    "GET /v1/version": {"version": "0.1.0", "cluster": "4f3c"},
    "POST /v1/plan": ROOM,
    "POST /v1/tasks": [[WEB]],
    "GET /v1/tasks": {"items": [], "next": None},
}


class Ends:
    """The event that the task just submitted has ended, whatever id it was given."""

    def __init__(self, code: str, sentence: str) -> None:
        self.reason = {"code": code, "sentence": sentence}
        self.stub: Stub | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        assert self.stub is not None
        (sent,) = [seen.body[0] for seen in self.stub.seen if (seen.method, seen.path) == ("POST", "/v1/tasks")]
        who = {"task": sent["id"], "name": sent["name"], "reason": self.reason}
        yield event("task.pending", "10:02:12.000", self.reason["sentence"], to="pending", **who)


def failed(ends: Ends, *words: str) -> tuple[Result, Stub]:
    """Measure where the first task ends as told."""
    with deck(CLUSTER, ends) as stub:  # type: ignore[arg-type]  # iterated over once, when the stream begins
        ends.stub = stub
        return ormen("bench", "--no-docker", *words, at=stub.address), stub


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.95, 10), (0.9, 9), (1.0, 10)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    """Nearest rank: the smallest value that at least that share does not exceed, whatever their order."""
    assert percentile([7, 10, 1, 3, 2, 9, 4, 8, 6, 5], share) == value
    assert percentile([4.5], share) == 4.5


def test_a_rate_is_tasks_by_the_median() -> None:
    """Ten tasks in a median of two seconds are five a second; one task has no rate."""
    assert Figures((1.0, 2.0, 9.0), tasks=10).to_json()["tasks_per_s"] == 5.0
    assert Figures((1.0,)).to_json()["tasks_per_s"] is None


def test_a_ratio_is_that_of_the_medians_and_only_of_what_can_be_compared() -> None:
    """There is none without Docker's figure, and none where another engine ran the tasks."""
    found = Collected(10)
    for ours, theirs in ((0.3, 0.2), (0.4, 0.25), (9.0, 9.0)):
        found.add(ORMEN, {THROUGHPUT: ours, START: ours, FAILOVER: ours})
        found.add(DOCKER, {START: theirs})
    rows = found.measures(comparable=True)
    assert [(row["measure"], row["tasks"], row["ratio"]) for row in rows] == [
        ("start", 1, 1.6),
        ("throughput", 10, None),
        ("failover", 1, None),
    ]
    assert {row["ratio"] for row in found.measures(comparable=False)} == {None}


def test_figures_are_told_with_their_place_and_their_meaning() -> None:
    """Where and of what, a row for each measure and by whom, what a figure means; alike for eyes and in a pipe."""
    golden("bench_80", render.measured(FOUND, eyes(80)))
    golden("bench_pipe", render.measured(FOUND, PIPE))
    assert fits(render.measured(FOUND, eyes(80)), 80)
    assert render.measured({**FOUND, "measures": []}, PIPE) == ""


def test_what_makes_figures_less_sure_is_told() -> None:
    """Other tasks, pulls, programs that had to be killed, another engine, an early end: a remark each."""
    golden("bench_doubtful", render.measured(DOUBTFUL, eyes(80)))
    assert render.measured(DOUBTFUL, PIPE, quiet=True).startswith("MEASURE")


def test_what_is_left_is_told_with_its_remedy() -> None:
    """The names, why, and the commands that remove it; a removal that was cut off knows no names."""
    left = {**FOUND, "left": ["bench-1f0c77aa-2"], "left_because": "no deck answers"}
    golden("bench_left", f"{render.left(left, eyes(80))}\n\n{render.left({**FOUND, 'left': None}, PIPE)}")


def test_a_program_that_ends_is_exit_1_and_its_task_is_removed() -> None:
    """The reason is the error's, the hint says what is needed, and the removal is asked for."""
    result, stub = failed(Ends("EXIT", "Exited with code 1, 0.1s after its start."), "--image", "alpine")
    assert (result.returncode, result.stdout) == (1, "")
    assert "does not run: exited with code 1, 0.1s after its start.  [EXIT]" in result.stderr
    assert "ormen bench --image alpine -- COMMAND" in result.stderr
    (sent,) = [seen.body[0] for seen in stub.seen if seen.path == "/v1/tasks" and seen.method == "POST"]
    removed = [seen.path for seen in stub.seen if seen.method == "DELETE"]
    assert removed == [f"/v1/tasks/{sent['id']}"]
    assert list(sent["labels"]) == ["ormen-bench"]


def test_without_the_demos_image_one_must_be_named() -> None:
    """It is in no registry: it is never pulled, and where it is missing --image is asked for, exit 2."""
    result, stub = failed(Ends("PULL_NOT_FOUND", "There is no ormen/echo:1 on node-1."))
    assert result.returncode == 2
    assert result.stderr.startswith("error: no other --image is named, and ormen/echo:1 is not on every node")
    assert next(seen.body[0]["pull"] for seen in stub.seen if seen.path == "/v1/tasks") == "never"


def test_no_room_is_said_before_anything_is_started() -> None:
    """The deck is asked for a plan first; the sentence has the amount, the reason and what would fit."""
    some = {"items": [*ROOM["items"] * 4, *FULL["items"] * 6]}
    with deck({**CLUSTER, "POST /v1/plan": [ROOM, some]}) as stub:
        result = ormen("bench", "--no-docker", at=stub.address)
    assert result.returncode == 1
    assert "6 tasks of 10 would wait: needs 0.1 cpu; the most free is 0; nothing was started" in result.stderr
    assert "hint:  --tasks 4 would fit now." in result.stderr
    assert not [seen for seen in stub.seen if (seen.method, seen.path) == ("POST", "/v1/tasks")]


def test_faults_are_told_by_their_flags() -> None:
    """What the deck says of a spec, the user reads of the flag it came from."""
    fault = {"pointer": "/0/image", "code": "MALFORMED", "detail": "is no image", "value": "A", "hint": None}
    refused = problem(422, "INVALID_SPEC", "1 fault; nothing was stored.", errors=[fault])
    with deck({**CLUSTER, "POST /v1/plan": refused}) as stub:
        result = ormen("bench", "--image", "A", at=stub.address)
    assert (result.returncode, "--image" in result.stderr, "IMAGE" in result.stderr) == (2, True, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "start,stpo"], '--only: "stpo" is none of start, stop, throughput, failover'),
        (["--tasks", "1"], "1 is not in the range"),
        (["--rounds", "many"], '--rounds: "many" is not a whole number'),
    ],
)
def test_wrong_use_is_exit_2(words: list[str], said: str) -> None:
    """The value and the rule are named, and no deck is asked."""
    result = ormen("bench", *words, at="127.0.0.1:1")
    assert (result.returncode, said in result.stderr) == (2, True), result.stderr


def test_a_deck_that_is_away_is_exit_5() -> None:
    """Nothing was started, so nothing is said of what may be left."""
    result = ormen("bench", "-o", "json", at="127.0.0.1:1")
    assert (result.returncode, result.stdout, json.loads(result.stderr)["code"]) == (5, "", "UNREACHABLE")
