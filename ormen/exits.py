"""Exit codes as people read them: the signal behind a code over 128 has a name."""

from __future__ import annotations

import signal


def signal_of(code: int | None) -> str | None:
    """Return ``SIGKILL`` for 137: the signal that ended a program, None for a code of its own."""
    if code is None or not 128 < code <= 128 + 64:
        return None
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return f"signal {code - 128}"


def coded(code: int | None) -> str:
    """Return ``exit code 137 (SIGKILL)``: the signal behind a code over 128 is named."""
    if code is None:
        return "exit code unknown"
    name = signal_of(code)
    return f"exit code {code} ({name})" if name else f"exit code {code}"
