"""Run a cluster in a process of its own, and show elsewhere what it tells."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ormen.local.failure import FAILED, LocalFailure
from ormen.local.logs import Follower, last_words
from ormen.local.stage import Failure, Result, Stage, Told, read_told


def into_background(log: Path) -> int:
    """Fork; return the child's pid here, and 0 in the child: a session of its own, its output in the log."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for handle, number in ((null, 0), (out, 1), (out, 2)):
            os.dup2(handle, number)
        # Also what the caller's shell had open: it waits for the end of its pipes.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    return pid


def show_progress(path: Path, stage: Stage, *, pid: int) -> int:
    """Show what our child in the background tells until it is ready; return the exit code.

    Ctrl-C while it starts takes it down again. Raises `LocalFailure` with its reason if it fails.
    """
    follower = Follower(path)
    try:
        while True:
            gone = os.waitpid(pid, os.WNOHANG)[0] == pid
            for told in read_told(follower.lines()):
                if isinstance(told, Failure):
                    raise told.to_error()
                stage.tell(told)
                if isinstance(told, Result):
                    return 0
            if gone:
                log = path.with_name("logs") / "up.log"
                raise LocalFailure("the start ended by itself", exit_code=FAILED, evidence=last_words(log))
            stage.tick()
            time.sleep(0.1)
    except KeyboardInterrupt:
        os.kill(pid, 2)
        os.waitpid(pid, 0)
        raise


def show_end(follower: Follower, stage: Stage) -> Told | None:
    """Show what has been told since the last call; return the last of it."""
    last: Told | None = None
    for told in read_told(follower.lines()):
        stage.tell(told)
        last = told
    return last
