"""What a node's label may be called, so that a constraint can name it. Pure and light."""

from __future__ import annotations

import re

FACTS = ("node", "os", "arch", "engine")
"""Keys that every node has without being labelled; no label can have them."""

KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?")
"""A key that a constraint can name."""

UNREADABLE = re.compile(r"[\s,()]")
"""What no value that a constraint compares with can hold."""


def key_trouble(key: str) -> str | None:
    """Return why no label can have this key, as a clause about it; None if one can."""
    if key in FACTS:
        return f"is a fact that every node has by itself, as have {', '.join(FACTS)}"
    if not KEY.fullmatch(key):
        return "is no key that a constraint can name: letters, digits and _ . / -, a letter or digit at both ends"
    return None


def value_trouble(value: str) -> str | None:
    """Return why no constraint can name this value, as a clause about it; None if one can."""
    return "holds a space, comma or bracket, which no constraint can name" if UNREADABLE.search(value) else None
