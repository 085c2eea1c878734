"""Waking for what falls due between two ticks: each pause of a task ends at its time, not at the next scan.

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
    """The tasks that are to be looked at again, each at its time. Safe to use from any thread.

    `wake` is given the ids that have fallen due, and may set the alarm anew. With `threads` it is called by a thread
    that is made at the first time that is set, so that a cluster without pauses has none; without, by `step` alone.
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

    def set(self, task_id: str, delay_s: float) -> None:
        """Have a task looked at in `delay_s`, whatever was set for it before."""
        with self._changed:
            self._dues[task_id] = self._clock() + delay_s
            self._changed.notify()
            if self._threaded:
                self._threaded = False
                threading.Thread(target=self._run, name="alarm", daemon=True).start()

    def step(self) -> None:
        """Wake for what is due."""
        with self._changed:
            now = self._clock()
            due = [task_id for task_id, at in self._dues.items() if at <= now]
            for task_id in due:
                del self._dues[task_id]
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
