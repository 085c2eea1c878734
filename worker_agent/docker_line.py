"""Connections to the engine that carry bytes both ways, and what comes over them as frames."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ormen.talk import ERR, MOST_FRAME, OUT, Frame

UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
"""Asks the engine to hand the connection over."""


class Line:
    """A connection to the engine that was taken over from HTTP; bytes that came with the answer's head are not lost."""

    def __init__(self, answer: Any) -> None:
        # As docker's own client does it: requests has no way to hand over the connection.
        self._answer = answer
        self._reader = answer.raw._fp.fp
        self._socket: socket.socket = self._reader.raw._sock
        self._socket.settimeout(None)

    def read(self, most: int) -> bytes:
        """Return what has come, waiting for the first byte; empty at the end."""
        try:
            found: bytes = self._reader.read1(most)
        except (OSError, ValueError):
            return b""
        return found

    def __iter__(self) -> Iterator[bytes]:
        """Yield what comes, until the end."""
        return iter(lambda: self.read(MOST_FRAME), b"")

    def write(self, data: bytes) -> None:
        """Send; a line that has ended takes nothing."""
        with suppress(OSError):
            self._socket.sendall(data)

    def offer(self, data: bytes) -> None:
        """Send as much as is taken at once; nothing is waited for."""
        with suppress(OSError):
            self._socket.send(data, socket.MSG_DONTWAIT)

    def close_write(self) -> None:
        """Say that nothing more is sent."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the line; who waits in it is released."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._answer.close()
        # The answer has no length, so that closing it alone would leave the line open.
        with suppress(ValueError):
            self._reader.close()
        self._socket.close()


def framed(chunks: Iterable[bytes], *, tty: bool) -> Iterator[Frame]:
    """Yield what comes as frames, as soon as it comes.

    Without a terminal the engine puts eight bytes before each piece: which output, three zeros, and the length.
    """
    head, left, kind = b"", 0, OUT
    for chunk in chunks:
        while chunk:
            if not tty and not left:
                missing = 8 - len(head)
                head, chunk = head + chunk[:missing], chunk[missing:]
                if len(head) == 8:
                    kind, left, head = ERR if head[0] == 2 else OUT, int.from_bytes(head[4:], "big"), b""
                continue
            most = MOST_FRAME if tty else min(left, MOST_FRAME)
            data, chunk = chunk[:most], chunk[most:]
            left -= 0 if tty else len(data)
            yield Frame(kind, data)
