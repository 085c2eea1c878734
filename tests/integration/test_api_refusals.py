"""Bad input, and what it gets: a sentence that names the thing and the remedy, and nothing is changed."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from manager_api.app import create_app
from ormen.settings import Settings

MIB = 1024**2


def refused(api: FlaskClient, body: object, status: int = 422) -> dict[str, Any]:
    """Post a body that must be refused; return the problem."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = api.post("/v1/tasks", data=data)
    problem: dict[str, Any] = answer.get_json(force=True)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), problem
    assert api.get("/v1/tasks").get_json()["items"] == []
    return problem


def fault(api: FlaskClient, **fields: object) -> dict[str, Any]:
    """Return the only fault of a spec."""
    (found,) = refused(api, {"image": "nginx", **fields})["errors"]
    return dict(found)


def test_an_unknown_field_is_refused_with_the_likely_one(api: FlaskClient) -> None:
    """A typing mistake in a field's name gets the name that was meant."""
    found = fault(api, memroy="512MiB")
    assert (found["pointer"], found["code"], found["hint"]) == ("/memroy", "UNKNOWN_FIELD", "did you mean memory?")


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"command": "sleep 1"}, "/command", "WRONG_TYPE"),
        ({"memory": -1}, "/memory", "OUT_OF_RANGE"),
        ({"memory": "1MiB"}, "/memory", "OUT_OF_RANGE"),
        ({"ports": [{"container": 80, "host": 70000}]}, "/ports/0/host", "OUT_OF_RANGE"),
        ({"ports": [{"container": 80, "host": 8080}, {"container": 81, "host": 8080}]}, "/ports/1", "DUPLICATE"),
        ({"image": "no such image"}, "/image", "MALFORMED"),
        ({"restart": "allways"}, "/restart", "NOT_A_CHOICE"),
        ({"id": "web"}, "/id", "MALFORMED"),
        ({"count": 1001}, "/count", "OUT_OF_RANGE"),
    ],
)
def test_a_fault_is_named_by_its_pointer_and_code(
    api: FlaskClient, fields: dict[str, object], pointer: str, code: str
) -> None:
    """Each kind of fault has its code and points at the field."""
    found = fault(api, **fields)
    assert found["pointer"].startswith(pointer)
    assert found["code"] == code
    assert found["detail"]


def test_every_fault_of_a_list_is_told_at_once(api: FlaskClient) -> None:
    """Faults of several specs come together, each with its index, and nothing is stored."""
    problem = refused(
        api,
        [
            {"image": "nginx", "memroy": "512MiB", "ports": [{"container": 80}, {"container": 81, "host": 70000}]},
            {"image": "nginx", "restart": "allways"},
        ],
    )
    assert [each["pointer"] for each in problem["errors"]] == ["/0/memroy", "/0/ports/1/host", "/1/restart"]
    assert (problem["code"], problem["type"]) == ("INVALID_SPEC", "/problems/invalid_spec")
    assert problem["detail"] == "3 faults; nothing was stored."


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nginx", b"\xff\xfe", b'{"image": NaN}', b"[" * 100_000, b'{"cpu": 1e999}']
)
def test_what_is_not_json_is_refused_with_the_place(api: FlaskClient, body: bytes) -> None:
    """A body that is no JSON text is 400, never a failure of ours."""
    problem = refused(api, body, 400)
    assert problem["code"] == "NOT_JSON"
    assert problem["detail"]


def test_a_json_fault_names_line_and_column(api: FlaskClient) -> None:
    """Where the text stops being JSON is said by line and column."""
    problem = refused(api, b'{\n  "image": nginx\n}', 400)
    assert (problem["line"], problem["column"]) == (2, 12)
    assert "line 2, column 12" in problem["detail"]


def test_a_key_that_stands_twice_is_named(api: FlaskClient) -> None:
    """Which of two images was meant nobody knows, so none is run; the command line reads its files alike."""
    problem = refused(api, b'{"image": "nginx", "image": "redis"}', 400)
    assert (problem["code"], problem["detail"]) == ("NOT_JSON", 'the key "image" stands twice in one object')
    assert refused(api, rb'{"\ud800": 1, "\ud800": 2}', 400)["code"] == "NOT_JSON"


def test_half_a_surrogate_pair_is_no_text(api: FlaskClient) -> None:
    """A string that no UTF-8 can carry is refused where it is read."""
    assert refused(api, b'{"image": "nginx", "name": "\\ud800"}', 400)["code"] == "NOT_JSON"


def test_a_body_over_8_mib_is_too_large(api: FlaskClient) -> None:
    """Beyond 8 MiB the answer is 413 with the limit."""
    problem = refused(api, b'{"image": "' + b"n" * (8 * MIB) + b'"}', 413)
    assert problem["code"] == "TOO_LARGE"
    assert "8 MiB" in problem["detail"]


def test_more_than_a_thousand_tasks_are_too_large(api: FlaskClient) -> None:
    """One request submits at most 1,000 tasks."""
    assert refused(api, [{"image": "nginx"}] * 1001, 413)["code"] == "TOO_LARGE"


