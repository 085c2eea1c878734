"""Whose turn it is when several needs are placed together."""

from __future__ import annotations

from collections.abc import Sequence

from ormen.scheduler.values import Need


def in_order(needs: Sequence[Need]) -> list[Need]:
    """Return the needs as they have their turn: the highest priority first, else as they were given."""
    return sorted(needs, key=lambda need: -need.priority)
