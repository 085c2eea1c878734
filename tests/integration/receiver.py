"""A program that is told by webhooks: it keeps what came, and answers as a test says."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.serving import HTTPServer


@dataclass(frozen=True)
class Got:
    """One message as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The message's id."""
        return self.headers["webhook-id"]


class Receiver:
    """Answers with `status`; while `held` is clear it reads a message and says nothing."""

    def __init__(self, port: int = 0, *, status: int = 204, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}
        self.held = threading.Event()
        self.held.set()
        self.got: list[Got] = []
        self._server = HTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where messages are to be sent."""
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    def times(self) -> Counter[str]:
        """How often each message came."""
        return Counter(got.id for got in self.got)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mine.got.append(Got({name.lower(): value for name, value in self.headers.items()}, body))
                mine.held.wait(30)
                self.send_response(mine.status)
                for name, value in mine.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

    def close(self) -> None:
        """Listen no longer."""
        self.held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiving(port: int = 0, **options: Any) -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    made = Receiver(port, **options)
    try:
        yield made
    finally:
        made.close()
