"""What holds for one call of the command: where the deck is, how to draw, where lines go."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from ormen.cli.render.text import Look

if TYPE_CHECKING:
    from ormen.client import Client
    from ormen.transport import Transport

DEFAULT_MANAGER = "localhost:5555"


@dataclass(frozen=True, slots=True)
class Place:
    """A deck's address, and the token with which it is asked."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass
class Session:
    """The options that every command has, and what follows from them. One a process."""

    manager: str | None = None
    output: str = "table"
    quiet: bool = False
    colour: str = "auto"
    whole: bool = False
    utc: bool = False
    _warned: bool = False

    def client(self, *, timeout: float = 10.0) -> Client:
        """Return a client of the deck that -m, else ORMEN_MANAGER, else the context in use names."""
        from ormen.client import Client

        place = self.place()
        return Client(place.url, place.token, timeout)

    def transport(self, *, timeout: float = 10.0) -> Transport:
        """Return a way to the same deck for what `Client` has no method for."""
        from ormen.transport import Address, Transport

        place = self.place()
        return Transport(Address.parse(place.url), token=place.token, timeout=timeout)

    def place(self) -> Place:
        """Return where the deck is and with what token it is asked; raise Failure for what cannot be either."""
        from ormen.transport import Address

        found = self._named() or self._of_context()
        try:
            Address.parse(found.url)
        except ValueError as error:
            from ormen.cli.errors import Failure

            raise Failure(str(error), hint="write it as HOST:PORT, or as a URL.", exit_code=2) from None
        if found.token and not (found.token.isprintable() and all(ord(letter) < 256 for letter in found.token)):
            from ormen.cli.errors import Failure

            sentence = "the token cannot be sent: it holds a line break, or a letter that no header can hold"
            raise Failure(sentence, hint='set it as ORMEN_TOKEN="$(cat FILE)", of a file of one line.', exit_code=2)
        return found

    def _named(self) -> Place | None:
        """Return the deck that -m, else ORMEN_MANAGER names. A context's token is not sent to it."""
        url = self.manager or os.environ.get("ORMEN_MANAGER")
        return Place(url, os.environ.get("ORMEN_TOKEN") or None) if url else None

    def _of_context(self) -> Place:
        from ormen.contexts import chosen, open_to_others, place

        context = chosen()
        token = os.environ.get("ORMEN_TOKEN") or None
        if context is None:
            return Place(DEFAULT_MANAGER, token)
        if context.token and not self._warned and open_to_others(place()):
            self._warned = True
            self.say(f"! others can read the tokens in {place()}: chmod 600 {place()}")
        return Place(context.manager, token or context.token)

    @property
    def structured(self) -> bool:
        """Return whether output is for programs: JSON or YAML."""
        return self.output in ("json", "yaml")

    def look(self, stream: IO[str] | None = None) -> Look:
        """Return how to draw on `stream` (None: stdout)."""
        stream = sys.stdout if stream is None else stream
        terminal = is_terminal(stream)
        width = columns(stream) if terminal and not (self.whole and stream is sys.stdout) else None
        return Look(width, _coloured(self.colour, terminal), _is_plain(stream), time.time(), self.utc)

    def data(self, text: str) -> None:
        """Print what was asked for, to stdout; an empty text prints nothing."""
        if text:
            print(text, flush=True)

    def say(self, text: str) -> None:
        """Print progress, counts, hints: to stderr, not at all with -q."""
        if text and not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def document(self, value: object) -> None:
        """Print JSON or YAML, whichever was asked for."""
        self.data(serialized(value, self.output))

    def item(self, value: Mapping[str, Any]) -> None:
        """Print one object of a stream, in the same way."""
        self.data(item(value, self.output))


def serialized(value: object, output: str) -> str:
    """Return a value as indented JSON, or as YAML in the same order."""
    if output == "yaml":
        import yaml

        text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        return text.rstrip("\n")
    return json.dumps(value, indent=2, ensure_ascii=False)


def item(value: Mapping[str, Any], output: str) -> str:
    """Return one object of a stream: a line of JSON, or a YAML document of its own."""
    return f"---\n{serialized(value, output)}" if output == "yaml" else json.dumps(value, ensure_ascii=False)


def is_terminal(stream: IO[str]) -> bool:
    """Return whether a person looks at the stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def columns(stream: IO[str]) -> int:
    """Return the terminal's width; COLUMNS wins, 80 where nothing says."""
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _coloured(when: str, terminal: bool) -> bool:
    if when != "auto":
        return when == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (terminal and os.environ.get("TERM") != "dumb")


def _is_plain(stream: IO[str]) -> bool:
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    return os.environ.get("TERM") == "dumb" or not encoding.startswith("utf")
