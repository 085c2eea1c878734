"""A finding: how bad, where, what with its amounts, and the fix as a command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad a finding is: a fault breaks a promise, now or at the next mishap; a warning may become one."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """`place` is what it is of: deck, redis, loops, nodes, or a node's name. `code` is stable; `fix` is one line."""

    level: Level
    place: str
    code: str
    sentence: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as the API shows it."""
        return {
            "level": self.level.value,
            "place": self.place,
            "code": self.code,
            "sentence": self.sentence,
            "fix": self.fix,
        }


def fault(place: str, code: str, sentence: str, fix: str) -> Finding:
    """Return a fault."""
    return Finding(Level.FAULT, place, code, sentence, fix)


def warning(place: str, code: str, sentence: str, fix: str) -> Finding:
    """Return a warning."""
    return Finding(Level.WARNING, place, code, sentence, fix)


def fine(place: str, sentence: str) -> Finding:
    """Return what is in order."""
    return Finding(Level.OK, place, "OK", sentence)


def report(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the document of findings, with how many there are of each level."""
    found: Sequence[Finding] = list(findings)
    amount = {level: sum(one.level is level for one in found) for level in Level}
    return {
        "ok": amount[Level.FAULT] == 0,
        "faults": amount[Level.FAULT],
        "warnings": amount[Level.WARNING],
        "in_order": amount[Level.OK],
        "findings": [one.to_json() for one in found],
    }
