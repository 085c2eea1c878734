"""`ormen webhook`: what was made, the list, and what came of a try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, age, clean

Record = Mapping[str, Any]

_COLUMNS = (
    Column("NAME"),
    Column("EVENTS", rank=2),
    Column("WAITING", right=True),
    Column("DELIVERED", right=True),
    Column("DROPPED", right=True),
    Column("LAST TRY"),
    Column("URL", dim=True, rank=1),
)


def made(hook: Record) -> str:
    """Return what to know of a new webhook, whose secret is on stdout if the deck made it."""
    events = " and ".join(clean(kind) for kind in hook["events"])
    said = f"{clean(hook['name'])} is told of {events}."
    if hook.get("secret"):
        said += " Its secret is shown this once: the receiver checks signatures with it."
    return f"{said}\nTry it: ormen webhook test {clean(hook['name'])}"


def listed(hooks: Sequence[Record], look: Look) -> str:
    """Return the table of webhooks, by name; below each that fails since when and why."""
    return table(_COLUMNS, [Row(_cells(hook, look), _remark(hook, look)) for hook in hooks], look, remarks=True)


def tried(name: str, delivery: Record) -> str:
    """Return the sentence on a try."""
    return f"{clean(name)}: {clean(delivery['sentence'])}"


def _cells(hook: Record, look: Look) -> dict[str, str]:
    last = hook.get("last_try_at")
    return {
        "NAME": clean(hook["name"]),
        "EVENTS": ",".join(clean(kind) for kind in hook["events"]),
        "WAITING": str(hook["waiting"]),
        "DELIVERED": str(hook["delivered"]),
        "DROPPED": str(hook["dropped"]),
        "LAST TRY": f"{age(last, look)} ago" if last else "never",
        "URL": clean(hook["url"]),
    }


def _remark(hook: Record, look: Look) -> str:
    since = hook.get("failing_since")
    return f"fails since {age(since, look)}: {clean(hook.get('last_result') or '')}" if since else ""
