"""One check of one container, made from beside it: HTTP, TCP, or a command inside."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from ormen.reasons import Code
from ormen.spec import HealthSpec
from worker_agent.runtime import Container, EngineHung, ProbeResult

BODY = 4096
"""Of an answer's body, the bytes that are read, and only to word a failure."""


_HEAD_END = re.compile(rb"\r?\n\r?\n")
"""Small servers and scripts behind them end a line with less than HTTP asks; clients forgive that, and so do we."""


class RunsCommands(Protocol):
    """What of a runtime a check needs."""

    def probe_command(self, container_id: str, command: tuple[str, ...], *, timeout_s: float) -> ProbeResult:
        """Run a command inside."""
        ...


def check(health: HealthSpec, container: Container, runtime: RunsCommands) -> ProbeResult:
    """Return what the check says; `health.timeout_s` bounds all of it, a server that drips included.

    Redirects are not followed. A check that cannot be made has failed; only EngineDown and EngineDenied are raised.
    """
    if health.command is not None:
        try:
            return runtime.probe_command(container.id, health.command, timeout_s=health.timeout_s)
        except EngineHung as fault:
            return ProbeResult(False, fault.reason.sentence.rstrip("."), Code.HEALTH_COMMAND)
    if health.tcp is not None:
        return _Check(container, health.tcp, health.timeout_s).tcp()
    return _Check(container, health.port or 80, health.timeout_s).http(health.http or "/", health.expect)


def address_of(container: Container) -> str | None:
    """Return where the agent reaches the container's ports: its own address, on the host's network 127.0.0.1."""
    return "127.0.0.1" if container.network_mode == "host" else container.ip


class _Check:
    """One check of a port against the clock."""

    def __init__(self, container: Container, port: int, timeout_s: float) -> None:
        self._address = address_of(container)
        self._port = port
        self._timeout_s = timeout_s
        self._began = time.monotonic()

    def tcp(self) -> ProbeResult:
        """Return whether the port accepts a connection."""
        place = f"port {self._port}"

        def connect() -> ProbeResult:
            self._connect().close()
            return self._result(True, f"{place} accepted a connection", Code.HEALTH_TCP)

        return self._guarded(connect, place, Code.HEALTH_TCP)

    def http(self, path: str, expect: tuple[int, int]) -> ProbeResult:
        """Return whether ``GET path`` is answered with a status in the inclusive range `expect`."""
        place = f"GET :{self._port}{path}"

        def get() -> ProbeResult:
            with self._connect() as connection:
                host = f"{self._address}:{self._port}"
                ask = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ormen\r\nConnection: close\r\n\r\n"
                connection.sendall(ask.encode())
                status, body = self._answer(connection, expect)
            if expect[0] <= status <= expect[1]:
                return self._result(True, f"{place} answered {status}", Code.HEALTH_HTTP, status=status)
            gist = _gist(body)
            words = f' "{gist}"' if gist else ""
            return self._result(
                False, f"{place} answered {status}{words}", Code.HEALTH_HTTP, status=status, output=gist
            )

        return self._guarded(get, place, Code.HEALTH_HTTP)

    def _guarded(self, attempt: Callable[[], ProbeResult], place: str, code: Code) -> ProbeResult:
        if self._address is None:
            return self._result(False, f"{place} cannot be asked: the container has no address", code)
        try:
            return attempt()
        except TimeoutError:
            return self._result(False, f"{place} gave no answer within {self._timeout_s:g}s", code)
        except ConnectionRefusedError:
            return self._result(False, f"{place} refused the connection", code)
        except http.client.HTTPException:
            return self._result(False, f"{place} answered, but not in HTTP", code)
        except OSError as error:
            return self._result(False, f"{place} failed: {(error.strerror or str(error)).lower()}", code)

    def _answer(self, connection: socket.socket, expect: tuple[int, int]) -> tuple[int, str]:
        """Return the status, and the beginning of the body if the status is not as expected."""
        held = b""
        while True:
            part = self._more(connection, complete=_HEAD_END.search(held) is not None)
            held += part
            if end := _HEAD_END.search(held):
                body = held[end.end() :]
                status, length = _head(held[: end.start()])
                ended = not part or len(body) >= min(length, BODY) or body.endswith(b"0\r\n\r\n")
                if ended or expect[0] <= status <= expect[1]:
                    return status, _body(held)
            elif not part:
                raise http.client.BadStatusLine("")
            elif len(held) > 16 * BODY:
                raise http.client.LineTooLong("header")

    def _more(self, connection: socket.socket, *, complete: bool) -> bytes:
        """Return what comes next. Once the head is complete, time running out is only the end of the body."""
        try:
            connection.settimeout(self._left_s())
            return connection.recv(BODY)
        except TimeoutError:
            if complete:
                return b""
            raise

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((self._address or "", self._port), timeout=self._left_s())
        connection.settimeout(self._left_s())
        return connection

    def _left_s(self) -> float:
        left = self._timeout_s - (time.monotonic() - self._began)
        if left <= 0:
            raise TimeoutError
        return left

    def _result(
        self, ok: bool, sentence: str, code: Code, *, status: int | None = None, output: str = ""
    ) -> ProbeResult:
        return ProbeResult(ok, sentence, code, round((time.monotonic() - self._began) * 1000), status, output)


class _Bytes:
    """What http.client reads an answer from, instead of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parse(data: bytes) -> http.client.HTTPResponse:
    source: Any = _Bytes(data)
    answer = http.client.HTTPResponse(source, method="GET")
    answer.begin()
    return answer


def _head(head: bytes) -> tuple[int, int]:
    answer = _parse(head + b"\r\n\r\n")
    length = answer.getheader("Content-Length") or ""
    return answer.status, int(length) if length.isdecimal() else BODY


def _body(data: bytes) -> str:
    try:
        return _parse(data).read(BODY).decode(errors="replace")
    except http.client.IncompleteRead as short:
        return short.partial.decode(errors="replace")


def _gist(body: str) -> str:
    """Return what a failed check's body says, in one line: of a JSON object its message, else its first line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        named = (found.get(key) for key in ("error", "message", "detail", "status", "reason"))
        body = next((value for value in named if isinstance(value, str)), body)
    line = next((line.strip() for line in body.splitlines() if line.strip()), "")
    return line if len(line) <= 80 else line[:79] + "…"
