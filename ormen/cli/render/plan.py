"""A plan as a table: each task, its node, and why; under it what would start and what would wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import Look, clean, small

Record = Mapping[str, Any]

_MOST_FREE = re.compile(r"; the most free is (.+), on (\S+)$")


def planned(found: Record, look: Look) -> str:
    """Return the table of a plan; a reason is never cut and wraps in its column."""
    columns = [Column("TASK"), Column("NODE"), Column("BECAUSE")]
    rows = [
        Row({"TASK": clean(item["name"]), "NODE": item["node"] or "", "BECAUSE": because(item)})
        for item in found["items"]
    ]
    return table(columns, rows, look, remarks=False)


def because(item: Record) -> str:
    """Return what speaks for the node of one task, or what it would wait for."""
    if item["there"]:
        return f"is there already, {item['there']}"
    if item["reason"]:
        sentence = small(clean(item["reason"]["sentence"])).rstrip(".")
        return "waits: " + _MOST_FREE.sub(r", the most free is \1 (\2)", sentence)
    return clean(item["because"])


def summary(found: Record) -> str:
    """Return what would start and what would wait: ``2 would start now, 1 would wait. Nothing was changed.``."""
    there = f", {found['there']} {'is' if found['there'] == 1 else 'are'} there already" if found["there"] else ""
    waits = f", {found['wait']} would wait" if found["wait"] else ""
    return f"{found['start']} would start now{waits}{there}. Nothing was changed."
