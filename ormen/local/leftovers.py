"""End what a killed supervisor left behind. Its children die with it; what those had started may need a moment."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from ormen.local.state import MARK, Run


def clear_leftovers(run: Run) -> list[int]:
    """End the processes of a run whose `up` is gone, and return their pids.

    A process counts as the run's if its environment carries the run's mark: a pid that was given to somebody else
    later is never touched.
    """
    ours = list(_living(run))
    for process in ours:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(ours, timeout=5.0)
    for process in stubborn:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(stubborn, timeout=5.0)
    return [process.pid for process in ours]


def _living(run: Run) -> Iterator[psutil.Process]:
    mark = run.up.mark
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.Error, OSError):
            continue  # another user's, or just gone
