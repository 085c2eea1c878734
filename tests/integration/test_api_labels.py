"""Labels that an admin sets on a node, and those with which its agent is started."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.integration.sailors import Sailor


def test_labels_of_an_admin_survive_the_agent(api: FlaskClient, sailor: Sailor) -> None:
    """The agent brings zone=eu at each start; what an admin set, also the removal of one, holds over it."""
    path = "/v1/nodes/node-1"
    assert api.get(path).get_json()["labels"] == {"zone": "eu"}
    api.patch(path, json={"labels": {"zone": "us", "disk": "ssd"}})
    sailor.join()
    assert api.get(path).get_json()["labels"] == {"zone": "us", "disk": "ssd"}
    api.patch(path, json={"labels": {"zone": None}})
    sailor.join()
    assert api.get(path).get_json()["labels"] == {"disk": "ssd"}


def test_joined_at_is_of_the_agent_that_runs(api: FlaskClient, sailor: Sailor) -> None:
    """An agent that joins again keeps its time; a new instance has a new one."""
    first = api.get("/v1/nodes/node-1").get_json()["joined_at"]
    sailor.join()
    assert api.get("/v1/nodes/node-1").get_json()["joined_at"] == first
    sailor.join(instance="another")
    assert api.get("/v1/nodes/node-1").get_json()["joined_at"] > first
