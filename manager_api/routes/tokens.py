"""``/v1/tokens``: make, list and remove access tokens."""

from __future__ import annotations

from flask import Response

from manager_api.admin_documents import NewTokenDocument, TokenBody, TokenPage
from manager_api.auth import caller
from manager_api.bodies import no_content, read_json, reply
from manager_api.nouns import Nouns
from manager_api.queries import load_body
from manager_api.services import services
from ormen.tokens import Role, Token, digest_of, new_secret

tokens = Nouns("tokens", __name__, url_prefix="/v1", description="Access tokens")


@tokens.route("/tokens", methods=["POST"])
@tokens.body(TokenBody)
@tokens.answers(201, NewTokenDocument, problems=(400, 403, 409, 413, 422))
def create() -> Response:
    """Make a token. Its secret is in this answer and nowhere else; only its hash is kept.

    `in_force` is false on a deck that was started without a token of its own: it asks nobody for one.
    """
    mine, wish = services(), load_body(TokenBody(), read_json())
    store = mine.token_store
    now_ms, secret = store.now_ms(), new_secret()
    expires_ms = now_ms + round(wish["expires_in"] * 1000) if wish.get("expires_in") else 0
    role = Role(wish.get("role") or Role.READ)
    made = Token(wish["name"], role, digest_of(secret), now_ms, expires_ms, caller().name)
    store.add(made)
    mine.tokens.forget()
    return reply({**made.to_json(), "token": secret, "in_force": mine.guarded}, 201)


@tokens.route("/tokens", methods=["GET"])
@tokens.answers(200, TokenPage, problems=(403,))
def index() -> Response:
    """List every token; no secrets, and no hashes of them."""
    found, _ = services().token_store.all()
    return reply({"items": [token.to_json() for token in found], "next": None})


@tokens.route("/tokens/<token>", methods=["DELETE"])
@tokens.answers(204, problems=(403, 404))
def remove(token: str) -> Response:
    """Remove a token. It is refused at once here, and within three seconds by every other process of the decks."""
    mine = services()
    mine.token_store.remove(token)
    mine.tokens.forget()
    return no_content()
