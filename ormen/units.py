"""Amounts as people write and read them: sizes, durations, ages, cores.

Pure and light: the command line imports this before it knows what it has to do.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

KIB, MIB, GIB, TIB = 1024, 1024**2, 1024**3, 1024**4

MOST_BYTES = 1024 * TIB
"""The largest size that is read, 1 PiB: sums of a thousand of them stay far below 2**63."""

MOST_SECONDS = 366 * 86400.0
"""The longest duration that is read."""

_BINARY = {"k": KIB, "m": MIB, "g": GIB, "t": TIB}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?) ?([A-Za-z]{0,8})", re.ASCII)
_PARTS = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BARE = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


class UnitError(ValueError):
    """An amount that cannot be read. `str(error)` says what is wrong, `hint` what was probably meant.

    `code` is WRONG_TYPE, MALFORMED or OUT_OF_RANGE, as in a `Fault`.
    """

    def __init__(self, code: str, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.hint = hint


def parse_size(value: object) -> int:
    """Return a size in bytes: a whole number of bytes, or text with a binary unit.

    Units are ``KiB MiB GiB TiB`` and Docker's ``k m g t``, in either case; both count in powers of 1024.
    Text without a unit, and decimal units such as ``MB``, raise UnitError with the probable meaning.
    """
    if isinstance(value, str):
        return _within(_size_of_text(value), value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnitError("WRONG_TYPE", "a size is a whole number of bytes, or text such as 512MiB")
    if isinstance(value, float) and not value.is_integer():
        raise UnitError("MALFORMED", "a size is a whole number of bytes, or text such as 512MiB")
    return _within(int(value), value)


def _size_of_text(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None and text.startswith("-") and _SIZE.fullmatch(text[1:]):
        raise UnitError("OUT_OF_RANGE", f"{_quoted(text)} is negative; a size is not")
    if match is None:
        raise UnitError("MALFORMED", f"{_quoted(text)} is not a size", hint="write it as 512MiB or 2GiB")
    figure, unit = match.groups()
    if not unit and not float(figure):
        return 0  # Nothing is nothing in every unit.
    if not unit:
        raise UnitError("MALFORMED", f"{text.strip()} has no unit", hint=f"did you mean {figure}m (MiB)?")
    letter = unit[0].lower()
    if letter in _BINARY and unit.lower() in (letter, f"{letter}ib"):
        return round(float(figure) * _BINARY[letter]) if "." in figure else int(figure) * _BINARY[letter]
    if letter in _BINARY and unit.lower() in (f"{letter}b", f"{letter}i"):
        binary = letter.upper() + "iB"
        raise UnitError("MALFORMED", f"{unit} is not a binary unit", hint=f"did you mean {figure}{binary}?")
    raise UnitError("MALFORMED", f"{unit} is not a unit of size", hint="units are KiB, MiB, GiB and TiB")


def _within(size: int, value: object) -> int:
    if size < 0:
        raise UnitError("OUT_OF_RANGE", "a size is not negative")
    if size > MOST_BYTES:
        raise UnitError("OUT_OF_RANGE", f"{_quoted(value)} is more than 1024 TiB")
    return size


def parse_duration(value: object) -> float:
    """Return a duration in seconds: a number of seconds, or text such as ``500ms``, ``10s``, ``1m30s``, ``2h``.

    Text that is a bare number is seconds, too. The parts of a text stand from the largest unit to the
    smallest, each once. Raises UnitError, also for what is negative, infinite or longer than 366 days.
    """
    if isinstance(value, str):
        seconds = _duration_of_text(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise UnitError("WRONG_TYPE", "a duration is a number of seconds, or text such as 1m30s")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UnitError("OUT_OF_RANGE", "a duration is a finite number")
    else:
        seconds = float(value) if abs(value) <= MOST_SECONDS else math.inf if value > 0 else -1.0
    if seconds < 0:
        raise UnitError("OUT_OF_RANGE", "a duration is not negative")
    if seconds > MOST_SECONDS:
        raise UnitError("OUT_OF_RANGE", f"{_quoted(value)} is longer than 366 days")
    return seconds


def _duration_of_text(text: str) -> float:
    if _BARE.fullmatch(text):
        return float(text)
    parts = _PARTS.findall(text)
    units = [unit for _, unit in parts]
    in_order = sorted(set(units), key=lambda unit: -_SECONDS[unit])
    if not parts or "".join(figure + unit for figure, unit in parts) != text or units != in_order:
        raise UnitError("MALFORMED", f"{_quoted(text)} is not a duration", hint="write it as 500ms, 10s, 1m30s or 2h")
    # Rounded to the microsecond, so that 0.1 s and 100 ms are the same number.
    return round(sum(float(figure) * _SECONDS[unit] for figure, unit in parts), 6)


def _quoted(value: object) -> str:
    """Return the value in quotes if it is short enough to repeat."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:59]}…"'
    return "this" if isinstance(value, int) and value.bit_length() > 64 else str(value)


