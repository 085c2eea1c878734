"""``/v1/registries``: the logins with which every node pulls images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response

from manager_api import logins
from manager_api.admin_documents import LoginBody, LoginPage, NewLoginDocument
from manager_api.auth import caller
from manager_api.bodies import no_content, read_json, reply
from manager_api.nouns import Nouns
from manager_api.queries import load_body
from manager_api.services import services
from ormen.errors import InvalidSpec, LoginNotFound
from ormen.registries import Login, canonical

registries = Nouns("registries", __name__, url_prefix="/v1", description="Logins of image registries")


@registries.route("/registries", methods=["POST"])
@registries.body(LoginBody)
@registries.answers(201, NewLoginDocument, problems=(400, 413, 422, 502))
def login() -> Response:
    """Keep a login in the place of the registry's last one; the password is told by no answer.

    Unless `check` is false a ready node asks the registry first, and what that refuses is not kept. Where no node is
    ready, or the registry cannot be reached, it is kept all the same, and `checked` says why it is not known.
    """
    mine, wish = services(), _wish()
    wanted = Login(wish["host"], wish["username"], wish["password"], by=caller().name)
    check = logins.Check(unsure="nobody asked the registry")
    if wish.get("check") is not False:
        with mine.long.place():
            check = logins.check(mine, wanted)
    kept = mine.login_store.put(wanted)
    return reply({**kept.to_json(), "checked": check.to_json()}, 201)


def _wish() -> dict[str, Any]:
    """Read the body; no fault of it repeats what was sent, which may be a password in the wrong place."""
    body = read_json()
    try:
        found: dict[str, Any] = load_body(LoginBody(), body)
    except InvalidSpec as error:
        raise InvalidSpec([replace(fault, value=None) for fault in error.faults]) from None
    return found


@registries.route("/registries", methods=["GET"])
@registries.answers(200, LoginPage, problems=(403,))
def index() -> Response:
    """List every login, without the passwords."""
    return reply({"items": [one.to_json() for one in services().login_store.all()], "next": None})


@registries.route("/registries/<registry>", methods=["DELETE"])
@registries.answers(204, problems=(403, 404))
def logout(registry: str) -> Response:
    """Forget a registry's login; the next pull goes without one. Images that are there already stay."""
    try:
        host = canonical(registry)
    except ValueError as error:
        raise LoginNotFound(str(error), hint="GET /v1/registries lists the logins") from None
    services().login_store.remove(host)
    return no_content()
