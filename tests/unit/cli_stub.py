"""A small HTTP server that answers as a deck would, from documents given by the test."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from tests.serving import HTTPServer

CREATED = "2026-11-21T10:02:11.390Z"

WEB: dict[str, Any] = {
    "id": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4",
    "name": "web",
    "wanted": "running",
    "state": "scheduled",
    "health": None,
    "attempt": 1,
    "node": "node-1",
    "container_name": "web.7f3c2a10",
    "container_id": None,
    "exit_code": None,
    "reason": None,
    "detail": "sent to node-1",
    "next_try_at": None,
    "created_at": CREATED,
    "started_at": None,
    "ended_at": None,
    "restarts": 0,
    "ports": [{"container": 80, "host": 8080, "protocol": "tcp", "address": "10.0.0.11"}],
    "placement": {"strategy": "epvm", "cost": 0.041, "fitted": 3, "next": [{"node": "node-3", "cost": 0.046}]},
    "labels": {},
    "spec": {"name": "web", "image": "nginx", "ports": [{"container": 80, "host": 8080}], "health": {"http": "/"}},
}
"""The first record of ux's POST /v1/tasks."""

UP = {**WEB, "state": "running", "health": "healthy", "started_at": "2026-11-21T10:02:15.791Z", "detail": None}

TRAIN: dict[str, Any] = {
    **WEB,
    "id": "5e20bb91-6a0f-4f3b-8a57-0d1c9e7b2a44",
    "name": "train",
    "state": "pending",
    "attempt": 0,
    "node": None,
    "container_name": None,
    "detail": None,
    "ports": [],
    "placement": None,
    "reason": {"code": "FIT_MEMORY", "sentence": "Needs 4 GiB of memory; the most free is 1.5 GiB, on node-1."},
    "next_try_at": "2026-11-21T10:02:16.000Z",
    "spec": {"name": "train", "image": "acme/train:2", "memory": "4GiB"},
}

GIB = 1024**3


def node(name: str, **fields: Any) -> dict[str, Any]:
    """Return a node's document, with other fields where given."""
    return {
        "name": name,
        "state": "ready",
        "state_reason": None,
        "address": "10.0.0.11",
        "labels": {},
        "agent_version": "0.1.0",
        "engine": {"version": "24.0.7", "os": "linux", "arch": "amd64"},
        "last_heartbeat_at": CREATED,
        "joined_at": CREATED,
        "clock_skew_ms": 3,
        "tasks": 4,
        "ports": {},
        "capacity": {"cpu": 4, "memory_bytes": 16012 * 1024**2, "disk_bytes": 196 * GIB},
        "reserved": {"cpu": 1.5, "memory_bytes": 16012 * 1024**2 - int(1.5 * GIB), "disk_bytes": 0},
        "used": {"cpu": 0.4, "memory_bytes": 2 * GIB, "disk_bytes": 20 * GIB},
        **fields,
    }


def problem(status: int, code: str, detail: str, **more: Any) -> Answer:
    """Return a problem document as an answer."""
    document = {"type": f"/problems/{code.lower()}", "title": code, "status": status, "code": code, "detail": detail}
    return Answer(status, {"hint": None, "request_id": "5f0c1e9a", **document, **more})


@dataclass
class Answer:
    """One answer; `cut` closes the connection instead. `delay_s` is how long it takes, or until the stub is closed."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    delay_s: float = 0.0


def log(*lines: str, attempt: int = 1, live: bool = True, end: str | None = "ENDED", first: int = 0) -> Answer:
    """Return a log's answer: lines a second apart, from the second `first` on; without an end it has broken off."""
    head = {"task": WEB["id"], "name": "web", "attempt": attempt, "node": "node-1", "live": live, "at": moment(0)}
    printed = [{"at": moment(first + place) if live else None, "text": line} for place, line in enumerate(lines)]
    objects = [head, *printed, *([{"end": end, "sentence": f"it is {end}"}] if end else [])]
    return Answer(200, "".join(json.dumps(each) + "\n" for each in objects).encode())


def moment(second: int) -> str:
    """Return a time as the engine writes it."""
    return f"2026-11-21T10:02:{second:02d}.000000000Z"


