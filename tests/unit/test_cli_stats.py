"""`ormen stats` and `ormen top`, against a deck that answers from documents."""

from __future__ import annotations

import json
from typing import Any

from cli_stub import WEB, deck, node, ormen

MIB = 1024**2


def use(name: str, cpu: float | None, memory_mib: int) -> dict[str, Any]:
    """One row of /v1/stats."""
    return {
        "task": WEB["id"], "name": name, "node": "node-1", "attempt": 1, "cpu": cpu, "memory_bytes": memory_mib * MIB,
        "memory_limit_bytes": None, "received_bytes": 0, "sent_bytes": 2048, "read_bytes": 0, "written_bytes": 0,
        "pids": 3,
    }  # fmt: skip


SILENT = {"node": "node-2", "error": "node-2 has not answered within 4s"}
ANSWERS = {
    "GET /v1/stats": {
        "items": [use("api", 0.25, 300), use("web", 1.5, 20)],
        "nodes": [{"node": "node-1", "error": None}, SILENT],
        "next": None,
    },
    "GET /v1/nodes": {"items": [node("node-1")], "strangers": [], "next": None},
}


def test_stats_shows_each_task_and_names_silent_nodes() -> None:
    """A row a task with what it uses, then the nodes that said nothing; the filters reach the deck."""
    with deck(ANSWERS) as stub:
        lines = ormen("stats", "api", "web", "--no-stream", at=stub.address).stdout.splitlines()
    assert " ".join(lines[0].split()) == "NAME NODE CPU MEMORY LIMIT NET IN NET OUT READ WRITTEN PIDS"
    assert lines[1].split()[:5] == ["api", "node-1", "0.25", "300", "MiB"]
    assert lines[3] == "! node-2 has not answered within 4s; its tasks are left out"
    assert stub.seen[0].query == {"task": ["api", "web"]}


def test_stats_for_programs() -> None:
    """JSON is a bare array of the tasks, names and ids a line each; with silent nodes on stderr it is no success."""
    with deck(ANSWERS) as stub:
        whole = ormen("stats", "--node", "node-1", "-o", "json", at=stub.address)
        assert (json.loads(whole.stdout), whole.returncode) == (ANSWERS["GET /v1/stats"]["items"], 1)
        assert "node-2 has not answered" in whole.stderr
        assert ormen("stats", "-o", "name", at=stub.address).stdout == "api\nweb\n"
        assert ormen("stats", "-q", at=stub.address).stdout == f"{WEB['id']}\n" * 2
        assert ormen("stats", "web", "--node", "node-1", at=stub.address).returncode == 2
    heard = {**ANSWERS["GET /v1/stats"], "nodes": [{"node": "node-1", "error": None}]}
    with deck({**ANSWERS, "GET /v1/stats": heard}) as stub:
        assert ormen("stats", "-q", at=stub.address).returncode == 0


def test_top_shows_nodes_with_their_reservations_and_the_busiest_task_first() -> None:
    """What is used stands beside what is reserved; the order is by cpu, memory or name, as asked.

    The first line counts also the tasks of a node that says nothing.
    """
    with deck(ANSWERS) as stub:
        lines = ormen("top", at=stub.address).stdout.splitlines()
        by_memory = ormen("top", "--sort", "memory", at=stub.address).stdout.splitlines()
    assert lines[0] == "1 node ready, 4 tasks on nodes"
    assert lines[3].split()[:6] == ["node-1", "ready", "4", "0.40", "1.5", "4"]
    assert [line.split()[0] for line in lines[6:8]] == ["web", "api"]
    assert [line.split()[0] for line in by_memory[6:8]] == ["api", "web"]


def test_top_for_programs_is_the_tasks_in_the_order_asked_for() -> None:
    """JSON is a bare array, -q ids, -o name names; the silent nodes are on stderr and nothing else is printed."""
    with deck(ANSWERS) as stub:
        whole = ormen("top", "-o", "json", at=stub.address)
        assert [item["name"] for item in json.loads(whole.stdout)] == ["web", "api"]
        assert "node-2 has not answered" in whole.stderr
        assert ormen("top", "-o", "name", "--sort", "memory", at=stub.address).stdout == "api\nweb\n"
        assert ormen("top", "-q", at=stub.address).stdout == f"{WEB['id']}\n" * 2
