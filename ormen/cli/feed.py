"""The deck's events, read by a thread, so that the screen can be drawn and Ctrl-C heard meanwhile."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ormen.client import Client
from ormen.transport import Document


class Feed:
    """Events from a place in their order on. `next` gives them one by one."""

    def __init__(
        self, client: Client, *, after: str | None = None, node: str | None = None, notice: Callable[[str], None]
    ) -> None:
        """Begin to read; `notice` is told when the deck is away and when it is back."""
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._events = client.follow_events(after=after, node=node, notice=notice)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for event in self._events:
                self._queue.put(event)
        except Exception as error:
            self._queue.put(error)  # raised by `next`, in the thread that can tell the user

    def next(self, timeout_s: float) -> Document | None:
        """Return the next event, None if none comes in time; raise what ended the stream."""
        try:
            item = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        event: Document = item
        return event

    def burst(self, timeout_s: float) -> Iterator[Document]:
        """Yield all events that are there, after waiting for a first one."""
        event = self.next(timeout_s)
        while event is not None:
            yield event
            event = self.next(0)
