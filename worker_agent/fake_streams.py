"""The streams of the fake engine: items of a growing list, waited for, and closed from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from worker_agent.runtime import RuntimeEvent, RuntimeFault

T = TypeVar("T")
KEPT = 100_000
"""Events that a new stream can still be given; a simulation runs for long."""


class FakeStream(Generic[T]):
    """Yields what `more` has beyond a position, until it says that there will be no more, or raises."""

    def __init__(self, changed: threading.Condition, more: Callable[[int], tuple[Sequence[T], bool]]) -> None:
        self._changed = changed
        self._more = more
        self._at = 0
        self._closed = False

    def __iter__(self) -> Iterator[T]:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Return the next item; wait for it."""
        with self._changed:
            while True:
                items, ended = ((), True) if self._closed else self._more(self._at)
                if items:
                    self._at += 1
                    return items[0]
                if ended:
                    self._closed = True
                    raise StopIteration
                self._changed.wait()

    def close(self) -> None:
        """End the stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Journal:
    """Every event of a fake engine, in order, and whoever waits for the next."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._events: list[tuple[str | None, RuntimeEvent]] = []
        self._dropped = 0
        self._readers: set[_Watch] = set()

    @property
    def end(self) -> int:
        """Return the number of events so far."""
        return self._dropped + len(self._events)

    def add(self, cluster: str | None, event: RuntimeEvent) -> None:
        """Append an event of a container of `cluster`."""
        with self.changed:
            self._events.append((cluster, event))
            if len(self._events) > KEPT:
                self._dropped += KEPT // 2
                del self._events[: KEPT // 2]
            self.changed.notify_all()

    def wake(self) -> None:
        """Let every stream look again."""
        with self.changed:
            self.changed.notify_all()

    def cut(self, fault: RuntimeFault) -> None:
        """End every stream that is open now with `fault`."""
        with self.changed:
            for reader in self._readers:
                reader.fault = fault
            self._readers.clear()
            self.changed.notify_all()

    def watch(self, cluster: str, since: int | None, *, closed: RuntimeFault) -> _Watch:
        """Return the stream of the cluster's events after `since`, or from now on; closing ends it with `closed`."""
        with self.changed:
            reader = _Watch(self, cluster, since, closed=closed)
            self._readers.add(reader)
            return reader

    def after(self, at: int) -> tuple[int, list[tuple[str | None, RuntimeEvent]]]:
        """Return the position to go on from, and what there is from `at` on."""
        return self.end, self._events[max(0, at - self._dropped) :]


class _Watch:
    """A cluster's events, one by one. It never ends but by raising its fault."""

    def __init__(self, journal: Journal, cluster: str, since: int | None, *, closed: RuntimeFault) -> None:
        self._journal = journal
        self._cluster = cluster
        self._since = since
        self._at = journal.end if since is None else 0
        self._ready: list[RuntimeEvent] = []
        self._closed = closed
        self.fault: RuntimeFault | None = None

    def __iter__(self) -> Iterator[RuntimeEvent]:
        """Return itself."""
        return self

    def __next__(self) -> RuntimeEvent:
        """Return the next event; wait for it; raise the fault that ended the stream."""
        with self._journal.changed:
            while not self._ready:
                self._at, found = self._journal.after(self._at)
                since = self._since or 0
                self._ready = [event for cluster, event in found if cluster == self._cluster and event.at_ns > since]
                if self._ready:
                    break
                if self.fault is not None:
                    raise self.fault
                self._journal.changed.wait()
            return self._ready.pop(0)

    def close(self) -> None:
        """End the stream."""
        with self._journal.changed:
            self.fault = self._closed
            self._journal.changed.notify_all()
