"""What ``K~REGEX`` and ``K>=VERSION`` compare: expressions that cannot take for ever, and versions by their numbers.

Python's engine tries every way to match, so an expression is bounded when it is submitted: nothing that repeats
holds another repetition or a choice (``(a+)+`` and ``(a|ab)*`` take exponential time), there are at most three open
repetitions, and what else multiplies the ways stays below `MOST_WAYS`. Texts are cut at `MOST_TEXT` characters, and
each (expression, text) is worked out once, so a fleet with few values of a label costs few matches.
"""

from __future__ import annotations

import re
import re._parser as reader  # type: ignore[import-not-found]  # the parser of re itself, which has no public name
from functools import lru_cache
from itertools import zip_longest
from typing import Any

MOST_PATTERN = 200
"""Characters of an expression."""

MOST_TEXT = 256
"""Characters of a label's value that are looked at."""

MOST_OPEN = 3
"""Repetitions of a varying number, such as ``.*``: each multiplies the time by the length of the text."""

MOST_WAYS = 256
"""The product of the branches of every choice and of 2 for every ``?``."""

_UNSETTLED = re.compile(r"\[\^?\[|--|&&|\|\||~~")
_NUMBERS = re.compile(r"[vV]?([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})(?![0-9])")


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression, compiled; raise ValueError with what is wrong with it."""
    if len(pattern) > MOST_PATTERN:
        raise ValueError(f"an expression of {len(pattern)} characters; the most is {MOST_PATTERN}")
    if _UNSETTLED.search(pattern):
        # Python warns of these, since they are kept for sets of sets; a warning is no answer to whoever sent it.
        raise ValueError("has a double - & | ~ or a [ that begins a set, which needs a backslash before it")
    try:
        tree = reader.parse(pattern)
        found = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"no expression that can be read: {error}") from None
    bounds = _Bounds()
    bounds.walk(tree, repeated=False)
    return found


class _Bounds:
    """What multiplies the ways in which an expression can match."""

    def __init__(self) -> None:
        self.open = 0
        self.ways = 1

    def walk(self, items: Any, *, repeated: bool) -> None:
        """Count what `items` may do; raise ValueError for what has no bound. `repeated`: they stand in a repetition."""
        for kind, value in items:
            name = str(kind)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                least, most, body = value
                self._repeat(int(least), int(most), repeated=repeated)
                self.walk(body, repeated=repeated or int(most) > 1)
            elif name == "BRANCH":
                self._branch(value[1], repeated=repeated)
            elif name == "SUBPATTERN":
                self.walk(value[-1], repeated=repeated)
            elif name not in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"):
                raise ValueError("looks ahead, looks behind or refers to a group, which has no bound")

    def _repeat(self, least: int, most: int, *, repeated: bool) -> None:
        if repeated:
            raise ValueError("repeats what repeats, which can take for ever")
        if least == most:
            return
        if most == 1:
            self._multiply(2)
            return
        self.open += 1
        if self.open > MOST_OPEN:
            raise ValueError(f"has more than {MOST_OPEN} parts that repeat any number of times")

    def _branch(self, branches: Any, *, repeated: bool) -> None:
        if repeated:
            raise ValueError("repeats a choice, which can take for ever")
        self._multiply(len(branches))
        for branch in branches:
            self.walk(branch, repeated=repeated)

    def _multiply(self, ways: int) -> None:
        self.ways *= ways
        if self.ways > MOST_WAYS:
            raise ValueError(f"can be read in more than {MOST_WAYS} ways")


@lru_cache(maxsize=65536)
def matches(pattern: str, text: str) -> bool:
    """Return whether a bounded expression is found anywhere in `text`; ``^`` and ``$`` pin it to the ends."""
    return compiled(pattern).search(text[:MOST_TEXT]) is not None


def version(text: str) -> tuple[int, ...] | None:
    """Return the numbers that a version begins with, ``v24.0.7-rc1`` as 24, 0, 7; None if there are none."""
    found = _NUMBERS.match(text)
    return tuple(int(part) for part in found[1].split(".")) if found else None


def compares(operator: str, has: str, asked: str) -> bool:
    """Return whether version `has` is ``>=``, ``>``, ``<=`` or ``<`` than `asked`; a missing number is 0."""
    one, other = version(has), version(asked)
    if one is None or other is None:
        return False
    pairs = list(zip_longest(one, other, fillvalue=0))
    one, other = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    return {">=": one >= other, ">": one > other, "<=": one <= other, "<": one < other}[operator]
