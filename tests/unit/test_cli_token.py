"""`ormen token`: the secret goes to stdout once, what to know about it to stderr."""

from __future__ import annotations

import json
from typing import Any

from cli_golden import PIPE, eyes, golden
from cli_stub import Answer, deck, ormen, problem

from ormen.cli.render import tokens
from ormen.cli.render.problem import problem as drawn

CI: dict[str, Any] = {
    "name": "ci",
    "role": "operate",
    "created_at": "2026-11-20T08:00:00.000Z",
    "expires_at": None,
    "last_used_at": "2026-11-21T10:02:11.390Z",
    "by": "ann",
}
OLD = {**CI, "name": "old-reader", "role": "read", "expires_at": "2026-11-21T09:00:00.000Z", "last_used_at": None}
MADE = {**CI, "last_used_at": None, "token": "ormen_abc", "in_force": True}


def test_a_new_token_is_alone_on_stdout() -> None:
    """So that it can be put into a variable or a file; that it is shown once stands on stderr."""
    with deck({"POST /v1/tokens": Answer(201, MADE)}) as stub:
        result = ormen("token", "create", "ci", "--role", "operate", "--expires", "720h", at=stub.address)
    assert (result.returncode, result.stdout) == (0, "ormen_abc\n")
    assert result.stderr == "ci may operate. It is shown this once: keep it where secrets are kept.\n"
    assert stub.seen[0].body == {"name": "ci", "role": "operate", "expires_in": 2_592_000.0}


def test_a_deck_that_asks_nobody_is_told() -> None:
    """A token that keeps nobody out is said to be one."""
    with deck({"POST /v1/tokens": Answer(201, {**MADE, "in_force": False})}) as stub:
        result = ormen("token", "create", "ci", at=stub.address)
    assert "! this deck asks nobody for a token" in result.stderr


def test_tokens_are_listed() -> None:
    """Who may do what, until when, when it was last used, and who made it."""
    golden("tokens", tokens.listed([CI, OLD], eyes(80)))
    assert tokens.listed([], PIPE).split() == ["NAME", "ROLE", "CREATED", "EXPIRES", "LAST", "USED", "BY"]
    with deck({"GET /v1/tokens": {"items": [CI, OLD], "next": None}}) as stub:
        assert ormen("token", "ls", "-q", at=stub.address).stdout == "ci\nold-reader\n"
        assert [one["name"] for one in json.loads(ormen("token", "ls", "-o", "json", at=stub.address).stdout)] == [
            "ci",
            "old-reader",
        ]


def test_each_token_is_removed_and_the_first_failure_counts() -> None:
    """A name that is not there is exit 3; the others are removed all the same."""
    gone = problem(404, "TOKEN_NOT_FOUND", 'no token "bob"', hint="the tokens are ci")
    with deck({"DELETE /v1/tokens/bob": gone, "DELETE /v1/tokens/ci": Answer(204)}) as stub:
        result = ormen("token", "rm", "bob", "ci", at=stub.address)
    assert (result.returncode, result.stdout) == (3, "ci is removed\n")
    assert 'error: no token "bob".  [TOKEN_NOT_FOUND]' in result.stderr


def test_the_refusals_of_a_token_are_the_sketches() -> None:
    """A role too low names the token and the command; an expired one says since when; a wrong one where."""
    low = {
        "detail": "your token ci-reader may read but not operate",
        "code": "ROLE_TOO_LOW",
        "hint": "an admin can make one: ormen token create ci --role operate",
        "token": "ci-reader",
    }
    late = {"detail": "your token ci expired 2h ago", "code": "TOKEN_WRONG", "hint": "make a new one", "token": "ci"}
    wrong = {"detail": "this deck does not know the token", "code": "TOKEN_WRONG", "hint": "it may have been removed"}
    texts = [drawn(document, eyes(80), address="10.0.0.5:5555") for document in (low, late, wrong)]
    golden("refusals_token", "\n".join(texts))
