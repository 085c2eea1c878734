"""The seeds' dialect at ``/tasks`` and ``/nodes``, and the faults of theirs that must not be repeated.

The bodies are those of the two READMEs; the answers are decoded as strictly by type as Go would.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient

from ormen.store.loops import LoopStore
from tests.integration.sailors import GIB, Sailor

TASK_ID = "bb1d59ef-9fc1-4e4b-a44d-db571eeed203"
NEVER = "0001-01-01T00:00:00Z"
SAIL: dict[str, Any] = {
    "ID": TASK_ID,
    "Name": "test-chapter-9.1",
    "State": 1,
    "Image": "timboring/echo-server:latest",
    "ExposedPorts": {"7777/tcp": {}},
    "PortBindings": {"7777/tcp": "7777"},
    "HealthCheck": "/health",
}
EVENT = {"ID": "a7aa1d44-08f6-443e-9378-f5884311019e", "State": 2, "Sail": SAIL}
STOP = {"ID": "6be4cb6b-61d1-40cb-bc7b-9cacefefa60c", "State": 3, "Task": {"State": 2, "ID": TASK_ID}}
KEYS: dict[str, type | tuple[type, ...]] = {
    "ID": str, "ContainerID": str, "Name": str, "State": int, "Image": str, "Cpu": (int, float), "Memory": int,
    "Disk": int, "ExposedPorts": (dict, type(None)), "HostPorts": (dict, type(None)),
    "PortBindings": (dict, type(None)), "RestartPolicy": str, "StartTime": str, "FinishTime": str,
    "HealthCheck": str, "RestartCount": int,
}  # fmt: skip


def post(api: FlaskClient, body: object, path: str = "/tasks") -> Any:
    """Post as ``curl -X POST -d @task1.json`` does: with a form's Content-Type."""
    return api.post(path, data=json.dumps(body), content_type="application/x-www-form-urlencoded")


def test_an_event_is_answered_with_the_task_in_the_seeds_form(api: FlaskClient, sailor: Sailor) -> None:
    """POST /tasks answers 201 and the task: every key, in their order, each of the type that Go decodes."""
    answer = post(api, EVENT)
    task = answer.get_json()
    assert (answer.status_code, list(json.loads(answer.data))) == (201, list(KEYS))
    assert all(isinstance(task[key], kind) for key, kind in KEYS.items())
    assert (task["ID"], task["State"], task["Image"]) == (TASK_ID, 1, "timboring/echo-server:latest")
    assert (task["StartTime"], task["FinishTime"], task["ContainerID"]) == (NEVER, NEVER, "")
    assert task["PortBindings"] == {"7777/tcp": "7777"}


@pytest.mark.parametrize(
    "body", [EVENT, {**EVENT, "Sail": None, "Task": SAIL}, SAIL, {"id": EVENT["ID"], "sail": SAIL}]
)
def test_every_envelope_of_the_seeds_is_understood(api: FlaskClient, body: dict[str, Any]) -> None:
    """Sail, Task, a bare task, and keys in any case are the same task."""
    assert post(api, body).get_json()["ID"] == TASK_ID


def test_a_trailing_slash_changes_nothing(api: FlaskClient) -> None:
    """Each route is there with and without the slash."""
    assert post(api, EVENT, "/tasks/").status_code == 201
    assert [task["ID"] for task in api.get("/tasks/").get_json()] == [TASK_ID]
    assert api.get("/nodes/").status_code == 200
    assert api.delete(f"/tasks/{TASK_ID}/").status_code == 204


def test_a_second_post_of_the_same_task_is_not_a_second_task(api: FlaskClient, sailor: Sailor) -> None:
    """The same event again is answered with the task as it is now."""
    post(api, EVENT)
    sailor.start(TASK_ID)
    assert (post(api, EVENT).status_code, post(api, EVENT).get_json()["State"]) == (201, 2)
    assert len(api.get("/tasks").get_json()) == 1


def test_an_event_with_state_3_stops_the_task(api: FlaskClient, sailor: Sailor) -> None:
    """The second seed's stop_task.json stops, and the task is Completed once its container has ended."""
    post(api, EVENT)
    sailor.start(TASK_ID)
    answer = post(api, STOP)
    assert (answer.status_code, answer.get_json()["ID"]) == (201, TASK_ID)
    sailor.end(TASK_ID)
    assert api.get("/tasks").get_json()[0]["State"] == 3


def test_delete_stops_and_an_unknown_id_is_404(api: FlaskClient, sailor: Sailor) -> None:
    """DELETE answers 204 without a body; an id that is unknown, or none, is 404 with the error body."""
    post(api, EVENT)
    gone = api.delete(f"/tasks/{TASK_ID}")
    assert (gone.status_code, gone.data) == (204, b"")
    for word in (str(uuid.UUID(int=1)), "web"):
        answer = api.delete(f"/tasks/{word}")
        assert (answer.status_code, answer.mimetype) == (404, "application/json")
        assert answer.get_json() == {"HTTPStatusCode": 404, "Message": f'no task "{word}"'}
    assert post(api, {**STOP, "Task": {"ID": str(uuid.UUID(int=1))}}).status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"State": "two"}', b'{"Sail": 3}', b'{"Sail": {"ID": "x"}}', b"{}"]
)
def test_a_body_that_is_no_event_is_400_with_the_error_body(api: FlaskClient, body: bytes) -> None:
    """What is no event is refused in the seeds' own form, with a sentence."""
    answer = api.post("/tasks", data=body)
    assert (answer.status_code, answer.get_json()["HTTPStatusCode"]) == (400, 400)
    assert set(answer.get_json()) == {"HTTPStatusCode", "Message"}
    assert answer.get_json()["Message"]


