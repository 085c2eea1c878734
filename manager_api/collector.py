"""Python's collector of cycles in the processes of a deck."""

from __future__ import annotations

import gc

SELDOM = 50_000
"""New objects between two looks for cycles, of which a list of tasks makes hardly any; Python's own 700 make each list
of 50,000 a third dearer to place. What may lie about until then is less than 10 MB."""


def collect_seldom() -> None:
    """Look for cycles seldom, and never again among what is there by now.

    What was loaded before a fork stays shared with the processes by that: the collector does not write to it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
