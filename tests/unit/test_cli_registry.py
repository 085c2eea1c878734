"""`ormen registry`: logins for all nodes, as `docker login` asks for them."""

from __future__ import annotations

import json
from typing import Any

from cli_golden import PIPE, eyes, golden
from cli_stub import Answer, deck, ormen, problem

from ormen.cli.render import registries

GHCR: dict[str, Any] = {
    "host": "ghcr.io",
    "username": "ann",
    "changed_at": "2026-11-20T08:00:00.000Z",
    "by": None,
    "sealed": True,
}
HUB = {**GHCR, "host": "docker.io", "username": "acme-ci", "by": "ann", "sealed": False}
CHECKED = {"node": "node-2", "ok": True, "sentence": None}


def test_a_login_is_asked_of_the_registry_and_then_kept() -> None:
    """User and password go to the deck; the password comes from stdin and is not printed."""
    with deck({"POST /v1/registries": Answer(201, {**GHCR, "checked": CHECKED})}) as stub:
        result = ormen("registry", "login", "ghcr.io", "-u", "ann", "--password-stdin", at=stub.address, input="pw\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "ghcr.io takes the login of ann, as node-2 asked it; every node pulls with it now\n"
    assert stub.seen[0].body == {"host": "ghcr.io", "username": "ann", "password": "pw", "check": True}


def test_what_is_not_sure_is_said() -> None:
    """That nobody could ask the registry, and that the password lies in Redis as it is."""
    unsure = {"node": None, "ok": False, "sentence": "no node is ready to ask the registry"}
    with deck({"POST /v1/registries": Answer(201, {**HUB, "checked": unsure})}) as stub:
        result = ormen("registry", "login", "-u", "acme-ci", "--password-stdin", at=stub.address, input="pw")
    assert stub.seen[0].body["host"] == "docker.io"
    assert result.stdout == "the login of acme-ci for docker.io is kept; every node pulls with it now\n"
    assert "! whether the registry takes it is not known: no node is ready to ask the registry" in result.stderr
    assert "! its password lies in Redis as it is; a secret file seals it: ORMEN_SECRET_FILE" in result.stderr


def test_a_refused_login_is_exit_1() -> None:
    """As docker login ends; nothing was kept."""
    refused = problem(502, "LOGIN_REFUSED", "Registry ghcr.io does not know ann with this password", hint="try again")
    with deck({"POST /v1/registries": refused}) as stub:
        result = ormen("registry", "login", "ghcr.io", "-u", "ann", "--password-stdin", at=stub.address, input="pw")
    assert (result.returncode, result.stdout) == (1, "")
    assert "does not know ann with this password" in " ".join(result.stderr.split())
    assert "[LOGIN_REFUSED]" in result.stderr


def test_nobody_is_asked_where_nobody_is() -> None:
    """Without a terminal a missing user or password is wrong use, and nothing is sent."""
    with deck({}) as stub:
        for words in (("ghcr.io",), ("ghcr.io", "-u", "ann"), ("-u", "ann", "--password-stdin")):
            result = ormen("registry", "login", *words, at=stub.address)
            assert result.returncode == 2
            assert "password" in result.stderr or "--username" in result.stderr
    assert stub.seen == []


def test_logins_are_listed() -> None:
    """Registry, user, age, how it is kept and by whom; hosts alone with -q."""
    golden("registries", registries.listed([HUB, GHCR], eyes(80)))
    assert registries.listed([], PIPE).split() == ["REGISTRY", "USERNAME", "CHANGED", "KEPT", "BY"]
    with deck({"GET /v1/registries": {"items": [HUB, GHCR], "next": None}}) as stub:
        assert ormen("registry", "ls", "-q", at=stub.address).stdout == "docker.io\nghcr.io\n"
        assert json.loads(ormen("registry", "ls", "-o", "json", at=stub.address).stdout) == [HUB, GHCR]


def test_each_login_is_forgotten_and_the_first_failure_counts() -> None:
    """One that is not there is exit 3; the others go all the same."""
    gone = problem(404, "LOGIN_NOT_FOUND", "no login is kept for quay.io")
    with deck({"DELETE /v1/registries/quay.io": gone, "DELETE /v1/registries/ghcr.io": Answer(204)}) as stub:
        result = ormen("registry", "logout", "quay.io", "ghcr.io", at=stub.address)
        data = ormen("registry", "logout", "quay.io", "ghcr.io", "-o", "json", at=stub.address)
    assert (result.returncode, result.stdout) == (3, "ghcr.io is forgotten\n")
    assert json.loads(data.stdout) == [{"host": "ghcr.io"}]
