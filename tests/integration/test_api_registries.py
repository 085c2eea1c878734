"""Logins of registries: kept for all nodes, asked of the registry first, told to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from manager_api.app import create_app
from ormen.reasons import Code
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from ormen.task import State
from tests.contract.registry import PASSWORD, USER, Registry
from tests.integration.nodes import Harbour
from tests.integration.sailors import Sailor
from tests.integration.test_api_tokens import bearer, make

ANN = {"host": "https://Registry.example.com/v2/", "username": "ann", "password": "s3cret-pw", "check": False}


@pytest.fixture
def locked(harbour: Harbour) -> Iterator[Registry]:
    """A registry that wants a login; no image of it is left."""
    found = Registry("token")
    yield found
    found.close()
    for image in harbour.docker.images(f"{found.address}/good"):
        harbour.docker.remove_image(image["Id"], force=True)


def test_a_login_is_kept_and_its_password_told_to_nobody(guarded: FlaskClient, store: LoopStore) -> None:
    """One login a registry, by its own name, with who made it; no answer has the password."""
    ann = bearer(make(guarded, "ann", "admin"))
    first = guarded.post("/v1/registries", json=ANN, headers=ann)
    second = guarded.post("/v1/registries", json={**ANN, "username": "bob"}, headers=ann)
    listed = guarded.get("/v1/registries", headers=ann)
    (kept,) = listed.get_json()["items"]
    assert (first.status_code, second.get_json()["checked"]["ok"]) == (201, False)
    assert (kept["host"], kept["username"], kept["by"]) == ("registry.example.com", "bob", "ann")
    assert not any("s3cret-pw" in answer.get_data(as_text=True) for answer in (first, second, listed))
    assert all("s3cret-pw" not in str(event) for event in store.events(limit=100))


@pytest.mark.parametrize("role", ["read", "operate"])
def test_only_an_admin_sees_or_changes_logins(guarded: FlaskClient, role: str) -> None:
    """Who may run tasks need not know whose login they are pulled with."""
    other = bearer(make(guarded, "other", role))
    answers = [
        guarded.get("/v1/registries", headers=other),
        guarded.post("/v1/registries", json=ANN, headers=other),
        guarded.delete("/v1/registries/docker.io", headers=other),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_a_secret_file_seals_what_lies_in_redis(settings: Settings, store: LoopStore, tmp_path: Path) -> None:
    """Neither the login nor the question to a node has the password in it."""
    (tmp_path / "secret").write_text("k" * 32)
    app = create_app(replace(settings, secret_file=str(tmp_path / "secret")))
    made = app.test_client().post("/v1/registries", json=ANN)
    app.extensions["ormen"].close()
    assert made.get_json()["sealed"] is True
    assert "s3cret-pw" not in str(store.client.hgetall(store.keys.logins))


def test_a_deck_does_not_start_with_a_faulty_secret_file(settings: Settings) -> None:
    """It would keep passwords as they are, or refuse each pull later."""
    with pytest.raises(ValueError, match="the secret file /nowhere cannot be read"):
        create_app(replace(settings, secret_file="/nowhere"))


def test_no_fault_repeats_what_was_sent(api: FlaskClient, store: LoopStore) -> None:
    """Every fault is named, and none has a value: it may be a password in the wrong place."""
    body = {"host": "a b", "username": "s3cret-pw:x", "pasword": "s3cret-pw", "check": "s3cret-pw"}
    answer = api.post("/v1/registries", json=body)
    pointers = {fault["pointer"] for fault in answer.get_json()["errors"]}
    assert (answer.status_code, pointers) == (422, {"/host", "/username", "/password", "/pasword", "/check"})
    assert "s3cret-pw" not in answer.get_data(as_text=True)
    assert store.client.exists(store.keys.logins) == 0


def test_a_login_that_is_not_there_cannot_be_forgotten(api: FlaskClient) -> None:
    """404 with those that are; forgetting one that is there is 204, by any of its names."""
    api.post("/v1/registries", json={**ANN, "host": "index.docker.io"})
    gone = api.delete("/v1/registries/ghcr.io").get_json()
    assert (gone["status"], gone["code"], gone["hint"]) == (404, "LOGIN_NOT_FOUND", "there are logins for docker.io")
    assert api.delete("/v1/registries/registry-1.docker.io").status_code == 204
    assert api.get("/v1/registries").get_json()["items"] == []


def test_where_no_node_can_ask_the_login_is_kept_and_said_to_be_unsure(api: FlaskClient, sailor: Sailor) -> None:
    """A cluster without nodes yet can be given its logins, also when the registry is elsewhere."""
    sailor.store.client.zadd(sailor.store.keys.heartbeats, {"node-1": 1})
    made = api.post("/v1/registries", json={**ANN, "check": True}).get_json()
    assert made["checked"] == {"node": None, "ok": False, "sentence": "no node is ready to ask the registry"}
    assert len(api.get("/v1/registries").get_json()["items"]) == 1


@pytest.mark.timeout(120)
def test_a_login_heals_a_pull_without_any_restart(api: FlaskClient, harbour: Harbour, locked: Registry) -> None:
    """A wrong one is refused by the registry and not kept; with the right one the same agent pulls at its next try."""
    harbour.node()
    image = f"{locked.address}/good:1"
    waiting = harbour.run("app", state=State.PENDING, image=image, command=["/hello"])
    assert waiting.reason is not None
    assert waiting.reason.code is Code.PULL_AUTH
    login: dict[str, Any] = {"host": locked.address, "username": USER, "password": "wr0ng"}
    refused = api.post("/v1/registries", json=login)
    assert (refused.status_code, refused.get_json()["code"]) == (502, "LOGIN_REFUSED")
    assert refused.get_json()["detail"].startswith(f"Registry {locked.address} does not know {USER}")
    assert api.get("/v1/registries").get_json()["items"] == []
    kept = api.post("/v1/registries", json={**login, "password": PASSWORD})
    assert kept.get_json()["checked"] == {"node": "node-1", "ok": True, "sentence": None}
    harbour.loops.place([waiting.id])
    again = harbour.run("again", state=State.PENDING, image=image, command=["/hello"])
    assert again.reason is not None
    assert again.reason.code is not Code.PULL_AUTH
    assert PASSWORD not in harbour.nodes[0].log.read_text()
