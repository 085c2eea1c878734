"""Tie a child process to its parent: when the parent is gone, however it ended, so is the child."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def tether(parent: int | None = None) -> Callable[[], None]:
    """Return the function to be run in the child between fork and exec (`preexec_fn`).

    The kernel then kills the child as soon as the *thread* that forked it ends, so children are started from the
    main thread only. A parent that died between the fork and this call sends no signal any more: the child
    looks once at who its parent is, and ends by itself.
    """
    expected = os.getpid() if parent is None else parent

    def hold() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != expected:
            os._exit(1)

    return hold