def format_size(size: int, *, unit: str | None = None) -> str:
    """Return ``512 MiB``, ``1.5 GiB``, ``31.2 GiB``, ``196 GiB``: binary, a tenth while three figures allow it.

    With `unit` (``KiB`` … ``TiB``) that unit is kept, as in a column of a table, and the tenth is always
    shown below 10: ``6.0 GiB``, ``0.4 GiB``.
    """
    units = {"TiB": TIB, "GiB": GIB, "MiB": MIB, "KiB": KIB, "B": 1}
    # Nothing at all is said in the unit people ask memory in.
    chosen = unit or next((name for name, factor in units.items() if abs(size) >= factor), "MiB")
    if unit is None and chosen != "TiB" and round(size / units[chosen], 1) >= 1024:
        chosen = {"B": "KiB", "KiB": "MiB", "MiB": "GiB", "GiB": "TiB"}[chosen]
    amount = round(size / units[chosen], 1)
    tenths = not amount.is_integer() or (unit is not None and 0 < abs(amount) < 10)
    return f"{amount:.1f} {chosen}" if tenths and abs(amount) < 100 else f"{size / units[chosen]:.0f} {chosen}"


def format_age(seconds: float) -> str:
    """Return ``41s``, ``2m10s``, ``12m``, ``3h12m``, ``14h``, ``2d4h``, ``18d``: cut off, never rounded up.

    Two units while the first figure is below 10, else one; a second figure of 0 is left out.
    """
    left = max(0, int(seconds))
    for length, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        first, rest = divmod(left, length)
        if first:
            second = rest // smaller
            return f"{first}{unit}{second}{small_unit}" if first < 10 and second else f"{first}{unit}"
    return f"{left}s"


def format_duration(seconds: float) -> str:
    """Return a measured step: ``0.3s`` with a tenth below 10 s, else as `format_age`."""
    shown = round(max(0.0, seconds), 1)
    return f"{shown:.1f}s" if shown < 10 else format_age(seconds)


def format_cores(milli: int) -> str:
    """Return milli-cores as cores: ``0.5``, ``2.5``, ``4``."""
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


def format_transfer(done: int, total: int | None = None) -> str:
    """Return what was transferred, decimal as registries count: ``140 of 600 MB``, ``67 MB``, ``0.3 MB``."""
    if total is None:
        return f"{_decimal(done)} MB"
    return f"{_decimal(done)} of {_decimal(total)} MB"


def format_rate(bytes_per_s: float) -> str:
    """Return a speed: ``31 MB/s``, ``0.8 MB/s``."""
    return f"{_decimal(bytes_per_s)} MB/s"


def _decimal(amount: float) -> str:
    megabytes = amount / 1e6
    shown = f"{megabytes:.1f}" if 0 < megabytes < 9.95 else f"{megabytes:.0f}"
    return shown.removesuffix(".0")


def format_clock(ms: int, *, now_ms: int, utc: bool = False) -> str:
    """Return a time of day, local and 24 h, with the date if it is not `now_ms`'s: ``11-20 23:58:02``."""
    zone = UTC if utc else None
    moment = datetime.fromtimestamp(ms / 1000, zone)
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%m-%d %H:%M:%S}"
