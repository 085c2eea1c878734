"""Python's collector of cycles, which stops every thread of a process while it looks."""

from __future__ import annotations

import gc

SELDOM = 50_000
"""New objects between two looks for cycles, which lists of tasks hardly make. At Python's own 700 the scheduler placed
285,000 tasks a second instead of 407,000 (`benchmarks.scheduler speed`, 5,000 nodes). At 200 bytes each, what may lie
about until then is 10 MB."""


def spare_what_is_there() -> None:
    """Never look again among what is there by now.

    A whole look at what an agent has loaded, 63,000 objects, takes 20 to 40 ms, and it came when containers were
    started. What was loaded before a fork stays shared with the processes by that: the collector does not write to it.
    """
    gc.collect()
    gc.freeze()


def collect_seldom() -> None:
    """Look for cycles seldom, and never again among what is there by now."""
    spare_what_is_there()
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
