"""GPUs over the API: which a node has, which a task got, and why one waits."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.integration.sailors import Sailor


def test_a_task_has_the_gpus_that_its_record_names(api: FlaskClient, sailor: Sailor) -> None:
    """The node shows how many are given away; a second task that names one of them waits for its holder."""
    sailor.facts = {"gpus": ["GPU-aa", "GPU-bb"]}
    sailor.join()
    record = api.post("/v1/tasks", json={"image": "nginx", "name": "one", "gpus": 1}).get_json()
    assert (record["state"], record["gpus"], record["spec"]["gpus"]) == ("scheduled", ["GPU-aa"], 1)
    node = api.get("/v1/nodes/node-1").get_json()
    assert (node["capacity"]["gpus"], node["reserved"]["gpus"]) == (2, 1)
    second = api.post("/v1/tasks", json={"image": "nginx", "name": "two", "gpus": ["0"]}).get_json()
    assert (second["state"], second["reason"]["code"], second["gpus"]) == ("pending", "FIT_GPU", [])
    assert f"GPU 0: task one ({record['id'][:8]})" in api.get("/v1/tasks/two/why").get_data(as_text=True)


def test_what_no_node_has_is_told_before_it_is_submitted(api: FlaskClient, sailor: Sailor) -> None:
    """A plan says so, and changes nothing."""
    sailor.facts = {"gpus": ["GPU-aa"]}
    sailor.join()
    plan = api.post("/v1/plan", json={"image": "nginx", "gpus": 4}).get_json()
    assert "Needs 4 GPUs; the largest node, node-1, has 1." in str(plan)