@dataclass
class Seen:
    """One request that came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: Mapping[str, str]


class Stub:
    """Answers by ``METHOD /path``: each list is gone through, its last answer is given for ever."""

    def __init__(
        self, answers: Mapping[str, Any], events: list[dict[str, Any]] | None = None, *, port: int = 0
    ) -> None:
        self.answers = {key: list(value) if isinstance(value, list) else [value] for key, value in answers.items()}
        self.events = events or []
        self.seen: list[Seen] = []
        self.server = HTTPServer(("127.0.0.1", port), self._handler())
        self.closing = threading.Event()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = urlsplit(self.path)
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stub.seen.append(
                    Seen(
                        self.command, parts.path, parse_qs(parts.query), json.loads(raw or b"null"), dict(self.headers)
                    )
                )
                if parts.path == "/v1/events" and "follow" in parts.query:
                    stub.stream(self)
                    return
                stub.give(self, stub.next(f"{self.command} {parts.path}"))

            do_GET = do_POST = do_DELETE = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def next(self, key: str) -> Answer:
        found = self.answers.get(key, [problem(404, "TASK_NOT_FOUND", f"nothing at {key}")])
        answer = found.pop(0) if len(found) > 1 else found[0]
        return answer if isinstance(answer, Answer) else Answer(200, answer)

    def give(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.delay_s:
            self.closing.wait(answer.delay_s)
        if answer.cut:
            handler.close_connection = True
            return
        raw = (
            answer.body
            if isinstance(answer.body, bytes)
            else b""
            if answer.body is None
            else json.dumps(answer.body).encode()
        )
        handler.send_response(answer.status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(raw)),
            **answer.headers,
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        with suppress(BrokenPipeError):  # whoever asked has given up
            handler.wfile.write(raw)

    def stream(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b": hello\n\nid: 1-0\n\n")
        for event in self.events:
            data = {key: value for key, value in event.items() if key not in ("id", "type")}
            handler.wfile.write(f"id: {event['id']}\nevent: {event['type']}\ndata: {json.dumps(data)}\n\n".encode())
        handler.wfile.flush()
        self.closing.wait(30)


@contextmanager
def deck(answers: Mapping[str, Any], events: list[dict[str, Any]] | None = None, *, port: int = 0) -> Iterator[Stub]:
    """Serve these answers while the block runs, on any port or the one given."""
    stub = Stub(answers, events, port=port)
    thread = threading.Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        stub.server.shutdown()
        stub.server.server_close()


def event(kind: str, at: str, sentence: str, **fields: Any) -> dict[str, Any]:
    """Return one event of `WEB` at a time of the day."""
    from ormen.cli.render.text import epoch

    stamp = f"2026-11-21T{at}Z"
    millis = round((epoch(stamp) or 0) * 1000)
    base = {"task": WEB["id"], "name": "web", "attempt": 1, "node": "node-1", "from": None, "to": None, "reason": None}
    return {"id": f"{millis}-0", "type": kind, "at": stamp, "sentence": sentence, **base, **fields}


WAY = [
    event("task.accepted", "10:02:11.390", "from ann"),
    event("task.placed", "10:02:11.402", "attempt 1 on node-1, cheapest of 3 nodes that fit", to="scheduled"),
    event("task.pulling", "10:02:11.431", "nginx:latest on node-1"),
    event("task.pulled", "10:02:15.460", "nginx:latest, 67 MB at 17 MB/s"),
    event("task.running", "10:02:15.791", "web.7f3c2a10 started", to="running"),
    event("task.healthy", "10:02:16.402", "GET / answered 200"),
]
"""All that happens to `WEB` until it is healthy."""


@dataclass
class Result:
    """What came of one call of the command."""

    returncode: int
    stdout: str
    stderr: str


def variables(at: str, env: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment of a call: nothing of the caller's own settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ORMEN_", "NO_COLOR", "FORCE_"))}
    return kept | {"ORMEN_MANAGER": at, "TZ": "UTC", "PYTHONPATH": os.getcwd(), **(env or {})}


def ormen(
    *args: str, at: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None, input: str = ""
) -> Result:
    """Run the ormen command in this process, its streams being pipes, and return what came of it."""
    from ormen.cli.main import run

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, variables(at, env), clear=True),
        mock.patch.multiple(sys, stdout=out, stderr=err, stdin=io.StringIO(input)),
        chdir(cwd or Path.cwd()),
    ):
        code = run(args)
    return Result(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def program(*args: str, at: str = "", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the ormen command as a process of its own."""
    command = [sys.executable, "-m", "ormen.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, env=variables(at, env), timeout=60, check=False)
