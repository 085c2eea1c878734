"""The brake over HTTP, and nodes that are forgotten while it holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.fundamentals.world import World

NAMES = [f"node-{number}" for number in range(1, 6)]


@pytest.fixture
def world(app: Flask) -> Iterator[World]:
    """Five nodes with a task each; three of them have fallen silent."""
    made = World(app.extensions["ormen"].settings)
    for name in NAMES:
        made.sailor(name)
    for name in NAMES:
        made.run(f"on-{name}", constraints=[f"node={name}"])
    for name in NAMES[:3]:
        made.silence(name)
    made.loops.liveness()
    yield made
    made.close()


def test_what_is_held_is_shown(app: Flask, world: World) -> None:
    """The route, the nodes, readiness and the metrics agree."""
    api = app.test_client()
    brake = api.get("/v1/brake").get_json()
    assert (brake["on"], brake["silent"], brake["known"]) == (True, 3, 5)
    assert (brake["nodes"], brake["tasks"], brake["moves_at"]) == (NAMES[:3], 3, None)
    assert api.get("/v1/nodes/node-1").get_json()["state_reason"]["code"] == "BRAKE"
    assert api.get("/readyz").get_json()["remarks"] == [brake["sentence"]]
    metrics = api.get("/metrics").text
    assert "ormen_brake_nodes 3.0" in metrics
    assert "ormen_brake_tasks 3.0" in metrics


def test_a_release_answers_with_what_it_lets_go(app: Flask, world: World) -> None:
    """The first release is accepted and tells the amounts; a second one finds nothing to release."""
    api = app.test_client()
    answer = api.post("/v1/brake/release", json={"reason": "power cut", "by": "ann"})
    assert (answer.status_code, answer.get_json()["on"], answer.get_json()["tasks"]) == (202, False, 3)
    again = api.post("/v1/brake/release")
    assert (again.status_code, again.get_json()["code"]) == (409, "NOT_BRAKED")
    assert api.get("/v1/brake").get_json()["on"] is False
    events = [event["sentence"] for event in api.get("/v1/events?limit=1000").get_json()["items"]]
    assert "released by ann: power cut; 3 tasks of 3 nodes are placed anew" in events


def test_who_forgets_a_held_node_gives_its_tasks_free(app: Flask, world: World) -> None:
    """Removing a node says that it will not return: its tasks wait for another place, and nothing of it is left."""
    assert app.test_client().delete("/v1/nodes/node-1").status_code == 204
    task = app.test_client().get("/v1/tasks/on-node-1").get_json()
    assert (task["state"], task["reason"]["code"]) == ("pending", "NODE_LOST")
    left = [key for key in world.store.client.keys("*") if "node-1" in key]
    assert left == []
    brake = world.store.brake()
    assert (brake.silent, brake.known, brake.nodes) == (3, 5, ("node-2", "node-3"))
