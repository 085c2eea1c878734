"""Readers of single values of a spec: each takes what was sent and returns it resolved, or raises `bad(…)`.

A reader raises marshmallow's ValidationError whose messages are `Fault`s with a path relative to the value, so
that a schema collects the faults of all fields. Nothing here knows about other fields.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from marshmallow import ValidationError

from ormen.errors import Fault
from ormen.units import MOST_BYTES, UnitError, parse_duration, parse_size

T = TypeVar("T")
Reader = Callable[[object], T]
"""What turns a value as sent into the value resolved, or raises `bad(…)`."""

MOST_STRING_BYTES = 131_071
"""The longest argument or variable that Linux hands to a program (MAX_ARG_STRLEN, less its closing zero)."""

MOST_ENTRIES = 4096
"""Entries of a map, and words of a command."""

MOST_NAME = 63
"""Characters of a task's name, which is also a container's and a host's."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def bad(
    code: str, detail: str, value: object = None, *, hint: str | None = None, path: tuple[str | int, ...] = ()
) -> ValidationError:
    """Return the exception for one fault, to be raised."""
    return ValidationError([Fault(path, code, detail, shown(value), hint)])


def shown(value: object) -> object:
    """Return `value` as a fault may carry it: a short scalar that any JSON encoder can write, or None."""
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode("utf-8")
        return text if len(text) <= 200 else text[:199] + "…"
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else "a number of more than 19 digits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return None


def kind(value: object) -> str:
    """Return the word for a value's type, with its article."""
    words = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return "null" if value is None else words.get(type(value), "of another type")


