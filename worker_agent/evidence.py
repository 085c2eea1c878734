"""Who ended a container: its own program, or somebody else. Built from the engine's events; pure but for its lock.

An exit is somebody else's when a signal that ends programs was sent through the engine and not by us, or when the
engine itself stopped or restarted around it (then containers show ``Exited (0)``, with or without events).
Everything else is the program's own. An exit is not judged before its ``die`` event was heard, as the ``kill``
that explains it comes just before; if none comes within `PATIENCE_MS`, it is judged without.
"""

from __future__ import annotations

import signal
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from worker_agent.kernel_kills import KernelKills
from worker_agent.runtime import Container, RuntimeEvent

PATIENCE_MS = 1_500
"""How long an exit that was seen waits for the event that explains it."""
KILL_COUNTS_MS = 300_000
"""How long before an exit a signal may have been sent to have caused it: longer than usual grace times."""
BEFORE_ENGINE_STOP_MS = 20_000
"""How long before an engine's going silent it may have begun to stop its containers (Docker takes up to 15 s)."""
AFTER_ENGINE_START_MS = 5_000
"""How long after an engine's return it may date the ends of containers that died with it."""
MOST_KEPT = 4_096
"""How many containers' events are kept, the newest."""

HARMLESS = frozenset(
    {
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGCONT,
        signal.SIGSTOP,
        signal.SIGTSTP,
        signal.SIGCHLD,
    }
)
"""Signals that ask a program to do something other than to end."""


@dataclass(slots=True)
class Heard:
    """What was heard or seen of one container."""

    expected: bool = False
    passed_on: int = 0
    ending: bool = False
    stopped: bool = False
    killed_ms: int | None = None
    signal: int | None = None
    died: bool = False
    oom: bool = False
    exit_code: int | None = None
    first_seen_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is known who ended a container, and if it was somebody else, by what, in a clause."""

    known: bool
    cause: str | None = None


@dataclass(slots=True)
class Evidence:
    """What the agent has heard of exits. All times are milliseconds of the host's clock.

    `kills`: what the kernel counts, which explains the ends for want of memory that the engine does not; None: nothing.
    """

    kills: KernelKills | None = None
    _heard: OrderedDict[str, Heard] = field(default_factory=OrderedDict)
    _gaps: list[tuple[int, int]] = field(default_factory=list)
    _connected: bool = False
    _lock: Lock = field(default_factory=Lock)

    def pass_on(self, container_id: str) -> None:
        """Note that a reader who is attached sends a signal through us: what follows is the program's own end."""
        with self._lock:
            self._of(container_id).passed_on += 1

    @contextmanager
    def ending(self, container_id: str) -> Iterator[None]:
        """Mark the container as being ended by us: what its check says counts no more, unless the end fails.

        The signals that are sent to it from now on are ours.
        """
        with self._lock:
            heard = self._of(container_id)
            heard.expected = heard.ending = True
        try:
            yield
        except BaseException:
            with self._lock:
                self._of(container_id).ending = False
            raise

    def is_ending(self, container_id: str) -> bool:
        """Return whether we are ending the container, or have ended it."""
        with self._lock:
            heard = self._heard.get(container_id)
            return heard is not None and heard.ending

    def hear(self, event: RuntimeEvent) -> None:
        """Take in an event of the engine."""
        with self._lock:
            heard = self._of(event.container_id)
            if event.type == "start":
                self._heard[event.container_id] = Heard(expected=heard.expected)
            elif event.type == "kill" and event.signal not in HARMLESS:
                if heard.passed_on:
                    heard.passed_on -= 1
                elif heard.expected:
                    heard.stopped = True
                else:
                    heard.killed_ms, heard.signal = event.at_ns // 1_000_000, event.signal
            elif event.type == "oom" and not heard.oom:
                heard.oom = True
                self._claim()
            elif event.type == "die":
                heard.died, heard.exit_code = True, event.exit_code

    def connected(self, *, restarted_between: tuple[int, int] | None) -> None:
        """Note that the event stream is open; `restarted_between`: the engine was another before, and when."""
        with self._lock:
            self._connected = True
            if restarted_between is not None:
                begin, end = restarted_between
                self._gaps = [*self._gaps[-15:], (begin - BEFORE_ENGINE_STOP_MS, end + AFTER_ENGINE_START_MS)]

    def disconnected(self) -> None:
        """Note that the event stream has ended: exits are not judged until it is back."""
        with self._lock:
            self._connected = False

    def exit_code(self, container_id: str) -> int | None:
        """Return the code of the ``die`` event, None if none was heard: all that is left of a removed container."""
        with self._lock:
            heard = self._heard.get(container_id)
            return heard.exit_code if heard else None

    def oom(self, container_id: str) -> bool:
        """Return whether the kernel was heard to kill a process of it for want of memory.

        The engine's own mark is set when it has seen the end; its event may come before that.
        """
        with self._lock:
            heard = self._heard.get(container_id)
            return heard is not None and heard.oom

    def oom_unheard(self, container_id: str) -> bool:
        """Return whether a kill for want of memory that the kernel counted, and the engine did not tell, explains it.

        Asked only of a container with a limit that ended by a signal which nobody is known to have sent.
        """
        with self._lock:
            heard = self._of(container_id)
            heard.oom = heard.oom or self._claim()
            return heard.oom

    def look(self) -> None:
        """Let kills of longer ago explain nothing any more; called every second or so."""
        if self.kills is not None:
            self.kills.look()

    def _claim(self) -> bool:
        return self.kills is not None and self.kills.claim()

    def verdict(self, container: Container, now_ms: int) -> Verdict:
        """Return who ended an exited container, if that is known yet."""
        with self._lock:
            heard = self._of(container.id)
            if not self._connected:
                return Verdict(False)
            if self._in_gap(container.finished_ms, now_ms):
                return Verdict(True, "the engine or its host stopped around it")
            if heard.killed_ms is not None and (container.finished_ms or now_ms) - heard.killed_ms < KILL_COUNTS_MS:
                return Verdict(True, f"somebody sent it {_signal_name(heard.signal)}")
            if heard.stopped:
                # Asked of a record that still wants it to run: we ended it, and our report did not come through.
                return Verdict(True, "its agent stopped it, and could not report why")
            if heard.died:
                return Verdict(True)
            if heard.first_seen_ms is None:
                heard.first_seen_ms = now_ms
            return Verdict(now_ms - heard.first_seen_ms >= PATIENCE_MS)

    def _in_gap(self, finished_ms: int | None, now_ms: int) -> bool:
        # An engine that was killed may leave no time of the end at all: the newest gap explains it for a while.
        if finished_ms is None:
            return bool(self._gaps) and now_ms - self._gaps[-1][1] < KILL_COUNTS_MS
        return any(begin <= finished_ms <= end for begin, end in self._gaps)

    def _of(self, container_id: str) -> Heard:
        heard = self._heard.get(container_id)
        if heard is None:
            heard = self._heard[container_id] = Heard()
            while len(self._heard) > MOST_KEPT:
                self._heard.popitem(last=False)
        return heard


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number).name if number is not None else "a signal"
    except ValueError:
        return f"signal {number}"
