"""The table of keys.py as a check: every key in Redis has its row, of its type, and ends when the row says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ormen.store import keys


@dataclass(frozen=True)
class Row:
    """One kind of key. `short` says that its keys have a TTL; the others say why they live."""

    pattern: re.Pattern[str]
    type: str
    lives: str

    @property
    def short(self) -> bool:
        """Whether its keys must run out by themselves."""
        return "TTL" in self.lives


def rows() -> list[Row]:
    """The rows of the table; a part in angle brackets stands for any text."""
    found = []
    for line in (keys.__doc__ or "").splitlines():
        if re.match(r"[a-z][\w:<>]*  ", line):
            name, kind, _, lives = re.split(r"\s{2,}", line.strip(), maxsplit=3)
            pattern = re.sub(r"<[^>]*>", ".+", name)
            found.append(Row(re.compile(pattern), kind.replace("sorted set", "zset"), lives))
    # The longest pattern first: node:<n>:tasks before node:<n>.
    return sorted(found, key=lambda row: -len(row.pattern.pattern))


def complaints(client: Any, prefix: str) -> list[str]:
    """What is wrong with the keys under the prefix; nothing, if all is as the table has it."""
    table, found = rows(), []
    for key in sorted(client.scan_iter(f"{prefix}*")):
        row = next((row for row in table if row.pattern.fullmatch(key.removeprefix(prefix))), None)
        kind, ttl = client.type(key), client.ttl(key)
        if row is None:
            found.append(f"{key} is in no row")
        elif kind not in (row.type, "none"):
            found.append(f"{key} is a {kind}, not a {row.type}")
        elif kind != "none" and (ttl >= 0) != row.short:
            found.append(f"{key} has a TTL of {ttl}; it lives {row.lives}")
    return found
