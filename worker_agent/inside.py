"""Processes of a container by their numbers on the host: the only way to end a command that Docker will not end.

Seen only where the agent shares the engine's pid namespace. Elsewhere a number means another process, so each is
checked first: its control group must name the container.
"""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

TERM_S = 2.0
"""How long a process has after being asked to end, before it is killed."""


def belongs(pid: int, container_id: str) -> bool:
    """Return whether the process is one of the container's."""
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def send(pid: int, container_id: str, number: int) -> bool:
    """Send a signal to a process of the container; False if it is not to be seen from here."""
    if not belongs(pid, container_id):
        return False
    try:
        psutil.Process(pid).send_signal(number)
    except psutil.Error:
        return False
    return True


def end(pid: int, container_id: str) -> bool:
    """End a process of the container with all that it has started; False if it is not to be seen from here.

    They are asked first (SIGHUP, as when a terminal goes away, then SIGTERM) and killed after two seconds.
    """
    if not belongs(pid, container_id):
        return False
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
    except psutil.Error:
        return True
    for number in (signal.SIGHUP, signal.SIGTERM):
        _all(family, container_id, number)
    _, stubborn = psutil.wait_procs(family, timeout=TERM_S)
    _all(stubborn, container_id, signal.SIGKILL)
    return not psutil.wait_procs(stubborn, timeout=TERM_S)[1]


def _all(family: list[psutil.Process], container_id: str, number: int) -> None:
    for process in family:
        if belongs(process.pid, container_id):
            try:
                process.send_signal(number)
            except psutil.Error:
                continue
