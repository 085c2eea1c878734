"""Where the answer to "why?" is read: one place, so that every row is asked in the same way."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.faults.ground import Ground
from tests.faults.provoking import Asked
from tests.faults.table import Row


@dataclass(frozen=True)
class Said:
    """A code and its sentence."""

    code: str = ""
    sentence: str = ""

    def fits(self, row: Row, asked: Asked) -> bool:
        """Return whether this is the row's answer: its code, and every one of its words."""
        return self.code == row.code and not self.missing(row, asked)

    def missing(self, row: Row, asked: Asked) -> list[str]:
        """Return the row's words that the sentence lacks."""
        words = [word.format(**asked.facts) for word in row.words]
        return [word for word in words if word.lower() not in self.sentence.lower()]


def ask(ground: Ground, row: Row, asked: Asked) -> Said:
    """Return what is said of the fault now: by the refusal, the agent, the node, or the answer to why."""
    if asked.refusal is not None:
        found = asked.refusal.json
        return said(found.get("reason")) if "reason" in found else Said(found["code"], found["detail"])
    if row.at == "agent":
        words = re.fullmatch(r"error: (.*)  \[(\w+)\]\n(hint: .*)?\n?", asked.who)
        return Said(words[2], words[1]) if words else Said("", asked.who)
    if row.at == "node":
        return said(ground.node(asked.who)["state_reason"])
    found = ground.get(f"/v1/tasks/{asked.who}/why")
    return Said(found["code"] or "", found["sentence"])


def said(reason: dict[str, str] | None) -> Said:
    """Return a reason as it was read."""
    return Said(reason["code"], reason["sentence"]) if reason else Said()
