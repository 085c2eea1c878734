"""``PATCH /v1/tasks/{t}``: what may be changed of a task, and how a change is refused whole."""

from __future__ import annotations

import threading
from typing import Any

from flask.testing import FlaskClient

from ormen.store.agent import Remark
from tests.integration.sailors import Sailor
from tests.waiting import wait_until

WEB = {"name": "web", "image": "nginx", "labels": {"app": "shop"}, "memory": "512MiB"}


def submit(api: FlaskClient, **fields: Any) -> Any:
    """Submit a task and return its record."""
    answer = api.post("/v1/tasks", json={**WEB, **fields})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return answer.get_json()


def test_a_change_is_answered_with_the_record_as_it_is_then(api: FlaskClient, sailor: Sailor) -> None:
    """202 with the new name and labels, the spec as it was written; the event says what has changed."""
    task = submit(api)
    body = {"name": "api", "memory": "1GiB", "labels": {"app": None, "tier": "front"}}
    answer = api.patch("/v1/tasks/web", json=body)
    record = answer.get_json()
    assert (answer.status_code, record["id"], record["name"]) == (202, task["id"], "api")
    assert (record["labels"], record["spec"]["memory"]) == ({"tier": "front"}, "1GiB")
    assert (record["resizing"], record["resize_refused"]) == (True, None)
    told = [event for event in api.get("/v1/tasks/api/events").get_json()["items"] if event["type"] == "task.updated"]
    assert told[0]["sentence"] == (
        "its name is api, was web; memory 1 GiB, was 512 MiB; memory limit 1 GiB, was 512 MiB;"
        " label tier=front; no label app"
    )


def test_a_request_that_is_repeated_after_a_change_is_the_same_task(api: FlaskClient, sailor: Sailor) -> None:
    """The id stands for what was asked for first, so whoever got no answer may still repeat it."""
    task = submit(api, id="7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4")
    api.patch("/v1/tasks/web", json={"memory": "1GiB", "name": "api"})
    again = submit(api, id=task["id"])
    assert (again["name"], again["spec"]["memory"]) == ("api", "1GiB")


def test_a_wait_ends_once_the_node_has_made_the_change(api: FlaskClient, sailor: Sailor) -> None:
    """`wait=1` answers when the container has its new limits, not before."""
    task = submit(api)
    found: list[Any] = []

    def ask() -> None:
        other = api.application.test_client()
        found.append(other.patch("/v1/tasks/web?wait=1&timeout=30", json={"cpu": 0.5}).get_json())

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: api.get("/v1/tasks/web").get_json()["resizing"], what="for the change")
    assert asking.is_alive()
    sailor.store.note(Remark(task["id"], "node-1", 1, "task.resized", "node-1 gives it 0.5 cpu", resize=1))
    asking.join(10)
    assert (found[0]["resizing"], found[0]["spec"]["cpu"]) == (False, 0.5)


def test_a_change_that_is_refused_changes_nothing(api: FlaskClient, sailor: Sailor) -> None:
    """Every fault with its pointer, a name that is taken, more than the node has: each with its own code."""
    before = submit(api)
    submit(api, name="api")
    faulty = api.patch("/v1/tasks/web", json={"image": "x", "cpu": "500m", "memory_limit": "64MiB"})
    assert faulty.status_code == 422
    assert [each["pointer"] for each in faulty.get_json()["errors"]] == ["/image", "/cpu", "/memory_limit"]
    taken = api.patch("/v1/tasks/web", json={"name": "api"})
    assert (taken.status_code, taken.get_json()["code"]) == (409, "NAME_TAKEN")
    large = api.patch("/v1/tasks/web", json={"memory": "1TiB", "labels": {"a": "b"}})
    assert (large.status_code, large.get_json()["code"], large.get_json()["node"]) == (409, "NO_ROOM", "node-1")
    assert "web cannot have 1 TiB of memory: node-1 has" in large.get_json()["detail"]
    assert api.get("/v1/tasks/web").get_json() == before


def test_what_changes_nothing_tells_nothing(api: FlaskClient, sailor: Sailor) -> None:
    """The same values again are no event, and the record stays as it is."""
    before = submit(api)
    assert api.patch("/v1/tasks/web", json={"memory": 536870912, "labels": {"app": "shop"}}).get_json() == before
    assert api.patch("/v1/tasks/web", json=[]).status_code == 422
    assert api.patch("/v1/tasks/nope", json={}).status_code == 404
