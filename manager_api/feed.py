"""One reader of the event stream per process, and everybody who listens to it.

A thread reads ``events`` and hands each event to the subscriptions that want it. A subscription's queue is
bounded: whoever does not keep up is dropped and told so, and costs the others nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from ormen.errors import StoreUnavailable
from ormen.events import Event

log = logging.getLogger("ormen.api")

QUEUE_LENGTH = 1000
"""Events that wait for one reader at most."""

BLOCK_MS = 2000
"""How long one read of the stream waits; below the 5 s after which a connection is given up as dead."""


class Source(Protocol):
    """What the feed needs of the store."""

    def follow(self, after: str, block_ms: int) -> list[Event]:
        """Return the events later than `after`, waiting for the first up to `block_ms`."""

    def edges(self) -> tuple[str | None, str]:
        """Return the oldest and the newest event id."""


def order(event_id: str) -> tuple[int, int]:
    """Return an event id as a pair that compares as the stream is ordered."""
    ms, _, number = event_id.partition("-")
    return int(ms), int(number or 0)


class Subscription:
    """One listener's place: the events it wants, in order, from the moment it subscribed."""

    def __init__(self, feed: Feed, wants: Callable[[Event], bool]) -> None:
        self.wants = wants
        self.dropped = False
        self.ended = False
        self._feed = feed
        self._queue: queue.Queue[Event | None] = queue.Queue(QUEUE_LENGTH)

    def next(self, timeout_s: float) -> Event | None:
        """Return the next event; None when none came in time, or when the subscription is `dropped` or `ended`."""
        if self.ended and self._queue.empty():
            return None
        try:
            return self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None

    def offer(self, event: Event) -> None:
        """Hand over an event; a full queue ends the subscription as dropped."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped = True
            self.end()

    def end(self) -> None:
        """Wake the listener for good; what already waits for it is still handed out."""
        self.ended = True
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            log.debug("a listener that ends has %d events left to read", QUEUE_LENGTH)

    def close(self) -> None:
        """Listen no longer."""
        self._feed.leave(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Feed:
    """Fans the event stream out. The thread starts with the first subscription and ends with `close`."""

    def __init__(self, source: Callable[[], Source]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._listeners: set[Subscription] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @property
    def count(self) -> int:
        """Return how many listen."""
        return len(self._listeners)

    def subscribe(self, wants: Callable[[Event], bool] = lambda event: True) -> Subscription:
        """Return a subscription to every event from now on that `wants` accepts.

        Raises StoreUnavailable if this is the first and the stream's end cannot be found.
        """
        subscription = Subscription(self, wants)
        with self._lock:
            if self._thread is None:
                self._start()
            self._listeners.add(subscription)
        if self._closed.is_set():
            subscription.end()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription; doing so twice is harmless."""
        with self._lock:
            self._listeners.discard(subscription)

    def close(self) -> None:
        """End the thread and every subscription."""
        self._closed.set()
        with self._lock:
            listeners, self._listeners = self._listeners, set()
        for subscription in listeners:
            subscription.end()

    def _start(self) -> None:
        source = self._source()
        after = source.edges()[1] or "0-0"
        self._thread = threading.Thread(target=self._read, args=(source, after), name="event-feed", daemon=True)
        self._thread.start()

    def _read(self, source: Source, after: str) -> None:
        pause_s = 0.1
        while not self._closed.is_set():
            try:
                events = source.follow(after, BLOCK_MS)
            except StoreUnavailable as error:
                # The position is kept: what happens meanwhile is handed out when the store is back.
                log.warning("the event feed lost the store, next try in %.1fs: %s", pause_s, error)
                self._closed.wait(pause_s)
                pause_s = min(2.0, pause_s * 2)
                continue
            pause_s = 0.1
            if events:
                after = events[-1].id
                self._hand_out(events)

    def _hand_out(self, events: Sequence[Event]) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            for event in events:
                if not listener.dropped and listener.wants(event):
                    listener.offer(event)
            if listener.dropped:
                self.leave(listener)
