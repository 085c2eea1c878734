"""``ormen prune``: what it says, when it asks, and what it asks the deck for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cli_golden import PIPE, eyes, fits, golden
from cli_stub import Stub, deck, ormen

from ormen.cli.render import prune as render
from ormen.client_fleet import added


def node(name: str, **fields: Any) -> dict[str, Any]:
    """A node's part of the answer."""
    return {
        "node": name,
        "containers": 0,
        "left": 0,
        "images": [],
        "volumes": [],
        "orphans": [],
        "error": None,
        **fields,
    }


FULL: dict[str, Any] = {
    "dry_run": True,
    "kinds": ["images", "volumes"],
    "tasks": 12,
    "names": [f"report-{n}" for n in range(12)],
    "more": False,
    "nodes": [
        node(
            "node-1",
            containers=3,
            images=[{"name": "acme/api:4.1", "bytes": 400_000_000}, {"name": "acme/api:4.0", "bytes": 200_000_000}],
            volumes=["3fa9" * 16],
        ),
        node("node-2", containers=9, left=1, orphans=["web.4f3c2a10b7"]),
        node("node-3", error="node-3 is lost"),
    ],
}
NOTHING = {**FULL, "kinds": [], "tasks": 0, "names": [], "nodes": [node("node-1")]}
GONE = {**FULL, "dry_run": False}


def test_what_would_go_is_a_sentence_and_a_row_a_node() -> None:
    """First the tasks, then each node concerned with what is named of it; what was not asked for is a hint."""
    text = render.pruned(FULL, eyes(80))
    golden("prune_80", f"{text}\n\n{render.hints(FULL)}")
    golden("prune_pipe", render.pruned(GONE, PIPE))
    assert fits(text, 80)
    assert render.pruned(NOTHING, PIPE) == "Nothing to remove."


@pytest.fixture
def full() -> Iterator[Stub]:
    """A deck that has something to prune."""
    with deck({"POST /v1/prune": FULL}) as stub:
        yield stub


def test_where_nobody_can_answer_prune_wants_yes(full: Stub) -> None:
    """Neither -y nor a terminal: exit 2, and the deck has not even been asked."""
    result = ormen("prune", at=full.address)
    assert (result.returncode, full.seen) == (2, [])
    assert "-y" in result.stderr
    assert "--dry-run" in result.stderr


def test_a_dry_run_asks_nothing_and_removes_nothing(full: Stub) -> None:
    """One request, which says so."""
    result = ormen("prune", "--dry-run", "--older-than", "24h", "--images", at=full.address)
    assert result.returncode == 0, result.stderr
    assert [seen.body for seen in full.seen] == [{"older_than": 86400.0, "kinds": ["images"], "dry_run": True}]
    assert "12 ended tasks would be removed" in result.stdout
    assert "1 orphan could go, too: ormen prune --orphans" in result.stderr


def test_yes_removes_at_once(full: Stub) -> None:
    """With -o json the deck's document is all; a node that could not be asked for what was named is exit 1."""
    result = ormen("prune", "-y", "--volumes", "-o", "json", at=full.address)
    assert [seen.body["dry_run"] for seen in full.seen] == [False]
    assert json.loads(result.stdout) == FULL
    assert result.returncode == 1


def test_more_than_one_request_takes_is_removed_by_further_ones() -> None:
    """Tasks and containers add up; what nodes removed beside them stands once."""
    first, second = {**GONE, "more": True}, {**GONE, "tasks": 2, "names": ["a", "b"]}
    with deck({"POST /v1/prune": [first, second]}) as stub:
        result = ormen("prune", "-y", "-o", "json", at=stub.address)
    found = json.loads(result.stdout)
    assert (found["tasks"], found["names"][-1], found["more"]) == (14, "b", False)
    assert [row["containers"] for row in found["nodes"]] == [6, 18, 0]
    assert found == added(first, second)
