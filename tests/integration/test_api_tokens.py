"""Access tokens: made once, kept as a hash, with a role, an end and a last use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from manager_api import known_tokens
from manager_api.app import create_app
from manager_api.known_tokens import FRESH_S
from manager_api.roles import needed
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from ormen.tokens import Role
from tests.integration.sailors import Sailor
from tests.waiting import wait_until

WEB = {"name": "web", "image": "nginx"}


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def make(api: FlaskClient, name: str, role: str = "read", **more: Any) -> str:
    """Make a token with the deck's own and return the secret."""
    answer = api.post("/v1/tokens", json={"name": name, "role": role, **more}, headers=bearer("s3cret"))
    assert answer.status_code == 201, answer.get_json()
    return str(answer.get_json()["token"])


@pytest.fixture
def other(settings: Settings) -> Iterator[FlaskClient]:
    """A second process of the deck."""
    made = create_app(replace(settings, token="s3cret"))
    yield made.test_client()
    made.extensions["ormen"].close()


def test_a_token_works_at_once_and_everywhere(guarded: FlaskClient, other: FlaskClient) -> None:
    """Also a process that has just read the list takes a token made after that."""
    other.get("/v1/tasks", headers=bearer(make(guarded, "first")))
    for api in (guarded, other):
        assert api.get("/v1/tasks", headers=bearer(make(guarded, f"ann-{id(api)}"))).status_code == 200


def test_the_secret_is_kept_nowhere(guarded: FlaskClient, store: LoopStore) -> None:
    """Neither Redis nor a list tells it again."""
    secret = make(guarded, "ann", "admin", expires_in="1h")
    kept = store.client.hgetall(store.keys.tokens)
    assert secret not in str(kept)
    (shown,) = guarded.get("/v1/tokens", headers=bearer(secret)).get_json()["items"]
    assert {"token", "digest"} & set(shown) == set()
    assert (shown["name"], shown["role"], shown["by"]) == ("ann", "admin", None)


def sweep(api: FlaskClient, role: str, token: str) -> dict[tuple[str, str], TestResponse]:
    """Ask every route with a token of this role; nothing there exists."""
    found = {}
    for rule in api.application.url_map.iter_rules():
        for method in (rule.methods or set()) & {"GET", "POST", "PATCH", "DELETE"}:
            path = rule.rule.replace("<", "").replace(">", "")
            if rule.rule != "/v1/events":
                found[(method, rule.rule)] = api.open(path, method=method, headers=bearer(token))
    return found


@pytest.mark.parametrize("role", [Role.READ, Role.OPERATE, Role.ADMIN])
def test_every_route_is_closed_to_who_may_less(guarded: FlaskClient, role: Role) -> None:
    """403 exactly where the route needs more than the token has, whatever else is wrong with the request."""
    for (method, rule), answer in sweep(guarded, role, make(guarded, "walker", role)).items():
        refused = answer.status_code == 403
        assert refused is not role.covers(needed(method, rule)), f"{method} {rule}: {answer.status_code}"
        assert answer.status_code not in (401, 500), f"{method} {rule}"


def test_a_removed_token_is_refused(guarded: FlaskClient, other: FlaskClient) -> None:
    """At once by the process that removed it, and by every other as soon as its list is old."""
    secret = make(guarded, "ann")
    assert other.get("/v1/tasks", headers=bearer(secret)).status_code == 200
    assert guarded.delete("/v1/tokens/ann", headers=bearer("s3cret")).status_code == 204
    refused = guarded.get("/v1/tasks", headers=bearer(secret))
    assert (refused.status_code, refused.get_json()["code"]) == (401, "TOKEN_WRONG")
    began = time.monotonic()
    wait_until(lambda: other.get("/v1/tasks", headers=bearer(secret)).status_code == 401, timeout_s=FRESH_S + 20)
    assert time.monotonic() - began < 5


