"""Answers of the engine that are read as they come, and can be ended from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

from worker_agent.docker_gate import Gate
from worker_agent.docker_views import frames

T = TypeVar("T")
KEPT = 4096
"""Of what a command prints, the first bytes that are looked at."""


class EngineStream(Generic[T]):
    """The items read from one answer. It is in `among` until it has ended, so that all can be closed at once."""

    def __init__(self, items: Iterator[T], answer: Any, among: set[EngineStream[Any]]) -> None:
        self._items = items
        self._answer = answer
        self._among = among
        among.add(self)

    def __iter__(self) -> Iterator[T]:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Return the next item; wait for it."""
        try:
            return next(self._items)
        except BaseException:
            self._among.discard(self)
            self._answer.close()
            raise

    def close(self) -> None:
        """End the stream from any thread: a reader that waits sees the connection end."""
        self._among.discard(self)
        hang_up(self._answer)


def hang_up(answer: Any) -> None:
    """Close the connection under a reader that may be waiting in it."""
    # Closing the response itself would wait for the lock its reader holds. An OSError or ValueError says
    # that the connection has ended by itself, a RuntimeError that it went back to the pool at its end.
    answer.hung_up = True
    with suppress(OSError, ValueError, RuntimeError):
        answer.raw.shutdown()


def chunks(answer: Any) -> Iterator[bytes]:
    """Yield what comes, as it comes; a connection that breaks is the end."""
    with suppress(OSError, AttributeError):  # urllib3 loses its file when hung up between two reads
        yield from answer.iter_content(chunk_size=None)


def whole(gate: Gate, answer: Any, doing: str) -> Iterator[bytes]:
    """Yield what comes, as it comes; what breaks off is a fault unless we hung up: a part of it may look like all."""
    try:
        yield from answer.iter_content(chunk_size=None)
    except (OSError, AttributeError) as error:  # as above
        if not getattr(answer, "hung_up", False):
            raise gate.fault(error, doing) from error


def lines(answer: Any) -> Iterator[bytes]:
    """Yield whole lines as they come."""
    held = b""
    for chunk in chunks(answer):
        *whole, held = (held + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())


def read_within(answer: Any, timeout_s: float) -> str:
    """Return the first line an exec prints, having waited for its end; raise TimeoutError if it has not ended."""
    ends_at = time.monotonic() + timeout_s
    timer = threading.Timer(timeout_s, hang_up, (answer,))
    timer.daemon = True
    timer.start()
    try:
        kept = b""
        with answer:
            for chunk in chunks(answer):
                kept += chunk[: KEPT - len(kept)]
    finally:
        timer.cancel()
    if time.monotonic() >= ends_at:
        raise TimeoutError
    printed = b"".join(frames([kept])).decode(errors="replace").strip()
    return printed.splitlines()[0] if printed else ""
