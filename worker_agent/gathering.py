"""What a dialogue prints, read ahead by a thread of its own as far as a bounded buffer goes; then the reading waits.

What has come is there at once, so a prompt is never late; what came while something else was told comes as one frame,
so a log is not told line by line.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator

from ormen.talk import ERR, MOST_FRAME, OUT, Frame

MOST_HELD = 64
"""Frames that are held at most: those of two outputs in turn cannot be joined."""


class Gathered:
    """The frames of a dialogue, those of the same output joined; a fault of its reading is raised after them."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = frames
        self._changed = threading.Condition()
        self._held: deque[tuple[str, bytearray]] = deque()
        self._ended = False
        self._fault: Exception | None = None
        threading.Thread(target=self._read, name="gathering", daemon=True).start()

    def __iter__(self) -> Iterator[Frame]:
        """Return itself."""
        return self

    def __next__(self) -> Frame:
        """Return what has come since; wait for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._ended)
            if self._held:
                kind, data = self._held.popleft()
                self._changed.notify_all()
                return Frame(kind, bytes(data))
        if self._fault is not None:
            raise self._fault
        raise StopIteration

    def close(self) -> None:
        """Read no more; whoever waits in the dialogue itself is freed by its own `close`."""
        with self._changed:
            self._ended = True
            self._held.clear()
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or self._has_room())
                    if self._ended:
                        return
                    self._keep(frame)
                    self._changed.notify_all()
        except Exception as fault:
            self._fault = fault
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._held) < MOST_HELD and sum(len(data) for _, data in self._held) < MOST_FRAME

    def _keep(self, frame: Frame) -> None:
        if self._held and frame.kind in (OUT, ERR):
            kind, data = self._held[-1]
            if kind == frame.kind and len(data) + len(frame.data) <= MOST_FRAME:
                data += frame.data
                return
        self._held.append((frame.kind, bytearray(frame.data)))
