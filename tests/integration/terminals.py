"""A program on a terminal, and the person before it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping
from typing import Any

from tests.integration.nodes import ROOT
from tests.waiting import wait_until


def take_terminal() -> None:
    """Make stdin the terminal of this new session, so that its keys and its size reach whoever is in front as signals.

    A run of the tests in a shell's background has Ctrl-C ignored, and would hand that on.
    """
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], *, rows: int, columns: int, env: Mapping[str, str] | None = None) -> None:
        self._mine, self._its = pty.openpty()
        self._set(rows, columns)
        self._before = self._mode()
        self.shown = ""
        self.process = subprocess.Popen(
            command, stdin=self._its, stdout=self._its, stderr=self._its, start_new_session=True, cwd=ROOT, env=env,
            preexec_fn=take_terminal,
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._mine)
        os.close(self._its)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._mine, keys.encode())

    def until(self, words: str) -> None:
        """Wait until the words are on the screen; what is before them is done with."""
        wait_until(lambda: self._look(words), timeout_s=30, what=f"for {words!r} in {self.shown!r}")
        self.shown = self.shown.partition(words)[2]

    def resize(self, *, rows: int, columns: int) -> None:
        """Draw the window larger or smaller; the kernel tells the program."""
        self._set(rows, columns)

    def is_cooked(self) -> bool:
        """Whether the terminal is as it was before the program."""
        return self._mode() == self._before

    def _look(self, words: str) -> bool:
        while select.select([self._mine], [], [], 0)[0]:
            self.shown += os.read(self._mine, 65536).decode(errors="replace")
        return words in self.shown

    def _set(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._mine, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _mode(self) -> list[Any]:
        return termios.tcgetattr(self._its)
