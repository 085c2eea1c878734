"""Waking for what falls due between two ticks: the end of a task's pause, or of the patience with a silent node.

The times are kept in this process only. Should it die, the scan of the next second finds what is due.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from ormen.errors import StoreUnavailable

log = logging.getLogger("ormen.control")


class Alarm:
    """The tasks (or nodes) that are to be looked at again, each at its time. Safe to use from any thread.

    `wake` is given the ids (names) that have fallen due, and may set the alarm anew. With `threads` it is called by a
    thread that is made at the first time that is set, so that a quiet cluster has none; without, by `step` alone.
    """

    def __init__(
        self,
        wake: Callable[[Sequence[str]], None],
        *,
        threads: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wake = wake
        self._threaded = threads
        self._clock = clock
        self._dues: dict[str, float] = {}
        self._changed = threading.Condition()

    def set(self, key: str, delay_s: float) -> None:
        """Have a task or node looked at in `delay_s`, whatever was set for it before."""
        with self._changed:
            self._dues[key] = self._clock() + delay_s
            self._changed.notify()
            if self._threaded:
                self._threaded = False
                threading.Thread(target=self._run, name="alarm", daemon=True).start()

    def step(self) -> None:
        """Wake for what is due."""
        with self._changed:
            now = self._clock()
            due = [key for key, at in self._dues.items() if at <= now]
            for key in due:
                del self._dues[key]
        if due:
            self._wake(due)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(max(0.0, min(self._dues.values()) - self._clock()) if self._dues else None)
            try:
                self.step()
            except StoreUnavailable as fault:
                log.warning("what is due now waits for the next tick: %s", fault.sentence)
            except Exception:
                # A fault of ours must not end the thread: every later pause would end late.
                log.exception("the alarm failed; what is due now waits for the next tick")
