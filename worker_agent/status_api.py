"""The agent's own page: ``GET /stats`` and ``/tasks`` as the seed systems' workers serve them, and ``/healthz``.

It answers from what the agent knows by itself, so it works while Redis or the deck are away.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SILENT_S = 10.0
"""A client that sends nothing for so long is let go."""


class StatusPage:
    """Serves in threads of its own from `start` to `close`. `port` 0 takes a free one; `url` says which.

    `stats` and `tasks` return what is shown; `fault` returns None while the agent is well, else the sentence
    that ``/healthz`` answers 503 with.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        stats: Callable[[], Mapping[str, Any]],
        tasks: Callable[[], list[Any]],
        fault: Callable[[], str | None],
    ) -> None:
        self._answers: dict[str, Callable[[], tuple[int, Any]]] = {
            "/stats": lambda: (200, stats()),
            "/tasks": lambda: (200, tasks()),
            "/healthz": lambda: _health(fault()),
        }
        self._server = _Server(address, self._answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, name="status-page", daemon=True
        )

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://{self._server.server_address[0]!s}:{self.port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _answer(self, path: str) -> tuple[int, Any]:
        found = self._answers.get(path.partition("?")[0].rstrip("/"))
        if found is None:
            known = ", ".join(self._answers)
            return 404, {"HTTPStatusCode": 404, "Message": f"no such page; there are {known}"}
        return found()


def _health(fault: str | None) -> tuple[int, Any]:
    return (200, {"status": "ok"}) if fault is None else (503, {"status": "fault", "message": fault})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], answer: Callable[[str], tuple[int, Any]]) -> None:
        self.answer = answer
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client hangs up in the middle: that is its business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = SILENT_S

    def do_GET(self) -> None:
        """Answer a page as JSON."""
        try:
            status, shown = self.server.answer(self.path)
        except Exception as error:  # the page stays up and says what is wrong with what it was to show
            status, shown = 500, {"HTTPStatusCode": 500, "Message": f"this page could not be made: {error}"}
        body = json.dumps(shown).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Keep requests out of the agent's log."""
