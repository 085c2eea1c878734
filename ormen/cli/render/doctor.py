"""`ormen doctor`: a line for each finding, and under what is wrong its fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.text import Look, clean, count, paint, symbol, wrap

Record = Mapping[str, Any]

_SIGNS = {"ok": "✓", "warning": "!", "fault": "✗"}
_LEAST = 8
"""Columns of the place: deck, redis and nodes are aligned also where no node has a word."""


def findings(found: Sequence[Record], look: Look, *, quiet: bool = False) -> str:
    """Return the findings; `quiet` leaves out what is in order."""
    shown = [one for one in found if not (quiet and one["level"] == "ok")]
    wide = max([_LEAST, *(len(clean(one["place"])) for one in shown)])
    return "\n".join(line for one in shown for line in _lines(one, look, wide))


def _lines(one: Record, look: Look, wide: int) -> list[str]:
    sign, place = symbol(_SIGNS[str(one["level"])], look), clean(one["place"])
    rest = " " * (wide + 6)
    first = f"  . {place.ljust(wide)}  "
    lines = wrap(clean(one["sentence"]), look.width, first=first, rest=rest)
    lines[0] = f"  {sign} {paint(place, 'bold', look)}{lines[0][4 + len(place) :]}"
    if one.get("fix"):
        lines += wrap(clean(one["fix"]), look.width, first=rest, rest=rest)
    return lines


def summary(found: Record) -> str:
    """Return the count: ``2 faults, 1 warning, 3 in order.``."""
    parts = [count(found[key], noun) for key, noun in (("faults", "fault"), ("warnings", "warning")) if found[key]]
    return ", ".join([*parts, f"{found['in_order']} in order"]) + "."