def did_you_mean(word: object, options: Sequence[str], habits: Mapping[str, str] | None = None) -> str | None:
    """Return ``did you mean …?`` if one of the options is near, or the word is a known habit from elsewhere."""
    if not isinstance(word, str) or len(word) > MOST_NAME:
        return None
    known = (habits or {}).get(word.lower())
    near = [known] if known else difflib.get_close_matches(word.lower(), options, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None


def text(value: object, *, most: int = MOST_STRING_BYTES, empty: bool = True) -> str:
    """Return a string that Docker, Redis and JSON can all carry: no NUL, no half surrogate pair, not too long."""
    if not isinstance(value, str):
        hint = None
        if isinstance(value, bool | int | float) and (shown(value) == value):
            hint = f'quote it: "{str(value).lower()}"'
        raise bad("WRONG_TYPE", f"must be a string, not {kind(value)}", value, hint=hint)
    if not value and not empty:
        raise bad("MALFORMED", "must not be empty", value)
    if "\0" in value:
        raise bad("MALFORMED", "must not contain a NUL byte", value)
    try:
        length = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise bad("MALFORMED", "contains half of a surrogate pair, which is no character", value) from None
    if length > most:
        raise bad("TOO_LONG", f"has {length} bytes; the most is {most}", value)
    return value


def whole(low: int, high: int, noun: str) -> Reader[int]:
    """Return a reader of whole numbers from `low` to `high`; 80.0 is one, as in JSON Schema, "80" and true are not."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
            hint = f"write it without quotes: {value}" if digits else None
            raise bad("WRONG_TYPE", f"must be a whole number, not {kind(value)}", value, hint=hint)
        if isinstance(value, float) and not value.is_integer():
            raise bad("WRONG_TYPE", f"{value} is not a whole number", value)
        if not low <= value <= high:
            said = shown(value) if value == shown(value) else "this"
            raise bad("OUT_OF_RANGE", f"{said} is not {noun}: {low} to {high}", value)
        return int(value)

    return read


def choice(options: Sequence[str], habits: Mapping[str, str] | None = None) -> Reader[str]:
    """Return a reader of one of `options`; `habits` maps words of other tools to ours, for the hint."""

    def read(value: object) -> str:
        word = text(value)
        if word not in options:
            hint = did_you_mean(word, options, habits)
            raise bad("NOT_A_CHOICE", f'"{shown(word)}" is not one of {", ".join(options)}', value, hint=hint)
        return word

    return read


def each(read: Reader[T], *, most: int) -> Reader[tuple[T, ...]]:
    """Return a reader of lists of what `read` reads, with the faults of every item."""

    def read_list(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            hint = f'write it as a list: ["{value}"]' if isinstance(value, str) and 0 < len(value) <= 40 else None
            raise bad("WRONG_TYPE", f"must be a list, not {kind(value)}", value, hint=hint)
        if len(value) > most:
            raise bad("TOO_LONG", f"has {len(value)} items; the most is {most}")
        found: list[T] = []
        faults: list[Fault] = []
        for index, item in enumerate(value):
            try:
                found.append(read(item))
            except ValidationError as error:
                faults += below(index, error)
        if faults:
            raise ValidationError(list(faults))
        return tuple(found)

    return read_list


def mapping(read_key: Reader[str], read_value: Reader[str], *, most_bytes: int) -> Reader[dict[str, str]]:
    """Return a reader of maps from string to string, with the faults of every entry, sorted by key."""

    def read(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise bad("WRONG_TYPE", f"must be a map, not {kind(value)}", value)
        if len(value) > MOST_ENTRIES:
            raise bad("TOO_LONG", f"has {len(value)} entries; the most is {MOST_ENTRIES}")
        found: dict[str, str] = {}
        faults: list[Fault] = []
        for key, item in value.items():
            try:
                name = read_key(key)
                found[name] = read_value(item)
            except ValidationError as error:
                faults += below(str(key), error)
        total = sum(len(key.encode()) + len(item.encode()) for key, item in found.items())
        if total > most_bytes:
            faults.append(Fault((), "TOO_LONG", f"has {total} bytes in all; the most is {most_bytes}"))
        if faults:
            raise ValidationError(list(faults))
        return dict(sorted(found.items()))

    return read


def below(part: str | int, error: ValidationError) -> list[Fault]:
    """Return the faults of `error` with their paths beginning at `part`."""
    messages = error.messages if isinstance(error.messages, list) else []
    return [replace(fault, path=(part, *fault.path)) for fault in messages if isinstance(fault, Fault)]


def env_name(value: object) -> str:
    """Return the name of an environment variable: not empty, without ``=``."""
    name = text(value, empty=False)
    if "=" in name:
        raise bad("MALFORMED", "the name of a variable has no =", value)
    return name


def env_value(value: object) -> str:
    """Return the value of a variable; a number is written out, a boolean is refused (yes, true, on: which?)."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if shown(value) != value:
            raise bad("OUT_OF_RANGE", "is no finite number of at most 19 digits; quote it if it is text", value)
        return str(value)
    return text(value)


def label_key(value: object) -> str:
    """Return the key of a label: at most 255 bytes, not beginning with ``ormen.``, which is ormen's own."""
    key = text(value, most=255, empty=False)
    if key.startswith("ormen."):
        raise bad("CONFLICT", "labels that begin with ormen. are set by ormen itself", value)
    return key


def cores(value: object) -> int:
    """Return cores as milli-cores: above 0, at most three decimals, at most 100,000."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad("WRONG_TYPE", f"must be a number of cores, not {kind(value)}", value, hint=_cores_hint(value))
    if not 0 < value <= 100_000:  # NaN is refused here, too: it compares false with everything
        said = value if shown(value) == value else "this"
        raise bad("OUT_OF_RANGE", f"{said} is not a number of cores: above 0, at most 100000", value)
    milli = Decimal(repr(value)) * 1000
    if milli != milli.to_integral_value():
        hint = f"did you mean {max(0.001, round(value, 3))}?"
        raise bad("OUT_OF_RANGE", f"{value} has more than three decimals", value, hint=hint)
    return int(milli)


def _cores_hint(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    if match := re.fullmatch(r"([0-9]{1,9})m", value):
        return f"did you mean {int(match[1]) / 1000}?"
    return f"write it without quotes: {value}" if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) else None


def size(least: int = 0, said: str = "0") -> Reader[int]:
    """Return a reader of sizes of at least `least` bytes, which `said` writes out."""

    def read(value: object) -> int:
        try:
            found = parse_size(text(value) if isinstance(value, str) else value)
        except UnitError as error:
            raise bad(error.code, str(error), value, hint=error.hint) from None
        if not least <= found <= MOST_BYTES:
            # A small bare number is most often meant in the unit people think in.
            hint = None if isinstance(value, str) or not found else f"did you mean {shown(value)}MiB?"
            raise bad("OUT_OF_RANGE", f"{shown(value)} is less than {said}", value, hint=hint)
        return found

    return read


def duration(least_s: float, most_s: float, said: str) -> Reader[float]:
    """Return a reader of durations within the two bounds, which `said` writes out."""

    def read(value: object) -> float:
        try:
            found = parse_duration(text(value) if isinstance(value, str) else value)
        except UnitError as error:
            raise bad(error.code, str(error), value, hint=error.hint) from None
        if not least_s <= found <= most_s:
            amount = f"{value:g}" if isinstance(value, float) else shown(value)
            raise bad("OUT_OF_RANGE", f"{amount} is not within {said}", value)
        return found

    return read


def task_id(value: object) -> str:
    """Return a UUID of any version, in lower case."""
    if not _UUID.fullmatch(text(value)):
        raise bad("MALFORMED", "not a UUID such as 7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", value)
    return str(uuid.UUID(str(value)))


def name(value: object) -> str:
    """Return a task's name, which is also the first part of its container's."""
    word = text(value, empty=False)
    if len(word) > MOST_NAME:
        raise bad("TOO_LONG", f"has {len(word)} characters; the most is {MOST_NAME}", value)
    if not _NAME.fullmatch(word):
        raise bad("MALFORMED", "a name has letters, digits, _ . and -, and begins with a letter or digit", value)
    return word


def address(value: object) -> str:
    """Return an IPv4 or IPv6 address in its usual form."""
    try:
        found = ipaddress.ip_address(text(value))
    except ValueError:
        raise bad("MALFORMED", f'"{shown(value)}" is not an IP address', value) from None
    if getattr(found, "scope_id", None):
        raise bad("MALFORMED", "an address with a zone is not known on every host", value)
    return str(found)


def path(value: object) -> str:
    """Return an absolute path without ``..``, and without ``:``, which Docker reads as the end of a path."""
    word = text(value, empty=False, most=4096)
    if not word.startswith("/"):
        raise bad("MALFORMED", f'"{shown(word)}" is not an absolute path', value, hint=f"did you mean /{word[:60]}?")
    if ".." in word.split("/") or ":" in word:
        raise bad("MALFORMED", "a path has no .. and no colon", value)
    return word


def target(noun: str) -> Reader[str]:
    """Return a reader of where in a container something is mounted: a path other than its root."""

    def read(value: object) -> str:
        word = path(value)
        if not word.strip("/"):
            raise bad("MALFORMED", f"the root of the container cannot be {noun}", value)
        return word

    return read
