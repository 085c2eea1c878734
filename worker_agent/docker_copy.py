"""Files into and out of containers of a Docker engine, as tar archives that are passed on piece by piece."""

from __future__ import annotations

import base64
import json
import posixpath
import queue
from collections.abc import Iterator
from threading import Event
from typing import Any, Self

from ormen.reasons import Code, Reason
from ormen.talk import STAT, Frame
from worker_agent.docker_disk import QUICK_S, WORK_S
from worker_agent.docker_gate import Ask, Gate, message
from worker_agent.docker_line import framed
from worker_agent.docker_streams import hang_up, whole
from worker_agent.runtime import RuntimeFault

MOST_WAITING = 16
"""Pieces that wait to be taken by the engine."""
LINK = 1 << 27
DIRECTORY = 1 << 31
"""Bits of Go's file mode, in which the engine describes a path."""
WAIT_S = 0.2


class Copy:
    """What both directions have in common: no terminal, no signals."""

    def __init__(self) -> None:
        self._over = Event()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> Frame:
        """Return what comes next."""
        raise StopIteration

    def write(self, data: bytes) -> None:
        """Nothing is read."""

    def close_input(self) -> None:
        """Nothing is read."""

    def resize(self, rows: int, columns: int) -> None:
        """There is no terminal."""

    def signal(self, name: str) -> None:
        """There is no process."""

    def exit_code(self) -> int:
        """Return that it is done: what goes wrong is raised."""
        return 0

    def end(self) -> bool:
        """Give up in the middle."""
        self.close()
        return True

    def close(self) -> None:
        """Let go."""
        self._over.set()


class CopyOut(Copy):
    """The archive of a path: first what it is, then the tar."""

    def __init__(self, gate: Gate, container_id: str, path: str) -> None:
        super().__init__()
        ask = Ask("GET", f"/containers/{container_id}/archive", {"path": path})
        self._answer = gate.stream(ask, timeout_s=WORK_S)
        if self._answer.status_code != 200:
            raise refusal(path, self._answer)
        self._first: Frame | None = stat_frame(_stat_of(self._answer))
        self._frames = framed(whole(gate, self._answer, "GET /containers/ID/archive"), tty=True)

    def __next__(self) -> Frame:
        """Return the next piece."""
        first, self._first = self._first, None
        return first if first is not None else next(self._frames)

    def close(self) -> None:
        """Hang up."""
        super().close()
        hang_up(self._answer)


class CopyIn(Copy):
    """A tar that is unpacked as it comes. What stands at the path is told first, so that the sender names its entries.

    It is unpacked into the path if that is a folder, else into the folder above it.
    """

    def __init__(self, gate: Gate, container_id: str, path: str) -> None:
        super().__init__()
        self._gate = gate
        self._container = container_id
        self._pieces: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        found = self._stat(path)
        if found is not None and found["mode"] & LINK:
            path = posixpath.join(posixpath.dirname(path), found["linkTarget"])
            found = self._stat(path)
        folder = found is not None and found["mode"] & DIRECTORY
        self._into = path if folder else posixpath.dirname(path.rstrip("/")) or "/"
        self._told = False
        self._found = found

    def __next__(self) -> Frame:
        """Tell what is there; then unpack to the end."""
        if not self._told:
            self._told = True
            return stat_frame(self._found)
        params = {"path": self._into, "noOverwriteDirNonDir": "1"}
        ask = Ask("PUT", f"/containers/{self._container}/archive", params, upload=self._upload())
        try:
            # Counted from the last piece: while the sender is slow, nothing is waited for from the engine.
            with self._gate.stream(ask, timeout_s=WORK_S) as answer:
                if answer.status_code != 200:
                    raise refusal(self._into, answer)
        finally:
            self._over.set()
        raise StopIteration

    def write(self, data: bytes) -> None:
        """Hand a piece over; wait while the engine takes none."""
        self._put(data)

    def close_input(self) -> None:
        """End the archive."""
        self._put(None)

    def _put(self, piece: bytes | None) -> None:
        while not self._over.is_set():
            try:
                return self._pieces.put(piece, timeout=WAIT_S)
            except queue.Full:
                continue

    def _upload(self) -> Iterator[bytes]:
        while not self._over.is_set():
            try:
                piece = self._pieces.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            if piece is None:
                return
            yield piece
        raise ConnectionAbortedError("the copy was given up")

    def _stat(self, path: str) -> dict[str, Any] | None:
        ask = Ask("HEAD", f"/containers/{self._container}/archive", {"path": path})
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        return _stat_of(answer)


def stat_frame(found: dict[str, Any] | None) -> Frame:
    """Return the frame that says what stands at a path."""
    known = {"exists": found is not None}
    if found is not None:
        known |= {"name": found["name"], "folder": bool(found["mode"] & DIRECTORY)}
    return Frame(STAT, json.dumps(known).encode())


def refusal(path: str, answer: Any) -> RuntimeFault:
    """Return why the engine cannot copy."""
    if answer.status_code == 404:
        return RuntimeFault(Reason(Code.CREATE_REFUSED, f"There is no {path} in the container."))
    return RuntimeFault(Reason(Code.CREATE_REFUSED, f"Docker cannot copy {path}: {message(answer)}."))


def _stat_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    return found