def test_faults_of_a_task_are_named_by_the_seeds_own_keys(api: FlaskClient) -> None:
    """A field's fault is told by the name that the client knows."""
    answer = post(api, {**EVENT, "Sail": {**SAIL, "PortBindings": {"7777/tcp": "70000"}, "Memory": -5}})
    message = answer.get_json()["Message"]
    assert answer.status_code == 400
    assert "PortBindings" in message
    assert "Memory" in message
    assert api.get("/tasks").get_json() == []


def test_nodes_are_told_as_the_seeds_do(api: FlaskClient, sailor: Sailor) -> None:
    """GET /nodes has every key of theirs, memory in kB, disk in bytes, and the whole of Stats."""
    (node,) = api.get("/nodes").get_json()
    assert (node["Name"], node["Api"], node["Role"]) == ("node-1", "http://127.0.0.1:5556", "worker")
    assert (node["Memory"], node["Disk"], node["TaskCount"]) == (4 * GIB // 1024, 100 * GIB, 0)
    assert set(node["Stats"]) == {"MemStats", "DiskStats", "CpuStats", "LoadStats", "TaskCount"}


def test_unknown_routes_of_the_dialect_answer_in_it(api: FlaskClient) -> None:
    """A method or path beside those of the seeds gets their error body, too."""
    assert api.put("/tasks").get_json()["HTTPStatusCode"] == 405
    assert api.get(f"/tasks/{TASK_ID}/x").get_json()["HTTPStatusCode"] == 404


def test_with_a_token_the_dialect_is_closed_and_says_why(guarded: FlaskClient) -> None:
    """The seeds know no token, so a deck with one answers 401 in their form with the remedy."""
    answer = guarded.get("/tasks")
    assert (answer.status_code, answer.get_json()["HTTPStatusCode"]) == (401, 401)
    assert "--insecure" in answer.get_json()["Message"]


# The faults at the end of the page about the seeds, as far as they show without a container.


def test_fault_1_an_unreachable_node_does_not_bring_the_deck_down(
    api: FlaskClient, sailor: Sailor, store: LoopStore
) -> None:
    """With its node silent the deck still answers and lists the task."""
    post(api, EVENT)
    store.client.zadd(store.keys.heartbeats, {"node-1": 1})
    assert [task["ID"] for task in api.get("/tasks").get_json()] == [TASK_ID]
    assert api.get("/nodes").status_code == 200


def test_fault_2_a_dead_node_is_never_chosen(api: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """A node that is silent is not the cheapest: the task goes to the one that lives."""
    store.client.zadd(store.keys.heartbeats, {"node-1": 1})
    store.client.hset(store.keys.loops, "since", 1)
    Sailor(sailor.store, "node-2").join()
    post(api, EVENT)
    assert api.get(f"/v1/tasks/{TASK_ID}").get_json()["node"] == "node-2"


def test_fault_3_a_task_that_fits_nowhere_is_kept(api: FlaskClient, sailor: Sailor) -> None:
    """A task accepted with 201 stays, pending, until there is room."""
    assert post(api, {**EVENT, "Sail": {**SAIL, "Memory": 64 * GIB}}).get_json()["State"] == 0
    assert [task["State"] for task in api.get("/tasks").get_json()] == [0]


def test_fault_7_port_bindings_are_kept(api: FlaskClient, sailor: Sailor) -> None:
    """The host port that was asked is the one that is given."""
    post(api, {**EVENT, "Sail": {**SAIL, "PortBindings": {"7777/tcp": "7801"}}})
    (port,) = api.get(f"/v1/tasks/{TASK_ID}").get_json()["ports"]
    assert (port["container"], port["host"]) == (7777, 7801)


def test_fault_9_completed_is_said_when_the_container_has_ended(api: FlaskClient, sailor: Sailor) -> None:
    """A stop is Running until the end is seen, and both times are set then."""
    post(api, EVENT)
    sailor.start(TASK_ID)
    api.delete(f"/tasks/{TASK_ID}")
    (task,) = api.get("/tasks").get_json()
    assert (task["State"], task["StartTime"] != NEVER, task["FinishTime"]) == (2, True, NEVER)
    sailor.end(TASK_ID)
    (task,) = api.get("/tasks").get_json()
    assert (task["State"], task["StartTime"] != NEVER, task["FinishTime"] != NEVER) == (3, True, True)


def test_fault_11_a_stop_is_never_refused_for_the_state(api: FlaskClient) -> None:
    """A task that has not started is stopped as well, and one that was stopped is no error."""
    post(api, EVENT)
    assert (api.delete(f"/tasks/{TASK_ID}").status_code, api.get("/tasks").get_json()[0]["State"]) == (204, 3)
    assert api.delete(f"/tasks/{TASK_ID}").status_code == 204


def test_fault_15_requests_are_reserved_in_one_unit(api: FlaskClient, sailor: Sailor) -> None:
    """Memory is bytes on both sides, and what a task asks is taken from its node."""
    post(api, {**EVENT, "Sail": {**SAIL, "Cpu": 0.5, "Memory": GIB, "Disk": GIB}})
    (node,) = api.get("/nodes").get_json()
    assert (node["MemoryAllocated"], node["DiskAllocated"], node["TaskCount"]) == (GIB // 1024, GIB, 1)


def test_fault_16_a_posted_task_is_listed_at_once(api: FlaskClient) -> None:
    """As soon as POST has answered, GET /tasks has the task."""
    post(api, EVENT)
    assert [task["ID"] for task in api.get("/tasks").get_json()] == [TASK_ID]


def test_fault_18_the_deck_can_demand_a_token(guarded: FlaskClient) -> None:
    """With a token set nobody runs or stops anything without it."""
    assert post(guarded, EVENT).status_code == 401
    assert guarded.delete(f"/tasks/{TASK_ID}").status_code == 401