def test_a_host_path_outside_the_policy_is_forbidden(api: FlaskClient) -> None:
    """Host paths need the admin's permission; the refusal names the rule."""
    problem = refused(api, {"image": "nginx", "volumes": [{"host": "/etc", "target": "/x"}]}, 403)
    assert problem["code"] == "POLICY"
    assert "host_paths" in json.dumps(problem)


def test_every_fault_of_a_query_is_told_at_once(api: FlaskClient) -> None:
    """Query strings are as strict as bodies: unknown, wrong and out of range in one answer."""
    problem = api.get("/v1/tasks?stat=x&state=runing&limit=0&limit=5").get_json()
    assert (problem["status"], problem["code"]) == (422, "INVALID_QUERY")
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [
        ("/limit", "OUT_OF_RANGE"),
        ("/stat", "UNKNOWN_FIELD"),
        ("/state", "NOT_A_CHOICE"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tasks?cursor=x",
        "/v1/events?cursor=x",
        "/v1/events?since=yesterday",
        "/v1/events?since=2026-13-01T00:00:00Z",
        "/v1/tasks/web/logs?tail=-1",
        "/v1/tasks/web/logs?follow=maybe",
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused(api: FlaskClient, path: str) -> None:
    """A cursor, a time or a number that is none gets 422 and its name."""
    answer = api.get(path)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/" + path.partition("?")[2].partition("=")[0]


def test_unknown_routes_and_methods_are_problems_too(api: FlaskClient) -> None:
    """404 and 405 have the same form as every other refusal, and 405 says what is allowed."""
    missing, wrong = api.get("/v2/tasks"), api.put("/v1/tasks")
    assert (missing.status_code, missing.get_json()["code"]) == (404, "NOT_FOUND")
    assert (wrong.status_code, wrong.get_json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "POST" in wrong.headers["Allow"]


def test_every_answer_carries_a_request_id(api: FlaskClient) -> None:
    """The id is the caller's if it is a plain word, and the problem repeats it."""
    assert api.get("/healthz").headers["X-Request-Id"]
    answer = api.get("/v1/tasks/x", headers={"X-Request-Id": "ci-17"})
    assert (answer.headers["X-Request-Id"], answer.get_json()["request_id"]) == ("ci-17", "ci-17")
    assert api.get("/healthz", headers={"X-Request-Id": "a b\u00e9"}).headers["X-Request-Id"] != "a b\u00e9"


def test_a_failure_of_ours_tells_the_request_and_logs_the_trace(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is 500 with the request's id; the trace is in the log and not in the answer."""

    def broken(word: str) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(app.extensions["ormen"].deck.store, "find", broken)
    with caplog.at_level(logging.ERROR, "ormen.api"):
        answer = app.test_client().get("/v1/tasks/web")
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (500, "INTERNAL")
    assert problem["request_id"] in problem["detail"]
    assert "secret" not in answer.get_data(as_text=True)
    assert "a secret detail" in caplog.text


def test_redis_away_is_503_with_the_task_and_when_to_come_back(settings: Settings) -> None:
    """Without its store the deck says so, names the task's id, and repeating the request is safe."""
    app = create_app(replace(settings, redis_url="redis://127.0.0.1:1/0"))
    task_id = "5e20bb91-6a0f-4f3b-8a57-0d1c9e7b2a44"
    answer = app.test_client().post("/v1/tasks", json={"id": task_id, "image": "nginx"})
    problem = answer.get_json()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert (problem["code"], problem["task"]) == ("STORE_UNAVAILABLE", task_id)
    assert "127.0.0.1:1" in problem["detail"]
    assert "safe" in problem["hint"]


def test_without_a_token_the_deck_says_what_it_wants(guarded: FlaskClient) -> None:
    """With a token set everything but /healthz and /readyz needs it, and the refusal says how to send it."""
    answer = guarded.get("/v1/tasks")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "TOKEN_MISSING")
    assert answer.get_json()["hint"] == "send Authorization: Bearer …"
    assert [guarded.get(path).status_code for path in ("/metrics", "/nope")] == [401, 401]
    assert [guarded.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 503]


def test_a_wrong_token_is_told_apart_from_none(guarded: FlaskClient) -> None:
    """TOKEN_WRONG for another token; with the right one the API answers."""
    wrong = guarded.get("/v1/tasks", headers={"Authorization": "Bearer s3cre"})
    assert (wrong.status_code, wrong.get_json()["code"]) == (401, "TOKEN_WRONG")
    assert guarded.get("/v1/tasks", headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_the_token_can_come_from_a_file(settings: Settings, tmp_path: Any) -> None:
    """A token file is read once at start, without its line end; one that is empty or missing is an error."""
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    client = create_app(replace(settings, token_file=str(file))).test_client()
    assert client.get("/v1/version", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    file.write_text("")
    with pytest.raises(ValueError, match="is empty"):
        create_app(replace(settings, token_file=str(file)))
    with pytest.raises(ValueError, match="cannot be read"):
        create_app(replace(settings, token_file=str(tmp_path / "none")))
