"""Amounts and lists as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence

from ormen.units import format_size

_UNITS = {"TiB": 1024**4, "GiB": 1024**3, "MiB": 1024**2, "KiB": 1024}
_STEPS = tuple(1024**power for power in (4, 3, 2, 1))


def size_up(amount: int) -> str:
    """Return bytes as a size that is at least `amount`: for what is asked."""
    return format_size(_snap(amount, up=True))


def size_down(amount: int) -> str:
    """Return bytes as a size that is at most `amount`: for what is free, so that asking as much fits.

    With `size_up` for what is asked, two different amounts never read as the same.
    """
    return format_size(_snap(max(amount, 0), up=False))


def size_beside(amount: int, other: str) -> str:
    """Return `size_down` in the unit of the size `other` that it stands beside, if that leaves a tenth of it."""
    unit = other.partition(" ")[2]
    step = _UNITS.get(unit, 1)
    tenths = max(amount, 0) * 10 // step
    return f"{tenths / 10:.1f} {unit}" if 1 <= tenths < 10 and step > 1 else size_down(amount)


def _snap(amount: int, *, up: bool) -> int:
    """Return the neighbour of `amount` that `format_size` shows exactly: in tenths below 100 of a unit."""
    unit = next((step for step in _STEPS if amount >= step), 1)
    if unit == 1:
        return amount
    if amount >= 100 * unit:
        return (-(-amount // unit) if up else amount // unit) * unit
    tenths = -(-amount * 10 // unit) if up else amount * 10 // unit
    return -(-tenths * unit // 10)


def without_unit(text: str, *, beside: str) -> str:
    """Return ``1.5`` for ``1.5 GiB`` beside ``4 GiB``; the whole text beside another unit."""
    number, _, unit = text.partition(" ")
    return number if unit and beside.endswith(f" {unit}") else text


def listed(names: Sequence[str], *, most: int = 3, noun: str = "nodes", link: str = "and") -> str:
    """Return ``a``, ``a and b``, ``a, b and c``, or ``12 nodes`` for more than `most`."""
    if len(names) > most:
        return f"{len(names)} {noun}"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {link} {names[-1]}"


def counted(amount: int, noun: str) -> str:
    """Return ``1 node``, ``3 nodes``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
