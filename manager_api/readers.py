"""The sign that the answers of agents are still read: one thread of each process gives it for all its readers.

So a reader whose connection is full for a while is no reader that has gone, and an agent waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from ormen.errors import StoreUnavailable

log = logging.getLogger("ormen.api")

EVERY_S = 3.0
"""How often the sign is given; it holds for ten seconds."""


class Signs(Protocol):
    """What is needed of the store."""

    def still_reading(self, requests: Iterable[str]) -> None:
        """Say that somebody still reads the answers to these requests."""


class Readers:
    """The requests whose answers this process reads just now. The thread lives only while there are some."""

    def __init__(self, store: Callable[[], Signs]) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._requests: set[str] = set()
        self._thread: threading.Thread | None = None

    def add(self, request: str) -> None:
        """Give the sign for a request from now on."""
        with self._changed:
            self._requests.add(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._give, name="readers", daemon=True)
                self._thread.start()

    def discard(self, request: str) -> None:
        """Give the sign no longer; the thread ends with the last."""
        with self._changed:
            self._requests.discard(request)
            if not self._requests:
                self._changed.notify_all()

    def close(self) -> None:
        """Give no sign any more, also for answers that nobody has closed: this process stops."""
        with self._changed:
            self._requests.clear()
            self._changed.notify_all()

    def _give(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: not self._requests, EVERY_S):
                    self._thread = None
                    return
                requests = tuple(self._requests)
            try:
                self._store().still_reading(requests)
            except StoreUnavailable as error:
                log.info("the store was not told that %d answers are read: %s", len(requests), error)
