"""How single values are written: ages, amounts, times, colours, symbols; and how lines are broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ormen.units import format_age, format_clock, format_duration

DASH = "-"
"""What an empty cell holds."""


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw: `width` None is a pipe (nothing shortened), `plain` has no symbols beyond ASCII.

    `now` (seconds since the epoch) is what ages are counted from; `utc` writes times as RFC 3339.
    """

    width: int | None = None
    colour: bool = False
    plain: bool = False
    now: float = 0.0
    utc: bool = False

    @property
    def narrow(self) -> bool:
        """Return whether a row must become lines of ``KEY  value``."""
        return self.width is not None and self.width < 50


_CODES = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("running", "healthy", "ready", "active"), "green"),
    **dict.fromkeys(
        ("pending", "scheduled", "starting", "failing", "suspect", "draining", "waiting", "cordoned"), "yellow"
    ),
    **dict.fromkeys(("failed", "lost"), "red"),
    "completed": "dim",
}
_SYMBOLS = {"✓": "+", "✗": "x", "!": "!", "…": "...", "━": "#", "╌": "-"}
_SYMBOL_COLOURS = {"✓": "green", "✗": "red", "!": "yellow", "⠹": "yellow"}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
# Control characters, and the marks that turn the direction of what follows: both can make a line lie.
_UNSEEN = dict.fromkeys(
    [*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029]
)
_UNSEEN.update({0x09: 0x20, 0x0A: 0x20})


def clean(text: object) -> str:
    """Return foreign text on one line and without control characters."""
    return str(text).translate(_UNSEEN)


def paint(text: str, colour: str | None, look: Look) -> str:
    """Return `text` in one of red, green, yellow, dim, bold, if there is colour at all."""
    if not look.colour or not colour or not text:
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def word_colour(word: str) -> str | None:
    """Return the colour that repeats what a state's word says."""
    return _WORDS.get(word.split(" ")[0])


def symbol(sign: str, look: Look) -> str:
    """Return one of ✓ ✗ ! ⠹ … as this terminal can show it; ⠹ turns ten times a second."""
    if look.plain:
        return "*" if sign == "⠹" else _SYMBOLS[sign]
    shown = _SPINNER[int(look.now * 10) % len(_SPINNER)] if sign == "⠹" and look.now else sign
    return paint(shown, _SYMBOL_COLOURS.get(sign), look)


def shorten_end(look: Look) -> str:
    """Return the mark of what was shortened."""
    return "..." if look.plain else "…"


def bar(share: float, look: Look) -> str:
    """Return the share done, 20 wide: ``━━━╌╌``, plainly ``[###--]``."""
    done = max(0, min(20, round(share * 20)))
    return f"[{'#' * done}{'-' * (20 - done)}]" if look.plain else "━" * done + "╌" * (20 - done)


def epoch(stamp: str | None) -> float | None:
    """Return the seconds since the epoch of an RFC 3339 time of the API."""
    return None if not stamp else datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def age(stamp: str | None, look: Look, *, tenths: bool = False) -> str:
    """Return how long ago a time of the API was; `tenths` for what is measured."""
    then = epoch(stamp)
    if then is None:
        return DASH
    return format_duration(look.now - then) if tenths else format_age(look.now - then)


def clock(stamp: str | None, look: Look, *, millis: bool = False) -> str:
    """Return a time of the API as people read it: local, with the date if it is not today's."""
    then = epoch(stamp)
    if then is None or stamp is None:
        return DASH
    if look.utc:
        return stamp
    text = format_clock(int(then * 1000), now_ms=int(look.now * 1000))
    return f"{text}.{round(then * 1000) % 1000:03d}" if millis else text


def cores(amount: float | None) -> str:
    """Return cores: ``0.5``, ``4``."""
    return DASH if amount is None else f"{amount:.3f}".rstrip("0").rstrip(".")


def short_id(identifier: str, look: Look) -> str:
    """Return eight digits for eyes, the whole for a pipe."""
    return identifier if look.width is None else identifier[:8]


def wrap(text: str, width: int | None, *, first: str = "", rest: str = "") -> list[str]:
    """Return `text` in lines of at most `width` columns, broken between words and never cut.

    `first` and `rest` stand before the first and the further lines. A word longer than a line is broken.
    """
    if width is None:
        return [first + text]
    lines: list[str] = []
    line, empty = first, True
    for word in text.split(" "):
        while True:
            gap = "" if empty else " "
            if len(line) + len(gap) + len(word) <= width:
                line, empty = line + gap + word, False
                break
            if not empty:
                lines.append(line.rstrip())
                line, empty = rest, True
                continue
            room = max(width - len(line), 8)
            if len(word) <= room:
                line, empty = line + word, False
                break
            lines.append(line + word[:room])
            word, line = word[room:], rest
    lines.append(line.rstrip())
    return lines


def capital(sentence: str) -> str:
    """Return the sentence with a capital first letter and a full stop."""
    text = sentence.strip()
    if not text:
        return text
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def small(sentence: str) -> str:
    """Return the sentence ready to stand after a colon: a small first letter (unless a code), no full stop."""
    text = sentence.strip().removesuffix(".")
    return text[0].lower() + text[1:] if len(text) > 1 and text[1].islower() else text


def listed(words: Sequence[str], joint: str = "and") -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def count(amount: int, noun: str) -> str:
    """Return ``1 task``, ``2 tasks``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def rfc3339_now(now: float) -> str:
    """Return a time as log files and JSON write it."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
