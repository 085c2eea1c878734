"""``/v1/tasks``: submitting, looking, changing and removing, on a real Redis with a node that only reports."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.integration.sailors import Sailor

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
WEB = {"id": WEB_ID, "name": "web", "image": "nginx", "labels": {"app": "shop"}}


def submit(api: FlaskClient, spec: object) -> Any:
    """Submit and return the answer's document."""
    answer = api.post("/v1/tasks", json=spec)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return answer.get_json()


def test_a_submitted_task_is_answered_with_its_node(api: FlaskClient, sailor: Sailor) -> None:
    """The answer to a submission names the node already, and where the record is."""
    answer = api.post("/v1/tasks", json=WEB)
    record = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/tasks/{WEB_ID}")
    assert (record["state"], record["node"], record["attempt"]) == ("scheduled", "node-1", 1)
    assert record["spec"] == WEB
    assert record["placement"]["strategy"] == "epvm"


def test_a_task_that_fits_nowhere_is_accepted_with_the_reason(api: FlaskClient, sailor: Sailor) -> None:
    """A task without room is 201 as well, waits, and says what it lacks and how much there is."""
    record = submit(api, {"image": "acme/train:2", "memory": "40GiB"})
    assert (record["state"], record["reason"]["code"]) == ("pending", "FIT_MEMORY")
    assert "40 GiB" in record["reason"]["sentence"]
    assert record["could_fit"] == "never"
    assert record["next_try_at"] is not None


def test_a_list_is_answered_by_a_list(api: FlaskClient) -> None:
    """A posted list comes back as a list, also of one; so does a count."""
    assert [record["name"] for record in submit(api, [{"image": "nginx", "name": "one"}])] == ["one"]
    copies = submit(api, {"image": "nginx", "name": "copy", "count": 2})
    assert [record["name"] for record in copies] == ["copy-1", "copy-2"]


def test_the_content_type_of_a_submission_does_not_matter(api: FlaskClient) -> None:
    """JSON is read whatever the Content-Type says: curl -d sends a form's."""
    form = "application/x-www-form-urlencoded"
    assert api.post("/v1/tasks", data=b'{"image": "nginx"}', content_type=form).status_code == 201
    assert api.post("/v1/tasks", data=b'\xef\xbb\xbf{"image": "nginx"}', content_type="").status_code == 201


def test_the_same_id_with_the_same_content_is_the_same_task(api: FlaskClient) -> None:
    """Repeating a request is safe: equal after units are resolved is the same content."""
    first = submit(api, {**WEB, "memory": "512MiB"})
    again = submit(api, {**WEB, "memory": 536870912})
    assert (again["id"], again["created_at"]) == (first["id"], first["created_at"])
    assert len(api.get("/v1/tasks").get_json()["items"]) == 1


def test_the_same_id_with_other_content_is_refused(api: FlaskClient) -> None:
    """An id stands for one content: another is 409 and names the id."""
    submit(api, WEB)
    answer = api.post("/v1/tasks", json={**WEB, "image": "nginx:1.28"})
    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["task"]) == (409, "ID_TAKEN", WEB_ID)


def test_a_taken_name_is_refused_with_its_holder(api: FlaskClient, sailor: Sailor) -> None:
    """A live task owns its name; the refusal says who has it and where it runs."""
    submit(api, WEB)
    problem = api.post("/v1/tasks", json={"image": "nginx", "name": "web"}).get_json()
    assert (problem["status"], problem["code"], problem["task"]) == (409, "NAME_TAKEN", WEB_ID)
    assert problem["detail"] == "the name web is taken by task 7f3c2a10 (scheduled on node-1)"
    assert problem["hint"] == "choose another name, or remove that task first"


def test_a_task_is_found_by_name_id_and_prefix(api: FlaskClient) -> None:
    """A name, an id and a unique beginning of an id mean the same task."""
    submit(api, WEB)
    found = [api.get(f"/v1/tasks/{word}").get_json()["id"] for word in ("web", WEB_ID, "7f3c2a")]
    assert found == [WEB_ID] * 3


def test_an_unknown_task_is_not_found_and_near_names_are_told(api: FlaskClient) -> None:
    """A word that fits nothing is 404 and the names that are near are given."""
    submit(api, WEB)
    problem = api.get("/v1/tasks/wbe").get_json()
    assert (problem["status"], problem["code"], problem["near"]) == (404, "TASK_NOT_FOUND", ["web"])
    assert problem["hint"] == "did you mean web?"


def test_an_ambiguous_prefix_changes_nothing(api: FlaskClient) -> None:
    """A beginning that fits two tasks is 409 with both, and neither is stopped."""
    submit(api, [WEB, {**WEB, "id": WEB_ID.replace("7f3c2a10", "7f90b1ce"), "name": "mailer"}])
    problem = api.post("/v1/tasks/7f/stop").get_json()
    assert (problem["status"], problem["code"]) == (409, "AMBIGUOUS")
    assert {match["name"] for match in problem["matches"]} == {"web", "mailer"}
    assert {item["wanted"] for item in api.get("/v1/tasks").get_json()["items"]} == {"running"}


