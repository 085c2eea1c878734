"""One child process: what to run, start it, see its end, signal it with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ormen.local.tether import tether


@dataclass(frozen=True, slots=True)
class Program:
    """What one child runs.

    `role` is the word for it in sentences (``agent``). An exit code in `final` is an answer, not an accident:
    the program is not started again. `needs_store`: its deaths while Redis is away are not held against it.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    grace_s: float = 10.0
    final: frozenset[int] = frozenset()
    needs_store: bool = True


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended: an exit code, or the signal that ended it."""

    exit_code: int | None
    signal: int | None

    def __str__(self) -> str:
        """Return ``signal 9`` or ``exit code 1``."""
        return f"signal {self.signal}" if self.signal is not None else f"exit code {self.exit_code}"


class Child:
    """One run of a program; it never outlives this process.

    It leads a process group of its own, so that a Ctrl-C meant for us does not reach it, and so that what it leaves
    behind at its death can be found.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        program.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Appending, so that the file can be cut to nothing under the child when it is rotated.
        with open(program.log, "ab") as log:
            self.log_start = log.tell()
            self._popen = subprocess.Popen(
                program.command,
                env=dict(program.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tether(),
            )
        self.pid = self._popen.pid

    def end(self) -> End | None:
        """Return how it ended, or None while it runs. What is left of its group is killed before its pid is free."""
        if self._popen.returncode is None:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self._signal_group(signal.SIGKILL)
        code = self._popen.wait()
        return End(None, -code) if code < 0 else End(code, None)

    def signal(self, number: int) -> None:
        """Send a signal to the child alone; nothing happens if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def kill(self) -> None:
        """Kill the child and whatever it started, at once."""
        if self._popen.returncode is None:
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        # Safe from hitting a stranger: the pid, and so the group's number, is ours until it has been reaped.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def identity(pid: int) -> str | None:
    """Return what tells this process from a later one with the same pid; None if there is no such process.

    It is the boot and the tick of its start. A zombie is no process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"
