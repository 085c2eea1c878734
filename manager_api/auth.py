"""Who may ask: one admin token, sent as ``Authorization: Bearer …``; without a token set, everybody who can connect."""

from __future__ import annotations

import hmac
from pathlib import Path

from flask import Flask, request

from manager_api.problems import in_seed_dialect
from ormen.errors import TokenMissing, TokenWrong
from ormen.settings import Settings

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that never need the token: load balancers ask them, and they tell nothing of any task."""


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


def check(token: bytes, header: str | None) -> None:
    """Raise TokenMissing or TokenWrong unless `header` carries `token`. Takes the same time however wrong it is."""
    scheme, _, sent = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not sent.strip():
        raise TokenMissing("this deck wants a token", hint=remedy())
    if not hmac.compare_digest(sent.strip().encode(), token):
        raise TokenWrong("the token is not this deck's", hint="it is what ORMEN_TOKEN or --token-file gave the deck")


def remedy() -> str:
    """Return how to send the token, in the dialect of the current request."""
    if in_seed_dialect():
        return "this dialect has no token; use /v1 with Authorization: Bearer …, or start the deck with --insecure"
    return "send Authorization: Bearer …"


def install(app: Flask, settings: Settings) -> None:
    """Let only those pass who know the token, if there is one; ``insecure`` opens the seeds' routes to all."""
    token = read_token(settings)
    if token is None:
        return

    @app.before_request
    def demand_the_token() -> None:
        if request.path in OPEN or (settings.insecure and in_seed_dialect()):
            return
        check(token, request.headers.get("Authorization"))
