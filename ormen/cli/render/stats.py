"""What tasks really use, and the nodes they run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, clean, cores, count
from ormen.units import format_size

Record = Mapping[str, Any]

_TASKS = (
    Column("NAME"),
    Column("NODE"),
    Column("CPU", right=True),
    Column("MEMORY", right=True),
    Column("LIMIT", right=True, rank=4),
    Column("NET IN", right=True, rank=3),
    Column("NET OUT", right=True, rank=3),
    Column("READ", right=True, rank=1),
    Column("WRITTEN", right=True, rank=1),
    Column("PIDS", right=True, rank=2),
)

_NODES = (
    Column("NODE"),
    Column("STATE", coloured=True),
    Column("TASKS", right=True),
    Column("CPU USED", right=True),
    Column("RESERVED", right=True, rank=1),
    Column("OF", right=True),
    Column("MEM USED", right=True),
    Column("RESERVED ", right=True, rank=1),
    Column("OF ", right=True),
)


def tasks(items: Sequence[Record], look: Look) -> str:
    """Return the table of tasks, in the order given."""
    return table(_TASKS, [Row(_cells(item)) for item in items], look, remarks=False)


def nodes(found: Sequence[Record], look: Look) -> str:
    """Return the table of nodes: what is used of each, beside what is reserved of it and what it has."""
    return table(_NODES, [Row(_node(node)) for node in found], look, remarks=False)


def silent(asked: Sequence[Record]) -> list[str]:
    """Return a line for each node that said nothing."""
    return [f"! {clean(node['error'])}; its tasks are left out" for node in asked if node["error"]]


def headline(found: Sequence[Record]) -> str:
    """Return the first line of `top`: all tasks that nodes have, also those of which a silent node tells nothing."""
    ready = sum(node["state"] == "ready" for node in found)
    return f"{count(ready, 'node')} ready, {count(sum(node['tasks'] for node in found), 'task')} on nodes"


def _cells(item: Record) -> dict[str, str]:
    return {
        "NAME": clean(item["name"]),
        "NODE": clean(item["node"]),
        "CPU": "-" if item["cpu"] is None else _cores(item["cpu"]),
        "MEMORY": format_size(item["memory_bytes"]),
        "LIMIT": "-" if item["memory_limit_bytes"] is None else format_size(item["memory_limit_bytes"]),
        "NET IN": format_size(item["received_bytes"]),
        "NET OUT": format_size(item["sent_bytes"]),
        "READ": format_size(item["read_bytes"]),
        "WRITTEN": format_size(item["written_bytes"]),
        "PIDS": str(item["pids"]),
    }


def _node(node: Record) -> dict[str, str]:
    used, reserved, capacity = node["used"], node["reserved"], node["capacity"]
    return {
        "NODE": clean(node["name"]),
        "STATE": str(node["state"]),
        "TASKS": str(node["tasks"]),
        "CPU USED": _cores(used["cpu"]),
        "RESERVED": cores(reserved["cpu"]),
        "OF": cores(capacity["cpu"]),
        "MEM USED": format_size(used["memory_bytes"]),
        "RESERVED ": format_size(reserved["memory_bytes"]),
        "OF ": format_size(capacity["memory_bytes"]),
    }


def _cores(amount: float) -> str:
    return f"{amount:.2f}"
