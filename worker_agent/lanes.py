"""Where the agent's work waits its turn: a few lanes, each with threads of its own, and one place a task.

Work has a key. Of one key at most one piece runs at a time, whatever the lane, and what is asked of it while it
runs is done once more afterwards: since all work begins by reading the record, once is enough however often it was
asked. Work that waits in one lane and is asked for in another runs in whichever is free first, so a stop never
queues behind slow starts.

Threads are made when there is work for them and are never more than the lane's width. With `threads=False` nothing
runs until `drain` is called: that is how a fleet of hundreds is simulated in one process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

START = "start"
STOP = "stop"
PROBE = "probe"
STREAM = "stream"
INBOX = "inbox"
TIDY = "tidy"
TALK = "talk"

WIDTHS: Mapping[str, int] = {START: 6, STOP: 16, PROBE: 8, STREAM: 64, INBOX: 1, TIDY: 2, TALK: 48}
"""Threads of each lane at most. Docker is CPU-bound: more starts at once only add to the wait of each. On two cores six
bring sixty tasks up as quickly as anything does, four take 6 % longer; a stop mostly waits, and with sixteen at once
sixty are gone an eighth sooner than with eight (`benchmarks.sixty`).

A talk takes two, and a third when it is ended."""

Work = Callable[[], object]


@dataclass(slots=True)
class Ticket:
    """One piece of work that was handed in; `result` is what it returned, once `done` is set."""

    key: str
    done: threading.Event = field(default_factory=threading.Event)
    result: object = None

    def wait(self, deadline: float) -> bool:
        """Wait until it is done or the monotonic clock says `deadline`; return whether it is done."""
        return self.done.wait(max(0.0, deadline - time.monotonic()))


@dataclass(slots=True)
class _Place:
    """The place of one key: what waits, and whether something runs."""

    work: Work | None = None
    ticket: Ticket | None = None
    lanes: list[str] = field(default_factory=list)
    running: bool = False


class Lanes:
    """Lanes of work with a place for each key."""

    def __init__(self, *, threads: bool = True) -> None:
        self._threaded = threads
        self._lock = threading.Lock()
        self._queues: dict[str, deque[str]] = {lane: deque() for lane in WIDTHS}
        self._work_waits = {lane: threading.Condition(self._lock) for lane in WIDTHS}
        self._threads = dict.fromkeys(WIDTHS, 0)
        self._idle = dict.fromkeys(WIDTHS, 0)
        self._places: dict[str, _Place] = {}
        self._closed = False

    def submit(self, lane: str, key: str, work: Work) -> Ticket:
        """Hand in work for `key`; it replaces what waits there already, and shares its ticket."""
        with self._lock:
            place = self._places.setdefault(key, _Place())
            place.work = work
            if place.ticket is None:
                place.ticket = Ticket(key)
            if lane not in place.lanes:
                place.lanes.append(lane)
                if not place.running:
                    self._enqueue(lane, key)
            return place.ticket

    def busy(self, key: str) -> bool:
        """Return whether work for `key` waits or runs."""
        with self._lock:
            return key in self._places

    def waiting(self) -> dict[str, int]:
        """Return how many pieces of work wait in each lane."""
        with self._lock:
            return {lane: len(queue) for lane, queue in self._queues.items()}

    def drain(self) -> int:
        """Run all that waits, here and now, also what it hands in itself; return how many pieces ran."""
        ran = 0
        while any(self._queues.values()):
            for lane in WIDTHS:
                with self._lock:
                    key = self._queues[lane].popleft() if self._queues[lane] else None
                ran += self._run(key) if key is not None else 0
        return ran

    def close(self) -> None:
        """Let the threads go once they have done what they are at; what waits is dropped."""
        with self._lock:
            self._closed = True
            for lane, queue in self._queues.items():
                queue.clear()
                self._work_waits[lane].notify_all()

    def _enqueue(self, lane: str, key: str) -> None:
        if self._closed:
            return
        self._queues[lane].append(key)
        if not self._threaded:
            return
        if self._idle[lane] >= len(self._queues[lane]):
            self._work_waits[lane].notify()
        elif self._threads[lane] < WIDTHS[lane]:
            # Counted once it is there: a host that is out of threads has none for us now, and may have one later.
            threading.Thread(target=self._serve, args=(lane,), name=f"lane {lane}", daemon=True).start()
            self._threads[lane] += 1

    def _serve(self, lane: str) -> None:
        while True:
            with self._lock:
                while not self._queues[lane]:
                    if self._closed:
                        return
                    self._idle[lane] += 1
                    self._work_waits[lane].wait()
                    self._idle[lane] -= 1
                key = self._queues[lane].popleft()
            self._run(key)

    def _run(self, key: str) -> int:
        with self._lock:
            place = self._places.get(key)
            if place is None or place.running or place.work is None or place.ticket is None:
                return 0
            work, ticket = place.work, place.ticket
            place.work, place.ticket, place.lanes, place.running = None, None, [], True
        try:
            ticket.result = work()
        except Exception:
            # A fault of ours in one task's work must not cost the lane its thread; the next pass looks again.
            log.exception("work for %s failed", key)
            ticket.result = "failed"
        finally:
            self._leave(key, place)
            ticket.done.set()
        return 1

    def _leave(self, key: str, place: _Place) -> None:
        with self._lock:
            place.running = False
            if place.work is None:
                del self._places[key]
            for lane in place.lanes:
                self._enqueue(lane, key)