def test_an_expired_token_says_since_when(guarded: FlaskClient) -> None:
    """401 with the token's name, how long ago it ended, and how to get a new one."""
    secret = make(guarded, "ci", "operate", expires_in="1s")
    wait_until(lambda: guarded.get("/v1/tasks", headers=bearer(secret)).status_code == 401)
    problem = guarded.get("/v1/tasks", headers=bearer(secret)).get_json()
    assert (problem["code"], problem["token"]) == ("TOKEN_WRONG", "ci")
    assert problem["detail"].startswith("your token ci expired ")
    assert problem["hint"].endswith("ormen token rm ci && ormen token create ci --role operate")


def test_a_known_token_costs_no_round_trip(guarded: FlaskClient) -> None:
    """Between two readings of the list a request asks the store for nothing of tokens."""
    secret = make(guarded, "ann")
    guarded.get("/v1/version", headers=bearer(secret))
    with (
        mock.patch.object(known_tokens.TokenStore, "all", side_effect=AssertionError),
        mock.patch.object(known_tokens.TokenStore, "used", side_effect=AssertionError),
    ):
        assert guarded.get("/v1/version", headers=bearer(secret)).status_code == 200


def test_the_last_use_is_written_once_a_minute(guarded: FlaskClient, store: LoopStore) -> None:
    """The first use is noted, the next ones only when that is a minute old."""
    secret = make(guarded, "ann")
    used = []
    for later_ms in (0, 30_000, 61_000):
        with mock.patch.object(known_tokens.KnownTokens, "now_ms", lambda _, at=later_ms: store.now_ms() + at):
            guarded.get("/v1/tasks", headers=bearer(secret))
        used.append(int(store.client.hget(store.keys.tokens_used, "ann")))
    assert used[0] == used[1] < used[2]


def test_a_use_after_the_removal_leaves_nothing(guarded: FlaskClient, store: LoopStore) -> None:
    """A process that has not heard of a removal writes the use of a token that is gone; nothing of it stays."""
    mine = guarded.application.extensions["ormen"]
    mine.token_store.used("gone", at_ms=1)
    assert store.client.hlen(store.keys.tokens_used) == 0


def test_names_are_one_token_each_and_faults_are_named(guarded: FlaskClient) -> None:
    """A name in use is 409, one that is not there 404 with those that are, a faulty body 422 with every fault."""
    make(guarded, "ann")
    head = bearer("s3cret")
    assert guarded.post("/v1/tokens", json={"name": "ann"}, headers=head).get_json()["code"] == "TOKEN_TAKEN"
    gone = guarded.delete("/v1/tokens/bob", headers=head).get_json()
    assert (gone["status"], gone["code"], gone["hint"]) == (404, "TOKEN_NOT_FOUND", "the tokens are ann")
    faulty = guarded.post("/v1/tokens", json={"name": "a b", "role": "root", "expires_in": "x"}, headers=head)
    assert {fault["pointer"] for fault in faulty.get_json()["errors"]} == {"/name", "/role", "/expires_in"}


def test_what_is_written_says_by_whom(guarded: FlaskClient, settings: Settings, sailor: Sailor) -> None:
    """The name of the token stands in the events and beside a drain, whatever the body claims."""
    ann = bearer(make(guarded, "ann", "operate"))
    guarded.post("/v1/tasks", json=WEB, headers=ann)
    guarded.post("/v1/tasks/web/stop", headers=ann)
    drained = guarded.post("/v1/nodes/node-1/cordon", json={"by": "root"}, headers=ann).get_json()
    said = [item["sentence"] for item in guarded.get("/v1/tasks/web/events", headers=ann).get_json()["items"]]
    assert said[0] == "from ann"
    assert any("asked for by ann" in sentence for sentence in said)
    assert "by ann" in drained["state_reason"]["sentence"]


def test_an_open_deck_says_that_its_tokens_do_not_matter(api: FlaskClient) -> None:
    """A deck without a token of its own asks nobody for one, and says so to who makes one."""
    made = api.post("/v1/tokens", json={"name": "ann"}).get_json()
    assert made["in_force"] is False
    assert api.get("/v1/tasks").status_code == 200
