"""Nodes, and what the deck says of itself."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from ormen.doctor.work import late_loops
from ormen.node import Resources
from ormen.store.agent import Heartbeat
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor

WEB = {"name": "web", "image": "nginx", "cpu": 0.5, "ports": [{"container": 80, "host": 8080}]}


def test_nodes_are_listed_in_natural_order(api: FlaskClient, sailor: Sailor) -> None:
    """node-2 comes before node-10, each with what it has and what is taken."""
    for name in ("node-10", "node-2"):
        Sailor(sailor.store, name).join()
    items = api.get("/v1/nodes").get_json()["items"]
    assert [item["name"] for item in items] == ["node-1", "node-2", "node-10"]
    assert (items[0]["state"], items[0]["capacity"]["cpu"], items[0]["engine"]["version"]) == ("ready", 4.0, "24")


def test_a_node_shows_its_reservations_and_ports(api: FlaskClient, sailor: Sailor) -> None:
    """One node tells who holds which host port, and what is reserved."""
    api.post("/v1/tasks", json=WEB)
    node = api.get("/v1/nodes/node-1").get_json()
    assert (node["tasks"], node["reserved"]["cpu"], node["ports"]) == (1, 0.5, {"8080/tcp": "web"})


def test_an_unknown_node_is_not_found(api: FlaskClient, sailor: Sailor) -> None:
    """Each route of a node says which nodes there are."""
    for method, path in (("GET", ""), ("POST", "/drain"), ("POST", "/cordon"), ("POST", "/activate"), ("DELETE", "")):
        problem = api.open(f"/v1/nodes/node-9{path}", method=method).get_json()
        assert (problem["status"], problem["code"], problem["hint"]) == (404, "NODE_NOT_FOUND", "the nodes are node-1")
    assert api.patch("/v1/nodes/node-9", json={"labels": {}}).status_code == 404


def test_a_cordoned_node_gets_nothing_until_it_is_activated(api: FlaskClient, sailor: Sailor) -> None:
    """Cordon keeps new tasks away and says by whom and why; activate ends it."""
    cordoned = api.post("/v1/nodes/node-1/cordon", json={"reason": "kernel update", "by": "ann"})
    assert (cordoned.status_code, cordoned.get_json()["state"]) == (202, "cordoned")
    said = cordoned.get_json()["state_reason"]["sentence"]
    assert said.startswith("Cordoned")
    assert "ann" in said
    assert "kernel update" in said
    assert api.post("/v1/tasks", json=WEB).get_json()["reason"]["code"] == "NODE_CORDONED"
    assert api.post("/v1/nodes/node-1/activate").get_json()["state"] == "ready"


def test_a_drained_node_is_to_give_up_its_tasks(api: FlaskClient, sailor: Sailor) -> None:
    """Drain wants every task of the node moved: the agent finds them in its inbox."""
    task = api.post("/v1/tasks", json=WEB).get_json()
    sailor.start(task["id"])
    sailor.take()
    assert api.post("/v1/nodes/node-1/drain").get_json()["state"] == "draining"
    assert [found.name for found in sailor.take()] == ["web"]


def test_labels_are_set_and_removed(api: FlaskClient, sailor: Sailor) -> None:
    """PATCH sets labels, and null removes one; a faulty body changes nothing."""
    assert api.patch("/v1/nodes/node-1", json={"labels": {"disk": "ssd", "zone": None}}).get_json()["labels"] == {
        "disk": "ssd"
    }
    problem = api.patch("/v1/nodes/node-1", json={"labels": {"ormen.x": "1", "rack": 7}, "lables": {}}).get_json()
    assert {fault["pointer"] for fault in problem["errors"]} == {"/labels/ormen.x", "/labels/rack", "/lables"}
    assert api.get("/v1/nodes/node-1").get_json()["labels"] == {"disk": "ssd"}


@pytest.mark.parametrize(("key", "value"), [("a b", "c"), ("node", "zzz"), ("engine", "1"), ("disk", "a b")])
def test_a_label_is_one_that_a_constraint_can_name(api: FlaskClient, sailor: Sailor, key: str, value: str) -> None:
    """A key that is a fact of every node, or a word that no constraint can hold, is a fault with its rule."""
    answer = api.patch("/v1/nodes/node-1", json={"labels": {key: value}})
    assert answer.status_code == 422
    (fault,) = answer.get_json()["errors"]
    assert fault["pointer"] == f"/labels/{key}"
    assert "constraint can name" in fault["detail"] or "a fact that every node has" in fault["detail"]
    assert key not in api.get("/v1/nodes/node-1").get_json()["labels"]


def test_a_node_with_tasks_is_not_forgotten(api: FlaskClient, sailor: Sailor) -> None:
    """Only an empty or lost node is forgotten; the refusal says what is still there."""
    api.post("/v1/tasks", json=WEB)
    problem = api.delete("/v1/nodes/node-1").get_json()
    assert (problem["status"], problem["code"]) == (409, "STILL_RUNNING")
    assert "1 task" in problem["detail"]
    api.delete("/v1/tasks/web?force=1")
    sailor.store.confirm(api.get("/v1/events").get_json()["items"][-1]["task"], node="node-1")
    assert api.delete("/v1/nodes/node-1").status_code == 204


def test_agents_of_another_cluster_are_shown(api: FlaskClient, sailor: Sailor) -> None:
    """Whoever asks for the nodes or for readiness learns whose agents call here without being of this cluster."""
    beat = Heartbeat("node-7", "i1", "c" * 32, Resources(), 0.0)
    assert not sailor.store.heartbeat(beat).known
    (stranger,) = api.get("/v1/nodes").get_json()["strangers"]
    assert (stranger["name"], stranger["cluster"]) == ("node-7", "c" * 32)
    (remark,) = api.get("/readyz").get_json()["remarks"]
    assert remark.startswith("An agent of another cluster calls here: node-7.")


def test_the_deck_is_ready_once_its_loops_have_run(api: FlaskClient, store: LoopStore) -> None:
    """The answer of /readyz is 503 with the reasons until liveness and reschedule have run, then 200."""
    missing = api.get("/readyz")
    assert (missing.status_code, missing.get_json()["ready"]) == (503, False)
    assert missing.get_json()["reasons"][0].startswith("the loop liveness has never run")
    now = store.now_ms()
    store.client.hset(store.keys.loops, mapping={"liveness": now, "reschedule": now})
    assert (api.get("/readyz").status_code, api.get("/readyz").get_json()["reasons"]) == (200, [])


def test_a_loop_that_has_stopped_makes_the_deck_unready(api: FlaskClient, store: LoopStore) -> None:
    """A loop whose last success is old is named with its age."""
    now = store.now_ms()
    store.client.hset(store.keys.loops, mapping={"liveness": now - 60_000, "reschedule": now})
    answer = api.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["reasons"] == ["the loop liveness last ran 60s ago; are beat and the control worker up?"]


def test_a_slow_loop_has_its_time_before_it_is_missed() -> None:
    """A loop that runs once a minute is not missed in a deck that has just started."""
    ages = {"liveness": 0.5, "reschedule": 1.0, "health": None, "cleanup": None}
    assert late_loops(ages, up_s=10) == []
    assert [reason.split()[2] for reason in late_loops(ages, up_s=400)] == ["health", "cleanup"]


def test_metrics_tell_what_the_cluster_does(api: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """Prometheus reads tasks and nodes by state, loop ages, queues, subscribers and requests by route."""
    api.post("/v1/tasks", json=WEB)
    api.get("/v1/tasks/web")
    store.client.hset(store.keys.loops, mapping={"liveness": store.now_ms()})
    found = api.get("/metrics").get_data(as_text=True).splitlines()
    assert 'ormen_tasks{state="scheduled"} 1.0' in found
    assert 'ormen_nodes{state="ready"} 1.0' in found
    assert 'ormen_queue_messages{queue="node.node-1"} 1.0' in found
    assert 'ormen_http_requests_total{method="GET",route="/v1/tasks/<task>",status="200"} 1.0' in found
    assert {"ormen_store_up 1.0", "ormen_event_subscribers 0.0"} <= set(found)
    assert any(line.startswith('ormen_loop_age_seconds{loop="liveness"}') for line in found)


def test_the_version_names_the_cluster(api: FlaskClient, store: LoopStore) -> None:
    """Who asks learns which version answers, for which cluster."""
    assert api.get("/v1/version").get_json() == {"version": "0.1.0", "cluster": store.cluster()}


def test_the_documentation_needs_nothing_from_elsewhere(api: FlaskClient) -> None:
    """/docs shows every route of /openapi.json and loads nothing from another host."""
    document = api.get("/openapi.json").get_json()
    page = api.get("/docs").get_data(as_text=True)
    assert document["openapi"] == "3.1.0"
    assert all(path in page for path in document["paths"])
    assert "http://" not in page.replace(document["info"]["description"], "")
    assert "https://" not in page
    assert "<script" not in page


def test_the_documentation_describes_the_spec(api: FlaskClient) -> None:
    """The body of a submission is described field by field, as one spec or a list."""
    document = api.get("/openapi.json").get_json()
    body = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    spec = document["components"]["schemas"][body["oneOf"][0]["$ref"].rsplit("/", 1)[1]]
    assert {"image", "memory", "ports", "health", "count"} <= set(spec["properties"])
    assert spec["required"] == ["image"]
