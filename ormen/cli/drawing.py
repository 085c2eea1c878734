"""Stages on a screen: steps that appear one by one, a live block under a scrolling log, plain lines in a pipe.

Everything of `up` and `down` goes to stderr, as progress does; only the log of the processes is data, on stdout. With
``-o json`` all of it is data, an object each.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ormen.cli import errors
from ormen.cli.render import cluster as screens
from ormen.cli.render.text import Look
from ormen.cli.session import Session, is_terminal
from ormen.clock import rfc3339
from ormen.local.stage import Failure, Stage, Step, Told

if TYPE_CHECKING:
    from rich.live import Live


class Screen(Stage, Protocol):
    """A stage that can also show lines and a block that stays."""

    def line(self, text: str) -> None:
        """Show a line of what happens."""

    def log(self, name: str, text: str, *, wide: int) -> None:
        """Show a line that a process wrote, under its name in a column that wide."""

    def block(self, lines: Sequence[str]) -> None:
        """Replace the block that stays under everything; no lines: it goes."""

    def close(self) -> None:
        """Leave the screen as it is."""


class PlainScreen:
    """One line a thing, for a pipe, a file or a service's journal."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tell(self, told: Told) -> None:
        """Print what is done; what is under way will be told again."""
        if isinstance(told, Step) and told.mark == "⠹":
            return
        for line in screens.told(told, self._session.look(sys.stderr)):
            print(line, file=sys.stderr, flush=True)

    def tick(self) -> None:
        """Do nothing: lines do not turn."""

    def line(self, text: str) -> None:
        """Print the line to stderr."""
        print(text, file=sys.stderr, flush=True)

    def log(self, name: str, text: str, *, wide: int) -> None:
        """Print the line to stdout."""
        print(screens.log_line(clock(), name, text, wide=wide), flush=True)

    def block(self, lines: Sequence[str]) -> None:
        """Do nothing: a pipe has no place that stays."""

    def close(self) -> None:
        """Do nothing."""


class QuietScreen(PlainScreen):
    """What went wrong, and nothing else."""

    def tell(self, told: Told) -> None:
        """Print failures alone."""
        if isinstance(told, Failure) or (isinstance(told, Step) and told.mark == "✗"):
            super().tell(told)

    def log(self, name: str, text: str, *, wide: int) -> None:
        """Do nothing: the processes' logs are in their files."""


class DataScreen(PlainScreen):
    """For programs: an object for each thing, on stdout; a failure is the problem document, on stderr."""

    def tell(self, told: Told) -> None:
        """Print what is done; what is under way will be told again."""
        if isinstance(told, Failure):
            errors.show(told.to_error(), self._session)
        elif not (isinstance(told, Step) and told.mark == "⠹"):
            self._session.item(screens.data_of(told))

    def line(self, text: str) -> None:
        """Print the line as a remark."""
        self._session.item({"kind": "remark", "text": text})

    def log(self, name: str, text: str, *, wide: int) -> None:
        """Print the line and who wrote it."""
        self._session.item(logged(name, text))


class LiveScreen:
    """A terminal: the step under way turns, then the block stays at the bottom while lines scroll over it."""

    def __init__(self, session: Session) -> None:
        from rich.console import Console
        from rich.live import Live

        self._session = session
        self._console = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._live: Live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._step: Step | None = None
        self._block: tuple[str, ...] = ()
        self._live.start()

    def tell(self, told: Told) -> None:
        """Draw a step under way in place; print what is done over it."""
        if isinstance(told, Step) and told.mark == "⠹":
            self._step = told
            self._draw()
            return
        self._step = None
        self._show(())
        for line in screens.told(told, self._look()):
            self.line(line)

    def tick(self) -> None:
        """Turn the spinner."""
        if self._step:
            self._draw()

    def line(self, text: str) -> None:
        """Print the line over what stays."""
        from rich.text import Text

        self._console.print(Text.from_ansi(text))

    def log(self, name: str, text: str, *, wide: int) -> None:
        """Print the line over what stays, like any other."""
        self.line(screens.log_line(clock(), name, text, wide=wide))

    def block(self, lines: Sequence[str]) -> None:
        """Redraw the block if it has changed."""
        if tuple(lines) != self._block:
            self._block = tuple(lines)
            self._show(self._block)

    def close(self) -> None:
        """Leave the block where it is."""
        self._live.stop()

    def _draw(self) -> None:
        if self._step:
            self._show((screens.step(self._step, self._look()),))

    def _show(self, lines: Sequence[str]) -> None:
        from rich.text import Text

        self._live.update(Text.from_ansi("\n".join(lines), no_wrap=True, overflow="crop"), refresh=True)

    def _look(self) -> Look:
        return self._session.look(sys.stderr)


def screen(session: Session) -> Screen:
    """Return the screen that fits: live if a person looks at both streams and the terminal can redraw.

    With -q it shows failures alone, for programs it shows data.
    """
    if session.structured:
        return DataScreen(session)
    if session.quiet:
        return QuietScreen(session)
    if is_terminal(sys.stderr) and is_terminal(sys.stdout) and not session.look(sys.stderr).plain:
        return LiveScreen(session)
    return PlainScreen(session)


def logged(name: str, text: str) -> dict[str, object]:
    """Return a line that a process wrote, as data."""
    return {"kind": "log", "time": rfc3339(int(time.time() * 1000)), "name": name, "text": text}


def clock() -> str:
    """Return the time of day as it stands before a line."""
    return time.strftime("%H:%M:%S")
