"""The one gate to the engine: requests go out with a time limit each, and silence comes back as a fault of ours."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ormen.reasons import Code, Reason
from worker_agent.docker_calls import CONNECT_S, Answer, Calls, dial
from worker_agent.runtime import EngineDenied, EngineDown, EngineHung, RuntimeFault

if TYPE_CHECKING:
    from requests import Response

SOCKET = "unix://"
"""How the address of an engine at a socket of this host begins."""
_PLAIN = "/:@!$&'()*+,;=~"
"""What stands in a path as it is, beside letters and digits."""
CONNECTIONS = 192
"""Kept open: the agent's lanes use 103 at once, a look at what tasks use 64, and heartbeat, sync and watcher their own.
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to the engine. `upload` is a body of pieces that `stream` sends as they come, in place of `body`."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    upload: Iterator[bytes] | None = None


class Gate:
    """Asks the engine. The session is made at the first request and anew after the engine was away.

    `connect` returns docker's low-level client, which is an HTTP session with the transport to the engine.
    So an agent can start before its engine, and an engine that was upgraded is asked for its version again.
    """

    def __init__(self, connect: Callable[[], Any], *, address: str) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._session: Any = None
        self.address = address
        self._calls = Calls(address.removeprefix(SOCKET), most=CONNECTIONS) if address.startswith(SOCKET) else None

    def session(self) -> Any:
        """Return the session; raise a fault if the engine cannot be reached."""
        with self._lock:
            if self._session is None:
                try:
                    knock(self.address)
                    self._session = self._connect()
                except Exception as error:  # docker wraps whatever happened while it asked for the version
                    raise self.fault(error, "GET /version") from error
            return self._session

    def ask(self, ask: Ask, *, timeout_s: float | None, meanwhile: Callable[[], object] = lambda: None) -> Answer:
        """Return the whole answer, whatever its status; raise EngineDown, EngineDenied or EngineHung.

        `timeout_s` bounds each silence of the engine. `meanwhile` is called once, on a socket while the engine works.
        """
        session = self.session()
        with self._faults(ask, session):
            if self._calls is None:
                meanwhile()
                with _send(session, ask, timeout_s) as response:
                    return Answer(response.status_code, response.headers, response.content)
            return self._calls.call(
                ask.method,
                _path(session, ask),
                ask.params,
                body=None if ask.body is None else json.dumps(ask.body).encode(),
                headers=_headers(ask),
                timeout_s=timeout_s,
                meanwhile=meanwhile,
            )

    def stream(self, ask: Ask, *, timeout_s: float | None) -> Response:
        """Return the response, whose body is left to be read as it comes; raise as `ask` does.

        `timeout_s` bounds each silence of the engine; None waits for ever, as an event stream must.
        """
        session = self.session()
        with self._faults(ask, session):
            return _send(session, ask, timeout_s)

    def knock(self) -> None:
        """Return if the engine takes a new connection; raise as `ask` does."""
        try:
            knock(self.address)
        except OSError as error:
            raise self.fault(error, "a new connection") from error

    def forget(self, session: object) -> None:
        """Drop the session if it is still the one in use."""
        with self._lock:
            if self._session is session:
                self._session = None

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()
        if self._calls is not None:
            self._calls.close()

    def fault(self, error: BaseException, doing: str) -> RuntimeFault:
        """Return our fault for what went wrong on the way to the engine."""
        causes = _causes(error)
        if any(getattr(cause, "errno", None) in (errno.EACCES, errno.EPERM) for cause in causes):
            return EngineDenied(
                Reason(
                    Code.ENGINE_DENIED,
                    f"This user may not use Docker at {self.address}; add it to the group docker, or run as root.",
                )
            )
        if any(isinstance(cause, TimeoutError) or type(cause).__name__.endswith("ReadTimeout") for cause in causes):
            return EngineHung(
                Reason(
                    Code.ENGINE_HUNG,
                    f"Docker at {self.address} took {doing} and did not answer in time; look at its log.",
                )
            )
        known = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
        if not known or known[0].errno in (errno.ECONNRESET, errno.EPIPE):
            return self.down(_why_broken(self.address).lower())
        return self.down(str(known[0].strerror).lower())

    def down(self, detail: str) -> EngineDown:
        """Return the fault of an engine that is not there."""
        return EngineDown(
            Reason(
                Code.ENGINE_DOWN,
                f"Docker does not answer at {self.address}: {detail}; start it: systemctl start docker.",
            )
        )

    @contextmanager
    def _faults(self, ask: Ask, session: object) -> Iterator[None]:
        """Turn what goes wrong in the block into our fault; the session is dropped with an engine that is not there."""
        try:
            yield
        except (OSError, HTTPException) as error:  # requests' own errors are OSErrors
            fault = self.fault(error, f"{ask.method} {ask.path}")
            if isinstance(fault, EngineDown):
                self.forget(session)
            raise fault from error

    def unexpected(self, ask: Ask, answer: Answer | Response) -> EngineDown:
        """Return the fault for an answer that no rule of ours foresees."""
        return EngineDown(
            Reason(
                Code.ENGINE_DOWN,
                f"Docker at {self.address} answered {answer.status_code} to {ask.method} {ask.path}:"
                f" {message(answer)}.",
            )
        )


def knock(address: str) -> None:
    """Raise OSError if nothing accepts at a ``unix://`` address; other addresses are not tried.

    docker's own client hides the cause in a text, and leaves the socket it tried open.
    """
    if address.startswith(SOCKET):
        dial(address.removeprefix(SOCKET)).close()


def _why_broken(address: str) -> str:
    """Return why a connection broke, which says little by itself: is there still somebody who would take another?"""
    try:
        knock(address)
    except OSError as fault:
        return fault.strerror or str(fault)
    return "the connection broke"


def message(answer: Answer | Response) -> str:
    """Return the engine's message of an error."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.text.split())[:300]


def _send(session: Any, ask: Ask, timeout_s: float | None) -> Response:
    response: Response = session.request(
        ask.method,
        session.base_url + _path(session, ask),
        params=dict(ask.params),
        data=ask.upload if ask.body is None else json.dumps(ask.body),
        headers=_headers(ask),
        stream=True,
        timeout=(CONNECT_S, timeout_s),
    )
    return response


def _path(session: Any, ask: Ask) -> str:
    # A name is one part of the path, whatever it holds.
    return f"/v{session.api_version}{quote(ask.path, safe=_PLAIN)}"


def _headers(ask: Ask) -> dict[str, str | bytes]:
    return {**ask.headers, **({"Content-Type": "application/json"} if ask.body is not None else {})}


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and all beneath it: causes, contexts, and exceptions kept as arguments (urllib3 does)."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            waiting += [item.__cause__, item.__context__, *item.args, getattr(item, "reason", None)]
    return found
