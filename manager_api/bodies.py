"""JSON in, JSON out: bodies are read whatever their Content-Type says, and every fault of one is told."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from flask import Response, request

from ormen.errors import NotJson, TooLarge

MOST_BYTES = 8 * 1024**2
"""The largest body that is read."""

DRAINED_BYTES = 8 * MOST_BYTES
"""So much of a body too large is read and thrown away: closing at once would cut the client off before the answer."""

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json() -> Any:
    """Return the body of the current request.

    Raise TooLarge beyond 8 MiB, and NotJson, with line and column, for what is no JSON text in UTF-8.
    """
    raw = _read()
    try:
        text = raw.decode("utf-8-sig")
        body = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_object)
        if SURROGATE.search(raw):
            json.dumps(body, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        what = "the body is empty" if not raw.strip() else f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise NotJson(what, hint="send one JSON document", line=error.lineno, column=error.colno) from error
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start} is not UTF-8", hint="send JSON in UTF-8") from error
    except UnicodeEncodeError as error:
        raise NotJson("a string holds half of a surrogate pair", hint="send JSON in UTF-8") from error
    except RecursionError as error:
        raise NotJson("the body is nested too deeply", hint="a task needs four levels") from error
    except ValueError as error:
        raise NotJson(str(error), hint="send one JSON document") from error
    return body


def _read() -> bytes:
    stream = request.stream
    raw: bytes = stream.read(MOST_BYTES + 1)
    if len(raw) <= MOST_BYTES:
        return raw
    left = DRAINED_BYTES
    while left > 0 and (piece := stream.read(min(left, 1024**2))):
        left -= len(piece)
    size = request.content_length
    amount = f"{size} bytes" if size else "more than 8 MiB"
    raise TooLarge(f"the body has {amount}; the most is 8 MiB (8388608 bytes)", hint="send the tasks in several lists")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is larger than any number that can be held")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        double = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        # A key may hold half of a surrogate pair, which the answer could not carry.
        shown = double[:60].encode(errors="backslashreplace").decode()
        raise ValueError(f'the key "{shown}" stands twice in one object')
    return found


def reply(body: object, status: int = 200, *, location: str | None = None) -> Response:
    """Return `body` as the JSON answer."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    response = Response(text + "\n", status=status, mimetype="application/json")
    if location is not None:
        response.headers["Location"] = location
    return response


def no_content() -> Response:
    """Return the empty answer 204."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
