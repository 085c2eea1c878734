"""What the Tab key offers: names that the deck knows, quickly, or nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_stub import TRAIN, UP, deck, node, variables

ANSWERS = {
    "GET /v1/tasks": {"items": [UP, TRAIN, {**UP, "name": "worker-1"}], "next": None},
    "GET /v1/nodes": {"items": [node("node-1"), node("node-2")], "strangers": [], "next": None},
}


def offered(line: str, at: str) -> list[str]:
    """What bash is told to offer for the last word of a line."""
    words = line.split(" ")
    env = {"_ORMEN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-m", "ormen.cli"]
    found = subprocess.run(command, capture_output=True, text=True, env=variables(at, env), timeout=60, check=False)
    assert found.stderr == ""
    return [row.partition(",")[2] for row in found.stdout.split()]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ormen stop w", ["web", "worker-1"]),
        ("ormen stop web w", ["worker-1"]),
        ("ormen logs tr", ["train"]),
        ("ormen wait ", ["web", "train", "worker-1"]),
        ("ormen mast node", ["node-1", "node-2"]),
        ("ormen mast drain node-2", ["node-2"]),
        ("ormen mast label n", ["node-1", "node-2"]),
        ("ormen status --node n", ["node-1", "node-2"]),
        ("ormen inspect ", ["web", "train", "worker-1", "node-1", "node-2"]),
    ],
)
def test_names_are_offered_where_they_belong(line: str, names: list[str]) -> None:
    """Tasks where a task is due, nodes where a node is, and none twice."""
    with deck(ANSWERS) as stub:
        assert offered(line, stub.address) == names


def test_commands_of_mast_are_offered_beside_nodes() -> None:
    """Either may stand there."""
    with deck(ANSWERS) as stub:
        assert {"drain", "label", "node-1"} <= set(offered("ormen mast ", stub.address))


def test_the_deck_that_the_line_names_is_asked() -> None:
    """-m on the line wins over the variable, as it does when the line is run."""
    with deck(ANSWERS) as stub:
        assert offered(f"ormen -m {stub.address} stop we", "127.0.0.1:1") == ["web"]


def test_a_deck_that_is_away_offers_nothing_and_says_nothing() -> None:
    """Nobody waits for the Tab key, and an error there would be in the middle of the line."""
    assert offered("ormen stop w", "127.0.0.1:1") == []
