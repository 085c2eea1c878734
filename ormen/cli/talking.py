"""A talk on this terminal: its output to ours, our input to it, Ctrl-C and the window's size passed on."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from ormen.cli.errors import OURS, show
from ormen.cli.session import Session, is_terminal
from ormen.client_talk import TOGETHER, Talk, pieces
from ormen.errors import OrmenError
from ormen.talk import ERR, EXIT, OUT, SIGNAL, SIZE, Frame

MOST_WAITING = 16
"""Pieces of input that wait to be told; beyond it our own input is not read."""


ENOUGH = 3
"""So many times Ctrl-C leaves a container that does not heed it."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORWARDED = (*ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Gone(Exception):
    """This process was told to end; `code` is what it exits with."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def converse(session: Session, talk: Talk, *, stdin: bool, tty: bool, forward: bool = False) -> int:
    """Carry a talk on to its end and return the code of what ran; raise Gone where this process is told to end first.

    With `forward` the signals that this process gets are the container's, but for the third Ctrl-C.
    """
    told = Told(talk)
    try:
        with leaving(told if forward else None), terminal(raw=stdin and tty):
            if tty:
                told.window()
            if stdin:
                told.input()
            return passed_on(talk)
    except OrmenError as error:
        show(error, session)
        return OURS
    finally:
        talk.hang_up()


def passed_on(talk: Talk) -> int:
    """Print what comes; return the code."""
    code = OURS
    for frame in talk.frames():
        if frame.kind in (OUT, ERR):
            stream = (sys.stdout if frame.kind == OUT else sys.stderr).buffer
            stream.write(frame.data)
            stream.flush()
        elif frame.kind == EXIT:
            code = int(frame.data)
    return code


class Told:
    """What is told to a talk, in order, by a thread of its own."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._waiting: queue.Queue[Frame] = queue.Queue(MOST_WAITING)
        threading.Thread(target=self._tell, daemon=True).start()

    def input(self) -> None:
        """Tell what comes on stdin, and its end."""
        threading.Thread(target=self._read, daemon=True).start()

    def window(self) -> None:
        """Tell the size of this terminal's window, now and whenever it changes."""
        self._size()
        signal.signal(signal.SIGWINCH, lambda *_: self._size())

    def signal(self, number: int) -> None:
        """Tell a signal."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(Frame(SIGNAL, signal.Signals(number).name.encode()))

    def _size(self) -> None:
        with contextlib.suppress(OSError, queue.Full):  # no terminal, or the next change will be told
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
            self._waiting.put_nowait(Frame(SIZE, f"{rows}x{columns}".encode()))

    def _read(self) -> None:
        for frame in pieces(lambda most: os.read(sys.stdin.fileno(), most)):
            self._waiting.put(frame)

    def _tell(self) -> None:
        # What goes wrong here, whoever reads the talk is told.
        with contextlib.suppress(OrmenError):
            while True:
                together = [self._waiting.get()]
                while len(together) < TOGETHER and not self._waiting.empty():
                    together.append(self._waiting.get())
                self._talk.tell(together)


@contextlib.contextmanager
def terminal(*, raw: bool) -> Iterator[None]:
    """Hand every key to the container for the length of a block; the terminal is as before afterwards."""
    if not raw:
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def leaving(told: Told | None = None) -> Iterator[None]:
    """Raise Gone in a block when this process is told to end, so that what was begun is ended, too.

    With `told` the signals go there, and the third Ctrl-C raises Gone.
    """
    interrupts = 0

    def leave(number: int, _: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        if told is None or interrupts >= ENOUGH:
            raise Gone(number)
        told.signal(number)

    before = {number: signal.signal(number, leave) for number in (ENDING if told is None else FORWARDED)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def has_terminal() -> bool:
    """Return whether our input is a terminal."""
    return is_terminal(sys.stdin)
