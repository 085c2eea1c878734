"""Calls over the engine's socket whose answer is read at once, on connections that are kept.

Docker's own client is a `requests.Session`, which takes half a millisecond of CPU for a call, and its transport keeps
its connections by whole URL, so that hardly one is ever used twice. What is streamed stays with it.
"""

from __future__ import annotations

import json
import select
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any
from urllib.parse import urlencode

CONNECT_S = 5.0
"""How long the engine may take to accept a connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the engine, read to its end."""

    status_code: int
    headers: HTTPMessage | Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Return the body decoded; raise ValueError if it is no JSON."""
        return json.loads(self.content)


class Calls:
    """Sends calls to the engine at the socket `path`; up to `most` connections wait there for the next. Thread-safe."""

    def __init__(self, path: str, *, most: int) -> None:
        self._path = path
        self._idle: deque[_Connection] = deque(maxlen=most)

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        *,
        body: bytes | None = None,
        headers: Mapping[str, str | bytes],
        timeout_s: float | None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Answer:
        """Return the answer, whatever its status; raise OSError or http.client.HTTPException if none came whole.

        `path` has been quoted. `timeout_s` bounds each silence of the engine. Nothing is sent twice: whether the engine
        acts on a call whose connection broke, nobody knows. `meanwhile` is called once all is sent.
        """
        target = f"{path}?{urlencode(params)}" if params else path
        connection = self._take()
        try:
            connection.wait_at_most(timeout_s)
            connection.request(method, target, body, headers)
            meanwhile()
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._give(connection)
        return answer

    def close(self) -> None:
        """Let go of the connections that nobody uses just now."""
        while connection := self._last():
            connection.close()

    def _take(self) -> _Connection:
        """Return a connection that the engine has not closed meanwhile, the one used last if there is any."""
        while connection := self._last():
            if connection.is_quiet():
                return connection
            connection.close()
        connection = _Connection(self._path)
        connection.connect()
        return connection

    def _give(self, connection: _Connection) -> None:
        if len(self._idle) == self._idle.maxlen:
            connection.close()
        else:
            self._idle.append(connection)

    def _last(self) -> _Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None


class _Connection(HTTPConnection):
    """HTTP over a socket of this host."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = dial(self._path)

    def wait_at_most(self, timeout_s: float | None) -> None:
        self.sock.settimeout(timeout_s)

    def is_quiet(self) -> bool:
        """Return whether nothing has come since the last answer: what would come is the end."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


def dial(path: str) -> socket.socket:
    """Return a connection to the socket at `path`; raise OSError if nothing accepts there."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(CONNECT_S)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection
