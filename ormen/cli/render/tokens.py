"""`ormen token`: what was made, and the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, age, clean, clock, epoch

Record = Mapping[str, Any]

_COLUMNS = (
    Column("NAME"),
    Column("ROLE"),
    Column("CREATED", dim=True, rank=2),
    Column("EXPIRES"),
    Column("LAST USED"),
    Column("BY", rank=1),
)


def made(token: Record, look: Look) -> str:
    """Return what to know of a new token, which itself is on stdout."""
    until = f", until {clock(token['expires_at'], look)}" if token.get("expires_at") else ""
    said = f"{clean(token['name'])} may {token['role']}{until}. It is shown this once: keep it where secrets are kept."
    if token.get("in_force") is False:
        said += "\n! this deck asks nobody for a token: start it with ORMEN_TOKEN or --token-file to have it matter"
    return said


def listed(tokens: Sequence[Record], look: Look) -> str:
    """Return the table of tokens, by name."""
    return table(_COLUMNS, [Row(_cells(token, look)) for token in tokens], look, remarks=False)


def _cells(token: Record, look: Look) -> dict[str, str]:
    ends = epoch(token.get("expires_at"))
    used = age(token.get("last_used_at"), look)
    return {
        "NAME": clean(token["name"]),
        "ROLE": str(token["role"]),
        "CREATED": age(token["created_at"], look),
        "EXPIRES": "never" if ends is None else "expired" if ends <= look.now else clock(token["expires_at"], look),
        "LAST USED": "never" if token.get("last_used_at") is None else f"{used} ago",
        "BY": clean(token.get("by") or "-"),
    }
