"""How long properties search: CI looks at a few examples each, ``ORMEN_DEPTH=50`` at fifty times as many."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

DEPTH = int(os.environ.get("ORMEN_DEPTH", "1"))


def examples(number: int) -> settings:
    """Return the settings of a property that CI tries `number` times."""
    return settings(max_examples=number * DEPTH, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def walks(number: int, *, steps: int) -> settings:
    """Return the settings of a state machine of which CI takes `number` walks of at most `steps` steps.

    A deep search only finds: what it found is kept, and the next run at CI's depth replays and shortens it.
    """
    return settings(
        examples(number),
        stateful_step_count=steps * (2 if DEPTH > 1 else 1),
        phases=[Phase.reuse, Phase.generate, *([Phase.shrink] if DEPTH == 1 else [])],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        report_multiple_bugs=False,
    )
