"""Sleep until a signal or a time: what the main thread of a supervising command does all day."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any


class Waker:
    """Within its context the given signals are noted instead of obeyed. Main thread only.

    Any of them, like the death of a child, ends a `wait` early.
    """

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = tuple(signals)
        self._before: dict[int, Any] = {}
        self.noted: list[int] = []
        """The signals received, in order."""

    def __enter__(self) -> Waker:
        """Take the signals over."""
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (*self._signals, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float) -> None:
        """Return after that time, or as soon as a signal has come since the last call."""
        if select.select([self._read], [], [], max(0.0, timeout_s))[0]:
            while True:
                try:
                    if len(os.read(self._read, 512)) < 512:
                        return
                except BlockingIOError:
                    return

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.noted.append(number)
