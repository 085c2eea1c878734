"""HTTP as the clients speak it: one deck's address, one request with its repeats, one stream of events.

Only the standard library is used: `ormen status` must answer at once, and importing an HTTP package costs more
than the request.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import random
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ormen import __version__
from ormen.client_errors import EXIT_CODES, ClientError, Document, error_of

__all__ = ["EXIT_CODES", "PATIENCE_S", "Address", "ClientError", "Document", "Request", "Transport", "segment"]

PATIENCE_S = 10.0
"""How long a request is repeated while the deck says 503 or its connections drop."""

PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
"""The pause before the first repeat, and the longest: it doubles each time, and varies by a quarter either way."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a deck is."""

    host: str
    port: int
    secure: bool = False
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address of ``host``, ``host:port`` or a URL; raise ValueError with a sentence otherwise."""
        whole = text.strip() if "://" in text else f"ormen://{text.strip()}"
        parts = urlsplit(whole)
        if parts.scheme not in ("ormen", "http", "https") or not parts.hostname:
            raise ValueError(f'"{text}" is no host:port and no URL of a deck')
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f'the port of "{text}" is none: 1 to 65535') from None
        default = {"ormen": 5555, "http": 80, "https": 443}[parts.scheme]
        return cls(parts.hostname, port or default, parts.scheme == "https", parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    `wait_s` is how long the deck itself may take by agreement; `repeatable` is false where a second arrival
    would do a second thing; `patience_s` is for how long it is repeated.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: object = None
    wait_s: float = 0.0
    repeatable: bool = True
    patience_s: float = PATIENCE_S
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Return path and query as they go on the wire; None is left out, True is ``1``, a list is repeated."""
        pairs: list[tuple[str, str]] = []
        for key, value in self.query.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not None and one is not False:
                    pairs.append((key, "1" if one is True else str(one)))
        return self.path + (f"?{urlencode(pairs)}" if pairs else "")


def segment(word: str) -> str:
    """Return a name or an id as one segment of a path."""
    return quote(word, safe="")


class Aborted(Exception):
    """Somebody has given the request up, from another thread."""


