"""When the time of each running attempt is over: `deadline.run`, counted from its container's own start.

Docker's time of that start counts, so neither a restart of the agent nor an adoption begins it anew. An attempt that is
over is ended by the controller, which reads record and container once more; it is asked again until it is so, since
Redis or the engine may be away just then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from ormen.schema import resolve
from ormen.task import State, Task, Wanted
from worker_agent.lanes import Ticket
from worker_agent.runtime import Container
from worker_agent.station import Station

AGAIN_S = 5.0
"""How long after an end was asked it is asked again, should nothing have come of it."""

EndAttempt = Callable[[str, int], Ticket]
"""Asked with a task and its attempt whose time is over, or whose container's start is not known yet."""


@dataclass(slots=True)
class Clocked:
    """One attempt that may not run for ever; `due` is of the monotonic clock."""

    attempt: int
    container_id: str
    due: float


class Deadlines:
    """The ends that are due. `step` asks for them."""

    def __init__(self, station: Station, end_attempt: EndAttempt) -> None:
        self._station = station
        self._end_attempt = end_attempt
        self._clocked: dict[str, Clocked] = {}
        self._lock = Lock()
        self.clock: Callable[[], float] = time.monotonic

    def seen(self, task: Task, container: Container | None) -> None:
        """Take note of a task that was just looked at: its time runs from now on, still, or no more."""
        mine = task.node == self._station.node and task.state is State.RUNNING and task.wanted is Wanted.RUNNING
        longest_s = resolve(task.spec).deadline.run_s if mine and task.spec.get("deadline") else None
        with self._lock:
            if longest_s is None or container is None or not container.running:
                self._clocked.pop(task.id, None)
                return
            known = self._clocked.get(task.id)
            same = known is not None and (known.attempt, known.container_id) == (task.attempt, container.id)
            if container.started_ms is not None:
                left_s = longest_s - ran_s(container, self._station.wall_ms())
                self._clocked[task.id] = Clocked(task.attempt, container.id, self.clock() + left_s)
            elif not same:
                # A listed container has no times: the look that is asked for reads them.
                self._clocked[task.id] = Clocked(task.attempt, container.id, self.clock())

    def forget(self, task_id: str) -> None:
        """Let the time of a task end nothing, of which there is no record."""
        with self._lock:
            self._clocked.pop(task_id, None)

    def step(self, now: float) -> float:
        """Ask for the ends that are due; return when the next one is, at most a second from now."""
        with self._lock:
            due = [(task_id, item.attempt) for task_id, item in self._clocked.items() if item.due <= now]
            for task_id, _ in due:
                self._clocked[task_id].due = now + AGAIN_S
            following = min((item.due for item in self._clocked.values()), default=now + 1.0)
        for task_id, attempt in due:
            self._end_attempt(task_id, attempt)
        return min(following, now + 1.0)


def ran_s(container: Container, wall_ms: int) -> float:
    """Return for how long a container has run by the host's clock, by which the engine dates its start."""
    return max(0.0, (wall_ms - container.started_ms) / 1000) if container.started_ms is not None else 0.0
