"""Hearing the engine at once: its events say what happened to a container and by whose doing.

The stream is opened with the time of the last event, so what happened while it was closed is heard afterwards. If
the engine is another process than before (or was, by all that can be told, since its socket broke), then every
container that ended in between ended with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event

import psutil

from worker_agent.memory import Memory
from worker_agent.runtime import Engine, RuntimeEvent, RuntimeFault, Stream
from worker_agent.station import Station

log = logging.getLogger(__name__)

WORTH_A_LOOK = frozenset({"die", "destroy", "oom", "pause", "unpause"})
"""Events after which a task is looked at again; the others only explain."""
RETRY_S = 0.5
"""Between two tries to open the stream."""
REMEMBER_EVERY_S = 10.0
"""How often the time up to which the engine was watched is written to disk."""


class Watcher:
    """Follows the engine's events in a thread of its own, from `run` to `close`."""

    def __init__(self, station: Station, look: Callable[[str], object], memory: Memory) -> None:
        self._station = station
        self._look = look
        self._memory = memory
        self._closed = Event()
        self._stream: Stream[RuntimeEvent] | None = None
        past = memory.load()
        self._engine: str | None = str(past["engine"]) if past.get("engine") else None
        self._watched_ms: int | None = int(str(past["watched_ms"])) if past.get("watched_ms") else None
        self._saved_ms = 0
        self._followed = False

    def run(self) -> None:
        """Follow the events until closed; the engine's silences are waited out."""
        while not self._closed.is_set():
            try:
                self._follow()
            except Exception:
                # A fault of ours must not leave the agent deaf for good: without events no exit is judged.
                log.exception("the event stream is opened again")
            self._closed.wait(RETRY_S)

    def close(self) -> None:
        """End the stream and the thread."""
        self._closed.set()
        if self._stream is not None:
            self._stream.close()
        self._remember(self._station.wall_ms())

    def tick(self) -> None:
        """Note that the engine is being watched just now; called every second or so."""
        self._station.evidence.look()
        now_ms = self._station.wall_ms()
        if self._stream is not None and now_ms - self._saved_ms >= REMEMBER_EVERY_S * 1000:
            self._remember(now_ms)

    def open(self) -> Stream[RuntimeEvent]:
        """Open the stream and note what its silence meant; the caller hands each event to `hear`."""
        since = self._watched_ms * 1_000_000 if self._watched_ms is not None else None
        stream = self._station.runtime.watch(self._station.cluster, since=since)
        try:
            gap = self._gap(self._station.runtime.engine(), self._station.wall_ms())
        except BaseException:
            stream.close()
            raise
        self._stream, self._followed = stream, True
        self._station.evidence.connected(restarted_between=gap)
        self._remember(self._station.wall_ms())
        return stream

    def hear(self, event: RuntimeEvent) -> None:
        """Take in one event, and have its task looked at if it may have ended something of ours.

        What happens to another node's container on this engine is evidence, too: it may explain what the kernel counts.
        """
        self._station.evidence.hear(event)
        if event.type in WORTH_A_LOOK and event.node in (self._station.node, ""):
            self._look(event.task)

    def lost(self) -> None:
        """Note that the stream has ended."""
        if self._stream is not None:
            self._watched_ms = self._station.wall_ms()
        self._stream = None
        self._station.evidence.disconnected()

    def _follow(self) -> None:
        try:
            for event in self.open():
                self.hear(event)
        except RuntimeFault as fault:
            log.debug("event stream: %s", fault)
        finally:
            self.lost()

    def _gap(self, engine: Engine, now_ms: int) -> tuple[int, int] | None:
        started = engine.started_at or f"booted {psutil.boot_time():.0f}"
        before, since = self._engine, self._watched_ms
        self._engine = started
        if since is None or before is None:
            return None
        # A stream that broke under us means a new engine unless the engine itself says it is the old one.
        broke = self._followed and engine.started_at is None
        return (since, now_ms) if before != started or broke else None

    def _remember(self, now_ms: int) -> None:
        self._saved_ms = now_ms
        if self._stream is not None:
            self._watched_ms = now_ms
        self._memory.save(engine=self._engine, watched_ms=self._watched_ms)