class Transport:
    """Sends requests to one deck. Holds no connection, so threads may share it."""

    def __init__(
        self, address: Address, *, token: str | None = None, timeout: float = 10.0, patience_s: float | None = None
    ) -> None:
        """`patience_s` is for how long requests are repeated, also at first contact; None: as each request says."""
        self.address = address
        self._token = token
        self._timeout = timeout
        self._patience_s = patience_s
        self._aborted = threading.Event()
        self._lines: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def patient(self, patience_s: float, *, apart: bool = False) -> Transport:
        """Return this transport with another patience; giving up one gives up both, unless they are kept `apart`."""
        twin = copy.copy(self)
        twin._patience_s = patience_s
        if apart:
            twin._aborted, twin._lines = threading.Event(), weakref.WeakSet()
        return twin

    def send(self, request: Request) -> Any:
        """Return the answer's JSON (None for an empty one); raise ClientError for a problem.

        A 503 is repeated after its Retry-After, a dropped connection after a growing pause, for `patience_s` together.
        A refused connection is not, unless a patience was given: there is no deck, unless one was there a moment ago.
        """
        patience_s = request.patience_s if self._patience_s is None else self._patience_s
        deadline = time.monotonic() + patience_s
        again, back_off_s = False, PAUSE_S
        while True:
            try:
                was_there = again or self._patience_s is not None
                with _closing(self._open(request, self._timeout + request.wait_s, was_there=was_there)) as answer:
                    return self._read(answer)
            except ClientError as error:
                if again and request.method == "DELETE" and error.http_status == 404:
                    return None  # the first arrival, whose answer was lost, has removed it
                dropped = error.http_status == 0
                left_s = deadline - time.monotonic()
                if not error.retryable or left_s <= 0 or (dropped and not request.repeatable):
                    raise
                again = True
                self.pause(min(max(error.retry_after_s, back_off_s * random.uniform(0.75, 1.25)), left_s))
                back_off_s = min(back_off_s * 2, LONGEST_PAUSE_S)

    def pause(self, seconds: float) -> None:
        """Wait; raise Aborted at once if the request is given up meanwhile."""
        if self._aborted.wait(seconds):
            raise Aborted

    def abort(self) -> None:
        """Give up whatever is under way, from another thread; what is asked afterwards is given up as well."""
        self._aborted.set()
        for line in tuple(self._lines):
            with contextlib.suppress(OSError):  # it is over already
                line.shutdown(socket.SHUT_RDWR)

    def stream(self, request: Request, *, idle_s: float) -> http.client.HTTPResponse:
        """Return the open answer of a long request; raise ClientError if it is a problem.

        A read of it raises OSError when nothing came for `idle_s`.
        """
        return self._open(request, idle_s, was_there=False)

    def _open(self, request: Request, timeout: float, *, was_there: bool) -> http.client.HTTPResponse:
        kind = http.client.HTTPSConnection if self.address.secure else http.client.HTTPConnection
        connection = kind(self.address.host, self.address.port, timeout=timeout)
        headers = {"Accept": "application/json", "User-Agent": f"ormen/{__version__}", "Connection": "close"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        payload = None
        if request.body is not None:
            payload = json.dumps(request.body).encode()
            headers["Content-Type"] = "application/json"
        connected = False
        try:
            connection.connect()
            connected = True
            self._lines.add(connection.sock)
            if self._aborted.is_set():
                raise Aborted
            connection.request(
                request.method, self.address.path + request.target, payload, {**headers, **request.headers}
            )
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._silence(error, repeat=connected or was_there) from error
        if connection.sock is not None:
            # The answer keeps the line open until it is closed itself, also where the other side would keep it longer.
            connection.sock.close()
        if answer.status >= 400:
            with _closing(answer):
                raise self._problem(answer)
        return answer

    def _read(self, answer: http.client.HTTPResponse) -> Any:
        try:
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._silence(error, repeat=True) from error
        if not raw:
            return None
        try:
            return json.loads(raw)
        except ValueError as error:
            raise self._no_deck(answer) from error

    def _silence(self, error: Exception, *, repeat: bool) -> ClientError:
        slow = isinstance(error, TimeoutError)
        if slow:
            cause = f"nothing came within {self._timeout:g}s"
        elif isinstance(error, ConnectionRefusedError):
            cause = "connection refused"
        else:
            cause = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
        return error_of(
            {
                "type": "/problems/unreachable",
                "title": "No deck answers",
                "status": 0,
                "code": "UNREACHABLE",
                "detail": f"no deck answers at {self.address}: {cause}",
                "hint": "start one with ormen up, or say where: -m HOST:PORT, ORMEN_MANAGER.",
            },
            retry_after_s=PAUSE_S if repeat else None,
        )

    def _problem(self, answer: http.client.HTTPResponse) -> ClientError:
        try:
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            document = None
        if not isinstance(document, dict) or "code" not in document:
            if answer.status in (404, 405):
                return self._no_deck(answer)
            request_id = answer.headers.get("X-Request-Id")
            document = {
                "type": "about:blank",
                "title": answer.reason or "An error",
                "code": "HTTP_ERROR",
                "detail": f"what answers at {self.address} said {answer.status} {answer.reason}".rstrip(),
                "hint": None,
                "request_id": request_id,
            }
        document["status"] = answer.status
        retry_after = _seconds(answer.headers.get("Retry-After")) if answer.status == 503 else None
        return error_of(document, retry_after_s=retry_after)

    def _no_deck(self, answer: http.client.HTTPResponse) -> ClientError:
        kind = answer.headers.get_content_type()
        return error_of(
            {
                "type": "/problems/not_a_deck",
                "title": "Not a deck",
                "status": 0,
                "code": "NOT_A_DECK",
                "detail": f"what answers at {self.address} is no deck of ormen: {answer.status}, {kind}",
                "hint": "say where the deck is: -m HOST:PORT, ORMEN_MANAGER.",
            }
        )


def _seconds(text: str | None) -> float:
    try:
        return max(float(text or 1), 0.0)
    except ValueError:
        return 1.0  # an HTTP date: not worth reading, a second is never wrong


class _closing:
    """Close an answer at the end of a block."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def __enter__(self) -> http.client.HTTPResponse:
        return self._answer

    def __exit__(self, *_: object) -> None:
        self._answer.close()
