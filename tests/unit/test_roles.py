"""Every route of the API has a role that it needs at least."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from manager_api.app import create_app
from manager_api.auth import OPEN, Caller, demand
from manager_api.roles import ROWS, needed
from ormen.errors import RoleTooLow
from ormen.settings import Settings
from ormen.tokens import Role, better_name

ADMINS = {
    ("PATCH", "/v1/nodes/<node>"),
    ("DELETE", "/v1/nodes/<node>"),
    ("POST", "/v1/prune"),
    ("GET", "/v1/tokens"),
    ("POST", "/v1/tokens"),
    ("DELETE", "/v1/tokens/<token>"),
    ("GET", "/v1/registries"),
    ("POST", "/v1/registries"),
    ("DELETE", "/v1/registries/<registry>"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("DELETE", "/v1/webhooks/<webhook>"),
    ("POST", "/v1/webhooks/<webhook>/test"),
}
"""What only an admin may do. A route that is new here was given to nobody else by a row of manager_api/roles.py."""


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Each method and path that the API serves."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule


@pytest.fixture(scope="module")
def served() -> set[tuple[str, str]]:
    """What the program serves, without a Redis."""
    return set(routes(create_app(replace(Settings(), redis_url="redis://127.0.0.1:1/0", token="s3cret"))))


def test_who_may_only_read_changes_nothing(served: set[tuple[str, str]]) -> None:
    """Whatever is no GET needs more than read, but for a plan, which changes nothing."""
    loose = {(method, rule) for method, rule in served if method != "GET" and needed(method, rule) is Role.READ}
    assert loose <= {("POST", "/v1/plan")}


def test_what_only_an_admin_may_is_listed(served: set[tuple[str, str]]) -> None:
    """A new route that changes something is the admin's, and so has to be thought of here."""
    assert {route for route in served if needed(*route) is Role.ADMIN} == ADMINS


def test_every_row_is_of_a_route(served: set[tuple[str, str]]) -> None:
    """A row that fits no route is a mistake in writing; routes of later versions are named beside."""
    later = {r"/v1/plan", r"/v1/tasks/<\w+>/(exec|attach|files|archive)(/.*)?"}
    idle = [path for _, path, _ in ROWS if not any(re.fullmatch(path, rule) for _, rule in served)]
    assert set(idle) <= later


def test_what_nobody_thought_of_is_the_admins() -> None:
    """A noun without a row is looked at with read, and changed by an admin only."""
    assert (needed("GET", "/v1/hooks"), needed("POST", "/v1/hooks")) == (Role.READ, Role.ADMIN)
    assert needed("DELETE", None) is Role.READ
    assert {"/healthz", "/readyz"} == OPEN


def test_a_role_too_low_says_which_and_how_to_get_one() -> None:
    """The sentence names the token and what it may; the hint is the command that makes a better one."""
    with pytest.raises(RoleTooLow, match=r"^your token ci-reader may read but not operate$") as caught:
        demand(Caller("ci-reader", Role.READ), Role.OPERATE)
    assert caught.value.hint == "an admin can make one: ormen token create ci --role operate"
    assert better_name("ann", Role.ADMIN) == "ann-admin"
    demand(Caller("ann", Role.ADMIN), Role.OPERATE)
