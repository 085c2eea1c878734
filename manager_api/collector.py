"""Python's collector of cycles in the processes of a deck."""

from __future__ import annotations

import gc

SELDOM = 50_000
"""New objects between two looks for cycles, which lists of tasks hardly make. At Python's own 700 the scheduler placed
285,000 tasks a second instead of 407,000 (`benchmarks.scheduler speed`, 5,000 nodes). At 200 bytes each, what may lie
about until then is 10 MB."""


def collect_seldom() -> None:
    """Look for cycles seldom, and never again among what is there by now.

    What was loaded before a fork stays shared with the processes by that: the collector does not write to it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
