"""``ormen why`` and ``ormen events NODE`` as commands: what is asked, what is printed, and the exit code."""

from __future__ import annotations

import json
from typing import Any

import yaml
from cli_stub import deck, node, ormen, problem
from why_cases import well

from ormen.why.document import explain

WELL: dict[str, Any] = explain(well())
GONE = problem(404, "TASK_NOT_FOUND", 'no task "wbe"', hint="did you mean web?")
WAY = "/v1/tasks/web/why"


def test_why_prints_text_json_yaml_or_the_sentence_alone() -> None:
    """One object for one task, as YAML the same; -q is for scripts that only want to say it on."""
    with deck({f"GET {WAY}": WELL}) as stub:
        text, raw, other, short = (
            ormen("why", "web", *more, at=stub.address)
            for more in ((), ("-o", "json"), ("-o", "yaml"), ("-q",))
        )  # fmt: skip
    assert text.stdout.startswith("web runs on node-1 as asked, since ")
    assert json.loads(raw.stdout) == yaml.safe_load(other.stdout) == WELL
    assert short.stdout == WELL["sentence"] + "\n"


def test_each_task_is_tried_and_the_first_failure_is_the_exit_code() -> None:
    """A word that means none is told on stderr with what was probably meant."""
    with deck({f"GET {WAY}": WELL, "GET /v1/tasks/wbe/why": GONE}) as stub:
        done = ormen("why", "wbe", "web", at=stub.address)
        asked = ormen("why", "web", "web", "-o", "json", at=stub.address)
    assert (done.returncode, done.stdout.startswith("web runs")) == (3, True)
    assert 'no task "wbe"; did you mean web?  [TASK_NOT_FOUND]' in done.stderr
    assert len(json.loads(asked.stdout)) == 2


def test_a_node_and_all_nodes_are_asked_for() -> None:
    """What the flags send; a node that is none is exit 3."""
    lost = problem(404, "NODE_NOT_FOUND", 'no node "node-9"')
    with deck({f"GET {WAY}": [WELL, WELL, lost]}) as stub:
        codes = [
            ormen("why", "web", *more, at=stub.address).returncode
            for more in (("--all",), ("--node", "node-2"), ("--node", "node-9"))
        ]
    assert codes == [0, 0, 3]
    assert [seen.query for seen in stub.seen] == [{"all": ["1"]}, {"node": ["node-2"]}, {"node": ["node-9"]}]


def event(kind: str, at: str) -> dict[str, Any]:
    """One event of node-2."""
    empty = dict.fromkeys(("task", "name", "reason"))
    return {**empty, "id": "1-0", "type": kind, "at": f"2026-11-21T{at}Z", "node": "node-2", "sentence": "as told"}


def test_the_events_of_a_node_are_its_own_with_the_gaps_between() -> None:
    """Not what happened to tasks there, -q their ids; a word that is neither task nor node is refused as a task."""
    ways = (("node.suspect", "10:03:40.019"), ("task.pending", "10:03:45.030"), ("node.lost", "10:03:45.022"),
            ("node.ready", "10:07:45.022"))  # fmt: skip
    routes: dict[str, Any] = {
        "GET /v1/tasks/node-2": GONE,
        "GET /v1/nodes/node-2": node("node-2"),
        "GET /v1/events": {"items": [event(*way) for way in ways], "next": None},
        "GET /v1/tasks/wbe": GONE,
        "GET /v1/nodes/wbe": problem(404, "NODE_NOT_FOUND", "x"),
    }
    with deck(routes) as stub:
        shown, refused = (ormen("events", word, "--utc", at=stub.address) for word in ("node-2", "wbe"))
        ids = ormen("events", "node-2", "-q", at=stub.address)
    assert [line.split()[1:-2] for line in shown.stdout.splitlines()] == [
        ["suspect"], ["+5.0s", "lost"], ["+4m", "ready"],
    ]  # fmt: skip
    assert (refused.returncode, "TASK_NOT_FOUND" in refused.stderr) == (3, True)
    assert ids.stdout.split() == ["1-0"] * 3
