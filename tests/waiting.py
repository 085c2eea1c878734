"""How tests wait: for a condition, with a limit, and never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], *, timeout_s: float = 20, what: str = "") -> None:
    """Return as soon as `holds()` is true; raise AssertionError, naming `what`, when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain {what}"
        time.sleep(0.05)