def test_lists_are_narrowed_by_state_node_name_and_label(api: FlaskClient, sailor: Sailor) -> None:
    """Each filter narrows, and all of them must hold."""
    submit(api, [WEB, {"image": "nginx", "name": "big", "memory": "40GiB"}])

    def names(query: str) -> list[str]:
        return sorted(item["name"] for item in api.get(f"/v1/tasks?{query}").get_json()["items"])

    assert names("state=pending") == ["big"]
    assert names("state=pending,scheduled") == names("state=pending&state=scheduled") == ["big", "web"]
    assert (names("node=node-1"), names("name=web")) == (["web"], ["web"])
    assert (names("label=app=shop"), names("label=app!=shop"), names("label=app")) == (["web"], ["big"], ["web"])


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/events"])
def test_a_filter_names_a_node_that_is_or_was(api: FlaskClient, sailor: Sailor, path: str) -> None:
    """A node that is there fits even with nothing to show; a mistyped one is 404 and not an empty list."""
    assert api.get(f"{path}?node=node-1").status_code == 200
    problem = api.get(f"{path}?node=nod-1").get_json()
    assert (problem["code"], problem["hint"]) == ("NODE_NOT_FOUND", "the nodes are node-1")


@pytest.mark.parametrize("label", ["!!", "a b", "=x", "app=shop,!!"])
def test_a_selector_that_selects_by_no_label_is_a_fault(api: FlaskClient, label: str) -> None:
    """A label filter that could never fit is refused with the forms that it may have."""
    answer = api.get("/v1/tasks", query_string={"label": label})
    assert (answer.status_code, answer.get_json()["errors"][0]["hint"]) == (422, "write k=v, k!=v or k")


def test_pages_follow_each_other_without_gap_or_repeat(api: FlaskClient) -> None:
    """The cursor of a page leads to exactly the tasks after it, the newest first."""
    submit(api, {"image": "nginx", "name": "n", "count": 5})
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = api.get(f"/v1/tasks?limit=2{cursor and '&cursor=' + cursor}").get_json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert sorted(seen) == [f"n-{number}" for number in range(1, 6)]


def test_a_waiting_task_is_stopped_at_once(api: FlaskClient) -> None:
    """Stopping a task that never ran completes it: stop is never refused for its state."""
    submit(api, WEB)
    answer = api.post("/v1/tasks/web/stop")
    assert (answer.status_code, answer.get_json()["state"]) == (202, "completed")
    assert api.post("/v1/tasks/web/stop").get_json()["state"] == "completed"


def test_a_running_task_stays_running_until_its_container_is_gone(api: FlaskClient, sailor: Sailor) -> None:
    """Stop changes what is wanted; the state follows only when the agent has seen the end."""
    submit(api, WEB)
    sailor.start(WEB_ID)
    record = api.post("/v1/tasks/web/stop").get_json()
    assert (record["wanted"], record["state"]) == ("stopped", "running")
    sailor.end(WEB_ID)
    assert api.get("/v1/tasks/web").get_json()["state"] == "completed"


def test_a_failed_task_is_tried_again_on_request(api: FlaskClient, sailor: Sailor) -> None:
    """Retry and restart give an ended task a new attempt at once."""
    submit(api, WEB)
    sailor.start(WEB_ID)
    sailor.end(WEB_ID, exit_code=3)
    assert api.get("/v1/tasks/web").get_json()["state"] == "failed"
    record = api.post("/v1/tasks/web/retry").get_json()
    assert (record["state"], record["attempt"]) == ("scheduled", 2)


def test_only_force_removes_a_task_that_has_not_ended(api: FlaskClient, sailor: Sailor) -> None:
    """A running task is kept with 409 and the remedy; with force it is gone."""
    submit(api, WEB)
    sailor.start(WEB_ID)
    problem = api.delete("/v1/tasks/web").get_json()
    assert (problem["status"], problem["code"]) == (409, "STILL_RUNNING")
    assert "--force" in problem["hint"]
    answer = api.delete("/v1/tasks/web?force=1")
    assert (answer.status_code, answer.data) == (204, b"")
    assert api.get("/v1/tasks/web").status_code == 404


def test_attempts_show_each_run_with_its_end(api: FlaskClient, sailor: Sailor) -> None:
    """Every attempt stays on record with node, exit code, reason and last lines."""
    submit(api, WEB)
    sailor.start(WEB_ID)
    sailor.end(WEB_ID, exit_code=3, log=("KeyError: 'DATABASE_URL'",))
    (attempt,) = api.get("/v1/tasks/web/attempts").get_json()["items"]
    assert (attempt["attempt"], attempt["node"], attempt["exit_code"]) == (1, "node-1", 3)
    assert attempt["reason"]["code"] == "EXIT"
    assert attempt["log_tail"] == ["KeyError: 'DATABASE_URL'"]


def test_a_task_tells_its_own_events_in_order(api: FlaskClient, sailor: Sailor) -> None:
    """The events of one task are its transitions, oldest first, each exactly once."""
    submit(api, [WEB, {"image": "nginx", "name": "other"}])
    sailor.start(WEB_ID)
    types = [event["type"] for event in api.get("/v1/tasks/web/events").get_json()["items"]]
    assert types == ["task.accepted", "task.placed", "task.running"]


def test_a_removal_that_waits_tells_whether_the_container_is_gone(api: FlaskClient, sailor: Sailor) -> None:
    """With wait=1 the answer is 204 once the node has confirmed, and 202 with the node when it has not in time."""
    submit(api, WEB)
    answer = api.delete("/v1/tasks/web?force=1&wait=1&timeout=0.1")
    assert (answer.status_code, answer.get_json()) == (202, {"task": WEB_ID, "node": "node-1"})
    submit(api, {"id": WEB_ID[:-1] + "5", "image": "nginx", "name": "other"})
    threading.Timer(0.2, lambda: sailor.store.confirm(WEB_ID[:-1] + "5", node="node-1")).start()
    assert api.delete("/v1/tasks/other?force=1&wait=1&timeout=20").status_code == 204
