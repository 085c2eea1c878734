"""The statistics of a node in the seeds' dialect, whole whatever an agent measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ZERO: Mapping[str, Mapping[str, Any]] = {
    "MemStats": dict.fromkeys(
        ("mem_total", "mem_free", "mem_available", "buffers", "cached", "swap_cached", "active", "inactive",
         "swap_total", "swap_free", "dirty", "writeback", "mapped", "shmem", "slab"), 0,
    ),
    "DiskStats": {"all": 0, "used": 0, "free": 0, "freeInodes": 0},
    "CpuStats": {
        "id": "cpu", "user": 0, "nice": 0, "system": 0, "idle": 0, "iowait": 0, "irq": 0, "softirq": 0, "steal": 0,
        "guest": 0, "guest_nice": 0,
    },
    "LoadStats": {
        "last1min": 0.0, "last5min": 0.0, "last15min": 0.0, "process_running": 0, "process_total": 0, "last_pid": 0,
    },
}  # fmt: skip
"""Every group with its keys at zero: kB, bytes, jiffies, and the load averages."""


def stats(measured: object, *, tasks: int) -> dict[str, Any]:
    """Return the `Stats` of a node: what was measured over zeros for the rest, so that a Go client decodes it.

    `measured` is the mapping of the same shape that an agent sends; values of another type are left at zero.
    """
    known: Mapping[str, Any] = measured if isinstance(measured, Mapping) else {}
    whole: dict[str, Any] = {}
    for group, zeros in ZERO.items():
        sent = known.get(group)
        values = sent if isinstance(sent, Mapping) else {}
        whole[group] = dict(zeros) | {key: value for key, value in values.items() if _fits(value, zeros.get(key, 0))}
    whole["TaskCount"] = tasks
    return whole


def _fits(value: object, zero: object) -> bool:
    if isinstance(zero, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(zero)
