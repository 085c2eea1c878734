"""``POST /v1/plan``: the answer that submitting would give, and no trace of it in Redis."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor
from tests.properties.raw import Raw

IDS = [f"7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e{n}" for n in range(3)]
SHOP = [
    {"name": "web-1", "image": "nginx", "ports": [{"container": 80, "host": 8080}]},
    {"name": "web-2", "image": "nginx", "ports": [{"container": 80, "host": 8080}], "strategy": "roundrobin"},
    {"name": "train", "image": "acme/train:2", "memory": "40GiB"},
]


def planned(api: FlaskClient, body: object) -> Any:
    """Ask for a plan and return it."""
    answer = api.post("/v1/plan", json=body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


def everything(store: LoopStore) -> tuple[dict[str, Any], list[Any]]:
    """Every key under the prefix and every event."""
    return Raw.read(store.client, store.settings.prefix).keys, store.client.xrange(store.keys.events)


def test_a_plan_says_what_submitting_then_does(api: FlaskClient, sailor: Sailor) -> None:
    """Node by node and reason by reason; each task of the list counts for the next."""
    shop = [{**spec, "id": task_id} for spec, task_id in zip(SHOP, IDS, strict=True)]
    plan = planned(api, shop)
    stored = api.post("/v1/tasks", json=shop).get_json()
    assert [row["node"] for row in plan["items"]] == [task["node"] for task in stored] == ["node-1", None, None]
    assert [row["reason"] for row in plan["items"]] == [task["reason"] for task in stored]
    assert (plan["start"], plan["wait"], plan["there"]) == (1, 2, 0)
    assert "held by task web-1" in plan["items"][1]["reason"]["sentence"]
    assert plan["items"][0]["because"].endswith("; there is no other node")


def test_a_plan_changes_nothing(api: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """Redis is the same to the last key before and after, round robin's turn and refusals included."""
    api.post("/v1/tasks", json={"name": "there", "image": "nginx", "strategy": "roundrobin"})
    before = everything(store)
    for body in (SHOP, SHOP[0], {"image": "nginx", "count": 150}):
        planned(api, body)
    for name, status in (("there", 409), ("b@d", 422)):
        assert api.post("/v1/plan", json={"name": name, "image": "nginx"}).status_code == status
    assert everything(store) == before


def test_what_is_there_already_is_told(api: FlaskClient, sailor: Sailor) -> None:
    """The same id with the same content is neither placed twice nor refused; other content is refused."""
    web = {**SHOP[0], "id": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"}
    api.post("/v1/tasks", json=web)
    plan = planned(api, [web, SHOP[1]])
    assert [(row["there"], row["node"]) for row in plan["items"]] == [("scheduled", "node-1"), (None, None)]
    assert (plan["start"], plan["wait"], plan["there"]) == (0, 1, 1)
    refused = api.post("/v1/plan", json={**web, "image": "other"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "ID_TAKEN")


def test_a_node_that_is_out_of_the_question_says_why(api: FlaskClient, sailor: Sailor) -> None:
    """Where no second node fits, the plan names what keeps the task off another."""
    Sailor(sailor.store, name="node-2").join()
    web = {"image": "nginx", "ports": [{"container": 80, "host": 8080}]}
    first, second = planned(api, [{**web, "name": "web-1"}, {**web, "name": "web-2"}])["items"]
    assert first["because"].startswith("cost ")
    assert f"; next {second['node']}, " in first["because"]
    assert second["because"].endswith(f"; {first['node']} has port 8080 taken by web-1")
