"""What `prune` removed, or would remove: the sentence, a row for each node concerned, and what was left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, clean
from ormen.units import format_transfer

Pruned = Mapping[str, Any]

NAMED = 3
"""How many names a sentence has before the rest is a number."""


def pruned(found: Pruned, look: Look) -> str:
    """Return what went or would go."""
    nodes = [node for node in found["nodes"] if _concerned(node, found)]
    if not found["tasks"] and not nodes:
        return "Nothing to remove."
    some = _tasks(found)
    if not nodes:
        return some
    return f"{some}\n\n{table(_columns(found), [_row(node, found) for node in nodes], look)}"


def hints(found: Pruned) -> str:
    """Return what is there and was not asked for."""
    lines = []
    nodes = found["nodes"]
    for kind, noun in (("images", "image"), ("volumes", "volume"), ("orphans", "orphan")):
        count = sum(len(node[kind]) for node in nodes)
        if count and kind not in found["kinds"]:
            lines.append(f"{_many(count, noun)} could go, too: ormen prune --{kind}")
    if found["more"]:
        lines.append("More tasks have ended; only the first are shown.")
    return "\n".join(lines)


def is_empty(found: Pruned) -> bool:
    """Return whether nothing would go."""
    return not found["tasks"] and not any(node[kind] for node in found["nodes"] for kind in found["kinds"])


def _concerned(node: Pruned, found: Pruned) -> bool:
    return bool(node["containers"] or any(node[kind] for kind in found["kinds"]) or (node["error"] and found["kinds"]))


def _tasks(found: Pruned) -> str:
    count, names = found["tasks"], [clean(name) for name in found["names"]]
    verb = "would be removed" if found["dry_run"] else "removed"
    if not count:
        return f"No ended task {'would be removed' if found['dry_run'] else 'was there to remove'}."
    rest = count - min(len(names), NAMED)
    shown = ", ".join(names[:NAMED]) + (f" and {rest} more" if rest else "")
    more = " or more" if found["more"] else ""
    return f"{count}{more} ended {'task' if count == 1 else 'tasks'} {verb}: {shown}."


def _columns(found: Pruned) -> list[Column]:
    kinds = [Column(kind.upper(), right=True) for kind in ("images", "volumes", "orphans") if kind in found["kinds"]]
    freed = [Column("FREED")] if "images" in found["kinds"] else []
    return [Column("NODE"), Column("CONTAINERS", right=True), *kinds, *freed]


def _row(node: Pruned, found: Pruned) -> Row:
    cells = {"NODE": node["node"], "CONTAINERS": str(node["containers"])}
    cells |= {kind.upper(): str(len(node[kind])) for kind in found["kinds"]}
    size = sum(image["bytes"] for image in node["images"])
    cells["FREED"] = f"up to {format_transfer(size)}" if size else ""
    said = [f"{node['error']}." if node["error"] and found["kinds"] else ""]
    if node["left"]:
        said.append(f"{_many(node['left'], 'container')} not confirmed gone yet.")
    for kind in ("images", "volumes", "orphans"):
        names = [clean(one["name"] if kind == "images" else one)[:40] for one in node[kind]]
        if kind in found["kinds"] and names:
            rest = len(names) - NAMED
            said.append(f"{kind}: {', '.join(names[:NAMED])}{f' and {rest} more' if rest > 0 else ''}.")
    return Row(cells, " ".join(filter(None, said)))


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
