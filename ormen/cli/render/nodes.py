"""`ormen mast`: the list of nodes, and one node in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, age, capital, clean, cores, count, paint, word_colour, wrap
from ormen.units import format_size

Record = Mapping[str, Any]

_COLUMNS = (
    Column("NAME"),
    Column("MEMORY (MiB)", right=True),
    Column("DISK (GiB)", right=True, rank=2),
    Column("ROLE", rank=1),
    Column("TASKS", right=True),
    Column("STATE", coloured=True),
    Column("CPU FREE", rank=3),
    Column("MEM FREE", right=True),
)
_WIDE = (Column("ADDRESS"), Column("ENGINE"), Column("LABELS"))


def mast(nodes: Sequence[Record], look: Look, *, wide: bool = False) -> str:
    """Return the table of nodes: the seeds' columns first, then what is free."""
    whole = wide or look.width is None
    columns = [*_COLUMNS, *(_WIDE if whole else ())]
    if wide:
        columns = [Column(c.title, c.right, c.coloured) for c in columns]
    return table(columns, [Row(_cells(node), remark(node)) for node in nodes], look)


def _cells(node: Record) -> dict[str, str]:
    capacity, free = node["capacity"], _free(node)
    return {
        "NAME": clean(node["name"]),
        "MEMORY (MiB)": str(capacity["memory_bytes"] // 1024**2),
        "DISK (GiB)": str(capacity["disk_bytes"] // 1024**3),
        "ROLE": "worker",
        "TASKS": str(node["tasks"]),
        "STATE": str(node["state"]),
        "CPU FREE": f"{cores(free['cpu'])} of {cores(capacity['cpu'])}",
        "MEM FREE": format_size(free["memory_bytes"], unit="GiB"),
        "ADDRESS": clean(node.get("address") or "-"),
        "ENGINE": clean(node["engine"]["version"]),
        "LABELS": _labels(node) or "-",
    }


def _free(node: Record) -> dict[str, Any]:
    capacity, reserved = node["capacity"], node["reserved"]
    return {key: capacity[key] - reserved[key] for key in ("cpu", "memory_bytes", "disk_bytes")}


def _labels(node: Record) -> str:
    return clean(" ".join(f"{key}={value}" for key, value in sorted(node["labels"].items())))


def remark(node: Record) -> str:
    """Return why a node is not ready, empty if it is."""
    reason = node.get("state_reason")
    return capital(clean(reason["sentence"])) if reason and node["state"] != "ready" else ""


def braked(brake: Record) -> str:
    """Return what a mass loss holds back, and how to let go of it; empty where nothing is held."""
    return f"! {brake['sentence']} Release: ormen mast release" if brake.get("on") else ""


def released(held: Record) -> str:
    """Return what is placed anew."""
    amounts = f"{count(held['tasks'], 'task')} of {count(len(held['nodes']), 'node')}"
    return f"released: {amounts} {'is' if held['tasks'] == 1 else 'are'} placed anew"


def detail(node: Record, tasks: Sequence[str], look: Look) -> str:
    """Return one node in full; `tasks` are the names of those it holds."""
    name, state, engine = clean(node["name"]), str(node["state"]), node["engine"]
    head = f"{paint(state, word_colour(state), look)}, agent {clean(node['agent_version'])}"
    head += f" last spoke {age(node.get('last_heartbeat_at'), look, tenths=True)} ago"
    if node.get("joined_at"):
        head += f", up {age(node['joined_at'], look)}"
    lines = [paint(name, "bold", look) + " " * max(9 - len(name), 2) + head]
    if remark(node):
        lines += wrap(remark(node), look.width, first=" " * 9, rest=" " * 9)
    platform = f"Docker {clean(engine['version'])}, {clean(engine['os'])}/{clean(engine['arch'])}"
    clock = f"clock {node['clock_skew_ms']:+d} ms"
    address = clean(node["address"])
    lines.append(f"{'address':<11}{address}{' ' * max(15 - len(address), 2)}{platform}, {clock}")
    if node["labels"]:
        lines += wrap(_labels(node), look.width, first="labels     ", rest=" " * 11)
    lines += _amounts(node, look)
    held = ", ".join(f"{port.removesuffix('/tcp')} {clean(task)}" for port, task in node["ports"].items())
    for key, value in (("ports", held), ("tasks", " ".join(clean(task) for task in tasks))):
        if value:
            lines += wrap(value, look.width, first=f"{key:<11}", rest=" " * 11)
    return "\n".join(lines)


def _amounts(node: Record, look: Look) -> list[str]:
    free = _free(node)
    parts = (node["capacity"], node["reserved"], free, node["used"])
    titles = "".join(
        title.rjust(wide) for title, wide in zip(("TOTAL", "RESERVED", "FREE", "USED NOW"), _WIDTHS, strict=True)
    )
    lines = [paint(" " * 11 + titles, "dim", look)]
    if total := node["capacity"].get("gpus"):
        row = [str(total), str(node["reserved"]["gpus"]), str(total - node["reserved"]["gpus"]), "-"]
        lines.append(f"{'gpus':<11}" + "".join(cell.rjust(wide) for cell, wide in zip(row, _WIDTHS, strict=True)))
    for key, title in (("cpu", "cpu"), ("memory_bytes", "memory"), ("disk_bytes", "disk")):
        unit = "GiB" if node["capacity"][key] >= 1024**3 else None
        row = [_rounded(part[key]) if key == "cpu" else format_size(part[key], unit=unit) for part in parts]
        lines.append(f"{title:<11}" + "".join(cell.rjust(wide) for cell, wide in zip(row, _WIDTHS, strict=True)))
    return lines


def _rounded(amount: float) -> str:
    return cores(round(amount, 1))


_WIDTHS = (10, 11, 11, 11)
