"""A block on the terminal that is redrawn in place. The only importer of rich."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ormen.transport import ClientError


class Block:
    """Some lines that stay in place; what was shown last remains when it is closed."""

    def __init__(self, *, stdout: bool = False, whole_screen: bool = False) -> None:
        """Draw on stderr, or on stdout what is data; `whole_screen` keeps the scrollback as it was.

        As wide as the terminal is at each drawing: its window may be drawn larger.
        """
        stream = sys.stdout if stdout else sys.stderr
        console = Console(file=stream, markup=False, highlight=False, emoji=False, force_terminal=True)
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


def watch(draw: Callable[[], str], *, pause: Callable[[], object]) -> NoReturn:
    """Draw on the whole terminal, after each pause anew, until Ctrl-C; a deck that is away later is waited for.

    Raises whatever the first `draw` raises.
    """
    text = draw()
    block = Block(stdout=True, whole_screen=True)
    try:
        block.show(text)
        while True:
            pause()
            try:
                text = draw()
                block.show(text)
            except ClientError as error:
                if error.http_status not in (0, 503):
                    raise
                block.show(f"! {error.sentence}, trying again\n{text}")
    finally:
        block.close()
