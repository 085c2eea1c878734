"""Who may ask, and for what: the deck's own token, or one that an admin has made, as ``Authorization: Bearer …``.

Without a token of the deck's own everybody who can connect may do everything.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, g, request

from manager_api.problems import in_seed_dialect
from manager_api.roles import needed
from ormen.errors import RoleTooLow, TokenMissing, TokenWrong
from ormen.settings import Settings
from ormen.tokens import Role, Token, better_name
from ormen.units import format_age

if TYPE_CHECKING:
    from manager_api.known_tokens import KnownTokens
    from manager_api.services import Services
    from manager_api.submission import Deck

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that never need the token: load balancers ask them, and they tell nothing of any task."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` is empty for the deck's own token and for a deck without one: then nobody knows."""

    name: str = ""
    role: Role = Role.ADMIN


def read_token(settings: Settings) -> bytes | None:
    """Return the deck's token, None if it has none; raise ValueError for a token file that cannot be used."""
    if settings.token:
        return settings.token.encode()
    if not settings.token_file:
        return None
    try:
        token = Path(settings.token_file).read_bytes().strip()
    except OSError as error:
        raise ValueError(f"the token file {settings.token_file} cannot be read: {error.strerror}") from error
    if not token:
        raise ValueError(f"the token file {settings.token_file} is empty; write the token into it")
    return token


def recognise(own: bytes, header: str | None, known: KnownTokens) -> Caller:
    """Return who sends this header; raise TokenMissing, or TokenWrong for one that is unknown or has expired.

    The deck's own token is compared first, in the same time however wrong it is, and needs no store.
    """
    scheme, _, sent = (header or "").partition(" ")
    secret = sent.strip()
    if scheme.lower() != "bearer" or not secret:
        raise TokenMissing("this deck wants a token", hint=remedy())
    if hmac.compare_digest(secret.encode(), own):
        return Caller()
    token = known.find(secret)
    if token is None:
        hint = "it may have been removed, or be of another deck; an admin can make one: ormen token create NAME"
        raise TokenWrong("this deck does not know the token", hint=hint)
    now_ms = known.now_ms()
    if token.expired(now_ms):
        raise expired(token, now_ms)
    known.note_use(token, now_ms)
    return Caller(token.name, token.role)


def expired(token: Token, now_ms: int) -> TokenWrong:
    """Return the refusal of a token that is too old."""
    age = format_age((now_ms - token.expires_ms) / 1000)
    name = token.name
    hint = f"an admin can make a new one: ormen token rm {name} && ormen token create {name} --role {token.role}"
    return TokenWrong(f"your token {name} expired {age} ago", hint=hint, token=name)


def demand(caller: Caller, role: Role) -> None:
    """Raise RoleTooLow unless the caller may do what needs `role`."""
    if caller.role.covers(role):
        return
    other = better_name(caller.name, role)
    raise RoleTooLow(
        f"your token {caller.name} may {caller.role.verb} but not {role.verb}",
        hint=f"an admin can make one: ormen token create {other} --role {role}",
        token=caller.name,
        role=caller.role.value,
        needed=role.value,
    )


def caller() -> Caller:
    """Return who sent the current request."""
    found: Caller = g.get("caller") or Caller()
    return found


def acting(mine: Services) -> Deck:
    """Return the deck as the current request's caller uses it: what is written says by whom."""
    name = caller().name
    return replace(mine.deck, by=name) if name else mine.deck


def remedy() -> str:
    """Return how to send the token, in the dialect of the current request."""
    if in_seed_dialect():
        return "this dialect has no token; use /v1 with Authorization: Bearer …, or start the deck with --insecure"
    return "send Authorization: Bearer …"


def install(app: Flask, settings: Settings, mine: Services) -> None:
    """Let only those pass whose token allows it, if the deck has one; ``insecure`` opens the seeds' routes to all."""
    own = read_token(settings)
    if own is None:
        return
    mine.guarded = True

    @app.before_request
    def demand_a_token() -> None:
        if request.path in OPEN or (settings.insecure and in_seed_dialect()):
            return
        g.caller = recognise(own, request.headers.get("Authorization"), mine.tokens)
        demand(g.caller, needed(request.method, request.url_rule.rule if request.url_rule else None))
