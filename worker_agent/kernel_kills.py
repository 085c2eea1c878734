"""How many processes the kernel has killed for want of memory: it counts them all, and the engine misses some.

Docker hears of such a kill through a notice on the container's control group. The notice may come after the end it
explains, and is lost altogether when the group is removed first: on a loaded host that was one kill in ten. The kernel
counts a kill before it carries it out, in ``oom_kill`` of ``/proc/vmstat``, so the count has risen by the time the end
is seen. It counts for the whole host, so a kill that somebody has accounted for is taken off.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock

LATELY_S = 3.0
"""How long a kill may explain an end: longer than a busy agent needs to see one."""
VMSTAT = Path("/proc/vmstat")


class KernelKills:
    """The kills of the last seconds that nobody has accounted for; none where the kernel does not tell."""

    def __init__(self, vmstat: Path = VMSTAT, clock: Callable[[], float] = time.monotonic) -> None:
        self._vmstat = vmstat
        self._clock = clock
        self._lock = Lock()
        self._known = self._count()
        self._past = deque([(clock(), self._known)])

    def look(self) -> None:
        """Forget the kills of longer ago; to be called about every second."""
        with self._lock:
            now, total = self._clock(), self._count()
            self._past.append((now, total))
            while len(self._past) > 1 and self._past[1][0] <= now - LATELY_S:
                self._past.popleft()
            self._known = max(self._known, self._past[0][1])

    def claim(self) -> bool:
        """Account for one kill; False if there was none of late that is not accounted for."""
        with self._lock:
            if self._count() <= self._known:
                return False
            self._known += 1
            return True

    def _count(self) -> int:
        try:
            lines = self._vmstat.read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
