"""What the commands say of agents that call here though they have joined another cluster."""

from __future__ import annotations

import json

import pytest

from ormen.node import strange
from tests.unit.cli_stub import CREATED, deck, ormen

EMPTY = {"items": [], "next": None}
CALLERS = [{"name": f"node-{n}", "cluster": "c" * 32, "last_heartbeat_at": CREATED} for n in (1, 2)]
SAID = (
    "2 agents of another cluster call here: node-1, node-2. Their containers run on; start the agents again to join "
    "this cluster.\n"
)


@pytest.mark.parametrize(("command", "first"), [("mast", ""), ("status", "No tasks.\n")])
def test_an_emptied_redis_is_explained_to_whoever_looks(command: str, first: str) -> None:
    """A list without a node or a task says that agents of another cluster call here, and how they join."""
    with deck({"GET /v1/nodes": {**EMPTY, "strangers": CALLERS}, "GET /v1/tasks": EMPTY}) as stub:
        result = ormen(command, at=stub.address)
    assert (result.returncode, result.stderr) == (0, first + SAID)


def test_programs_get_nothing_of_it_on_stdout() -> None:
    """JSON stays a bare list; the remark goes to stderr."""
    with deck({"GET /v1/nodes": {**EMPTY, "strangers": CALLERS}}) as stub:
        result = ormen("mast", "-o", "json", at=stub.address)
    assert (json.loads(result.stdout), result.stderr) == ([], SAID)


def test_where_there_are_none_nothing_is_said() -> None:
    """An empty cluster says how to start an agent, and a filtered list does not ask for the nodes at all."""
    with deck({"GET /v1/nodes": {**EMPTY, "strangers": []}, "GET /v1/tasks": EMPTY}) as stub:
        assert ormen("mast", at=stub.address).stderr.startswith("No nodes. Start an agent")
        ormen("status", "--state", "failed", at=stub.address)
        assert [seen.path for seen in stub.seen][-1] == "/v1/tasks"


def test_one_and_many_are_named_and_counted() -> None:
    """One agent is an agent; of many the first ten are named."""
    assert strange(["a"]).startswith("An agent of another cluster calls here: a. Its container")
    assert "a, b, c, d, e, f, g, h, i, j and 2 more." in strange("abcdefghijkl")
