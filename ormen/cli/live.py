"""A block on the terminal that is redrawn in place. The only importer of rich."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Block:
    """Some lines that stay in place; what was shown last remains when it is closed."""

    def __init__(self, width: int, *, stdout: bool = False, whole_screen: bool = False) -> None:
        """Draw on stderr, or on stdout what is data; `whole_screen` keeps the scrollback as it was."""
        stream = sys.stdout if stdout else sys.stderr
        console = Console(file=stream, width=width, markup=False, highlight=False, emoji=False, force_terminal=True)
        # Redirected streams would hide from the renderers that this is a terminal and what it can show.
        self._live = Live(
            console=console,
            auto_refresh=False,
            screen=whole_screen,
            vertical_overflow="crop",
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        self._shown = ""

    def show(self, text: str) -> None:
        """Draw the text instead of what was there, if it differs."""
        if text != self._shown:
            self._shown = text
            self._live.update(Text.from_ansi(text, no_wrap=True), refresh=True)

    def close(self) -> None:
        """Leave the last text and give the terminal back."""
        self._live.vertical_overflow = "visible"
        self._live.stop()
