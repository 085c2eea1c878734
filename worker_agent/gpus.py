"""Which GPUs of this host tasks may have: what the admin says, or what NVIDIA's driver lists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

AUTO, ALL, NONE = "auto", "all", "none"
MOST = 1024

QUERY = ("nvidia-smi", "--query-gpu=uuid,name", "--format=csv,noheader")
"""Prints a line a GPU: ``GPU-4d1c…, NVIDIA A100-SXM4-40GB``."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """The ids of a host's GPUs in the driver's order, and the model of the first as the value of a label."""

    ids: tuple[str, ...] = ()
    model: str | None = None


def read_gpus(text: str, *, whole: bool, ask: Callable[[], str] | None = None) -> Gpus:
    """Return the GPUs that a setting says; raise ValueError for one that cannot be read.

    ``auto`` is all of them on a host that is the agent's own (`whole`), and none where several agents share an engine:
    each would count the same ones. A number stands for the first so many.
    """
    word = text.strip()
    if word == NONE or (word == AUTO and not whole):
        return Gpus()
    if word in (AUTO, ALL):
        return parsed((ask or driver)())
    if word.isascii() and word.isdigit() and int(word) <= MOST:
        return Gpus(tuple(map(str, range(int(word)))))
    ids = tuple(part.strip() for part in word.split(","))
    if len(set(ids)) < len(ids) or word.isdigit() or not all(re.fullmatch(r"[^\s=]{1,255}", part) for part in ids):
        raise ValueError(f"ORMEN_GPUS is {text!r}; it can be {AUTO}, {ALL}, {NONE}, a number, or ids as a comma list")
    return Gpus(ids)


def parsed(listing: str) -> Gpus:
    """Return the GPUs of what the driver printed."""
    rows = [[cell.strip() for cell in line.split(",", 1)] for line in listing.splitlines() if "," in line]
    if not rows:
        return Gpus()
    model = re.sub(r"[^A-Za-z0-9_.-]+", "-", rows[0][1]).strip("-._")
    return Gpus(tuple(row[0] for row in rows), model or None)


def driver() -> str:
    """Return what NVIDIA's driver lists, nothing where there is none or it does not answer."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
