"""Run a command, and see to it that nothing it started outlives it by more than seconds.

The command's words come on file descriptor 3, each ended by a zero byte (so that this process's own command line
names no script, and whoever kills "the script" by name spares its guard). The guard has a session of its own and is
the *subreaper* of all below it: a process that detaches becomes the guard's child instead of init's, so the list of
what must end is simply the list of its descendants, whatever they call themselves.

It acts when the command ends, and when the process that started the guard is gone, kill -9 included:

1. all descendants get SIGTERM, and SIGKILL after a few seconds;
2. what the file ``$ORMEN_SWEEP`` lists is removed: things in Docker by their label, mounts and folders by their path;
3. the run's own folder (with ``$TMPDIR``) is deleted;
4. the private Docker engine is stopped, if this was the last guard of this checkout.

A file ``keep`` in the run's folder means: it is meant to stay (``scripts/demo --keep``); then only 4 is left out too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import engine

ROOT = Path(__file__).resolve().parent.parent
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 15.0
"""How long the command itself may take to end after Ctrl-C: a test run tears its fixtures down."""
END_S = 4.0
"""How long the rest may take between SIGTERM and SIGKILL."""


class Guard:
    """One guarded run."""

    def __init__(self, command: list[str], owner: int) -> None:
        self.owner = owner
        self.status: int | None = None
        self.wish: signal.Signals | None = None
        runs = ROOT / ".cache" / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="", dir=runs))
        (self.folder / "tmp").mkdir()
        self.wakeup = self._catch_signals()
        environment = dict(os.environ, ORMEN_GUARD=str(os.getpid()), ORMEN_RUN_DIR=str(self.folder))
        environment |= {"ORMEN_SWEEP": str(self.folder / "sweep"), "TMPDIR": str(self.folder / "tmp")}
        self.child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, process_group=0).pid

    def _catch_signals(self) -> int:
        """Return a descriptor that becomes readable at each signal."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return reading

    def _on_signal(self, number: int, _frame: object) -> None:
        # A second Ctrl-C means: at once.
        self.wish = signal.SIGINT if number == signal.SIGINT and self.wish is None else signal.SIGTERM

    def orphaned(self) -> bool:
        """Whether the process that started this guard is gone."""
        return os.getppid() != self.owner

    def pause(self, timeout_s: float = 0.25) -> None:
        """Wait for a signal, and collect the children that have ended."""
        if select.select([self.wakeup], [], [], timeout_s)[0]:
            os.read(self.wakeup, 4096)
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                if found[0] == self.child:
                    self.status = found[1]

    def wait(self) -> int:
        """Return the command's exit status, or 128 + the signal that ended it, once it has ended or must end."""
        sent: signal.Signals | None = None
        deadline = float("inf")
        while self.status is None and not self.orphaned() and time.monotonic() < deadline:
            if self.wish is not None and self.wish != sent:
                sent = self.wish
                deadline = time.monotonic() + GRACE_S
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.child, sent)
            self.pause()
        if self.status is None:
            return 128 + (sent or signal.SIGKILL)
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    def clean(self) -> None:
        """Do what the module's docstring lists."""
        if not (self.folder / "keep").exists():
            self._end_descendants()
            sweep, python = self.folder / "sweep", ROOT / ".venv" / "bin" / "python"
            if sweep.exists():
                environment = dict(os.environ, DOCKER_HOST=os.environ.get("DOCKER_HOST") or engine.find() or "")
                words = [str(python), str(ROOT / "scripts" / "sweep.py"), str(sweep)]
                subprocess.run(words, env=environment, check=False, timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_descendants(self) -> None:
        spared = set(engine.family(engine.ours()))
        for number, timeout_s in ((signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
            deadline = time.monotonic() + timeout_s
            told: set[int] = set()
            while time.monotonic() < deadline:
                left = [pid for pid in engine.family([os.getpid()])[1:] if pid not in spared and engine.alive(pid)]
                if not left:
                    return
                engine.tell([pid for pid in left if pid not in told], number)
                told.update(left)
                self.pause(0.05)


def main() -> int:
    """Run the command of descriptor 3; return its exit status once all is clean."""
    owner = os.getppid()
    with os.fdopen(3) as words:
        command = words.read().split("\0")[:-1]
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    engine.HOME.mkdir(parents=True, exist_ok=True)
    users = (engine.HOME / "users.lock").open("w")
    fcntl.flock(users, fcntl.LOCK_SH)
    guard = Guard(command, owner)
    code = guard.wait()
    guard.clean()
    # The last one out stops the engine: who else uses it holds the lock, and who comes now waits for it.
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not engine.KEEP.exists():
            engine.stop()
    return code


if __name__ == "__main__":
    sys.exit(main())
