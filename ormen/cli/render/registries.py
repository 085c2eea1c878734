"""`ormen registry`: what was kept, and the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, age, clean, symbol

Record = Mapping[str, Any]

_COLUMNS = (
    Column("REGISTRY"),
    Column("USERNAME"),
    Column("CHANGED", dim=True, rank=2),
    Column("KEPT", rank=3),
    Column("BY", rank=1),
)


def kept(login: Record) -> str:
    """Return what was kept, and whether the registry was asked."""
    host, user, checked = clean(login["host"]), clean(login["username"]), login["checked"]
    if checked["ok"]:
        return f"{host} takes the login of {user}, as {clean(checked['node'])} asked it; every node pulls with it now"
    return f"the login of {user} for {host} is kept; every node pulls with it now"


def remarks(login: Record, look: Look) -> str:
    """Return what to know besides: nobody knows yet whether it is right, or how it lies in Redis."""
    lines, checked = [], login["checked"]
    if not checked["ok"]:
        lines.append(f"whether the registry takes it is not known: {clean(checked['sentence'])}")
    if not login["sealed"]:
        lines.append("its password lies in Redis as it is; a secret file seals it: ORMEN_SECRET_FILE")
    return "\n".join(f"{symbol('!', look)} {line}" for line in lines)


def listed(logins: Sequence[Record], look: Look) -> str:
    """Return the table of logins, by registry."""
    return table(_COLUMNS, [Row(_cells(login, look)) for login in logins], look, remarks=False)


def _cells(login: Record, look: Look) -> dict[str, str]:
    return {
        "REGISTRY": clean(login["host"]),
        "USERNAME": clean(login["username"]),
        "CHANGED": f"{age(login['changed_at'], look)} ago",
        "KEPT": "sealed" if login["sealed"] else "plain",
        "BY": clean(login.get("by") or "-"),
    }
