"""Failures as answers: `application/problem+json` (RFC 9457), or the seeds' error body on the seeds' routes.

Every failure that a view raises comes through here; nothing else makes an error answer.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Mapping

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ormen.errors import Busy, InvalidSpec, OrmenError, PolicyForbids, Unavailable
from ormen.seed import sentence

log = logging.getLogger("ormen.api")

PROBLEM_TYPE = "application/problem+json"
SEED_ROUTES = re.compile(r"^/(tasks|nodes)(/|$)")
OUR_OWN = frozenset({"type", "title", "status", "code", "detail", "hint", "request_id", "errors"})
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


class NoRoute(OrmenError):
    """Nothing answers at this path."""

    code = "NOT_FOUND"
    title = "No such route"
    http_status = 404


class MethodNotAllowed(OrmenError):
    """The path exists, but not with this method."""

    code = "METHOD_NOT_ALLOWED"
    title = "The method is not allowed here"
    http_status = 405


class BadRequest(OrmenError):
    """The request itself cannot be understood."""

    code = "BAD_REQUEST"
    title = "The request cannot be understood"
    http_status = 400


def in_seed_dialect() -> bool:
    """Return whether the current request speaks the seeds' dialect, which has error bodies of its own."""
    return SEED_ROUTES.match(request.path) is not None


def request_id() -> str:
    """Return the current request's id: the caller's own ``X-Request-Id`` if it is a plain word, else a new one."""
    if "request_id" not in g:
        sent = request.headers.get("X-Request-Id", "")
        g.request_id = sent if REQUEST_ID.match(sent) else secrets.token_hex(4)
    return str(g.request_id)


def document(error: OrmenError, request_id: str) -> dict[str, object]:
    """Return the problem document of `error`."""
    body: dict[str, object] = {
        "type": f"/problems/{error.code.lower()}",
        "title": error.title,
        "status": error.http_status,
        "code": error.code,
        "detail": error.sentence,
        "hint": hint_of(error),
        "request_id": request_id,
    }
    if isinstance(error, InvalidSpec | PolicyForbids):
        body["errors"] = [fault.to_json() for fault in error.faults]
    body.update({key: value for key, value in error.extra.items() if key not in OUR_OWN})
    return body


def hint_of(error: OrmenError) -> str | None:
    """Return the error's remedy; for a name nearly right, the names that are near."""
    near = error.extra.get("near")
    if error.hint is None and isinstance(near, list | tuple) and near:
        words = [str(word) for word in near]
        either = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        return f"did you mean {either}?"
    return error.hint


def answer(error: OrmenError) -> Response:
    """Return the answer that `error` gets in the dialect of the current request."""
    if in_seed_dialect():
        body: Mapping[str, object] = seed_document(error)
        mimetype = "application/json"
    else:
        body = document(error, request_id())
        mimetype = PROBLEM_TYPE
    response = Response(json.dumps(body, ensure_ascii=False, default=str), status=seed_status(error), mimetype=mimetype)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = "5" if isinstance(error, Busy) else "2"
    if error.http_status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="ormen"'
    return response


def seed_status(error: OrmenError) -> int:
    """Return the HTTP status: in the seeds' dialect a faulty body is 400, as it was there."""
    if in_seed_dialect() and isinstance(error, InvalidSpec):
        return 400
    return error.http_status


def seed_document(error: OrmenError) -> dict[str, object]:
    """Return the seeds' error body; faults and remedy are part of its one message."""
    said = sentence(error) if isinstance(error, InvalidSpec) else error.sentence
    hint = hint_of(error)
    return {"HTTPStatusCode": seed_status(error), "Message": f"{said.rstrip('.')}; {hint}" if hint else said}


def translate(error: HTTPException) -> OrmenError:
    """Return what the web framework refused as one of our own errors."""
    if error.code == 404:
        return NoRoute(f"nothing answers {request.method} {request.path}", hint="GET /openapi.json lists the routes")
    if error.code == 405:
        allowed = sorted(getattr(error, "valid_methods", None) or ())
        return MethodNotAllowed(
            f"{request.path} does not take {request.method}", hint=f"it takes {', '.join(allowed)}", allow=allowed
        )
    return BadRequest(error.description or error.name)


def install(app: Flask) -> None:
    """Make every failure of `app` one of our answers, and give every answer its ``X-Request-Id``."""

    @app.errorhandler(OrmenError)
    def refused(error: OrmenError) -> Response:
        return answer(error)

    @app.errorhandler(HTTPException)
    def refused_by_framework(error: HTTPException) -> Response:
        ours = translate(error)
        response = answer(ours)
        if isinstance(ours, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        log.error("request %s: %s %s failed", request_id(), request.method, request.path, exc_info=error)
        return answer(OrmenError(f"the deck failed (request {request_id()}); its log says more"))

    @app.after_request
    def name_the_request(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id()
        return response
