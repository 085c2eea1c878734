"""When each running task's check is due, and what its results come to.

Checks begin as soon as the container runs. Until the first good one, or the end of the grace time, failures do not
count and a check is made at least every second; from then on `retries` failures in a row end the attempt. While we
end it, for whatever reason, no check counts. While Redis is away checks go on and nothing is ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock

from ormen.errors import StoreUnavailable
from ormen.reasons import Reason
from ormen.schema import resolve
from ormen.spec import HealthSpec
from ormen.store.agent import Remark
from ormen.task import Health, Probe, State, Task, Wanted
from worker_agent import probes
from worker_agent.lanes import PROBE, Lanes, Ticket
from worker_agent.runtime import Container, ProbeResult, RuntimeFault
from worker_agent.station import Station

log = logging.getLogger(__name__)

KEPT = 3
"""So many of the last checks are told of a task that does not pass them."""

STARTING_EVERY_S = 1.0
"""The longest wait between two checks of a container that has not passed one yet."""

EndAttempt = Callable[[str, int, Reason], Ticket]


@dataclass(slots=True)
class Watched:
    """One container under its check. Times are of the monotonic clock."""

    task_id: str
    attempt: int
    health: HealthSpec
    container: Container
    grace_until: float
    due: float
    told: Health | None
    passed: bool = False
    failures: int = 0
    last: float | None = None
    results: tuple[Probe, ...] = ()
    said: str = ""

    def take(self, result: ProbeResult, now: float, *, wall_ms: int = 0) -> None:
        """Count a result and say when the next check is due."""
        self.last = now
        probe = Probe(wall_ms, result.ok, result.sentence, result.took_ms, result.status, result.output[:200])
        self.results = (probe, *self.results)[:KEPT]
        if result.ok:
            self.passed, self.failures = True, 0
        elif self.passed or now >= self.grace_until:
            self.failures += 1
        starting = not self.passed and not self.failures
        self.due = now + (min(STARTING_EVERY_S, self.health.interval_s) if starting else self.health.interval_s)

    @property
    def state(self) -> Health:
        """Return what the results so far come to."""
        if self.failures:
            return Health.FAILING
        return Health.HEALTHY if self.passed else Health.STARTING

    @property
    def over(self) -> bool:
        """Return whether the attempt has to end."""
        return self.failures >= self.health.retries


class Probing:
    """The schedule of checks. `step` hands what is due to the lane of probes."""

    def __init__(self, station: Station, lanes: Lanes, end_attempt: EndAttempt) -> None:
        self._station = station
        self._lanes = lanes
        self._end_attempt = end_attempt
        self._watched: dict[str, Watched] = {}
        self._lock = Lock()
        self._changed = Event()
        self.clock: Callable[[], float] = time.monotonic

    def seen(self, task: Task, container: Container | None) -> None:
        """Take note of a task that was just looked at: it is checked from now on, still, or no more."""
        mine = task.node == self._station.node and task.state is State.RUNNING and task.wanted is Wanted.RUNNING
        health = resolve(task.spec).health if mine and task.spec.get("health") else None
        with self._lock:
            if health is None or container is None or not container.running:
                self._watched.pop(task.id, None)
                return
            watched = self._watched.get(task.id)
            if watched is not None and (watched.attempt, watched.container.id) == (task.attempt, container.id):
                return
            self._watched[task.id] = self._begin(task, health, container)
            self._changed.set()

    def forget(self, task_id: str) -> None:
        """Check a task no more, of which there is no record."""
        with self._lock:
            self._watched.pop(task_id, None)

    def step(self, now: float) -> float:
        """Hand in the checks that are due; return when the next one will be, at most a second from now."""
        with self._lock:
            due = [item for item in self._watched.values() if item.due <= now]
            for item in due:
                # Until the check has been made; it is bounded by its own timeout.
                item.due = now + item.health.timeout_s + item.health.interval_s
            following = min((item.due for item in self._watched.values()), default=now + 1.0)
        for item in due:
            self._lanes.submit(PROBE, f"probe {item.task_id}", partial(self._probe, item))
        return min(following, now + 1.0)

    def rest(self, seconds: float) -> None:
        """Wait between two steps, not beyond a change of what is due: the next check is told by the end of the last."""
        self._changed.wait(seconds)
        self._changed.clear()

    def wake(self) -> None:
        """End a rest."""
        self._changed.set()

    def ages_s(self) -> dict[str, float]:
        """Return how long ago each task's check was last made."""
        now = self.clock()
        with self._lock:
            return {key: now - item.last for key, item in self._watched.items() if item.last is not None}

    def _begin(self, task: Task, health: HealthSpec, container: Container) -> Watched:
        return Watched(
            task.id,
            task.attempt,
            health,
            container,
            grace_until=self._grace_until(health, container),
            due=self.clock(),
            told=task.health,
            passed=task.health in (Health.HEALTHY, Health.FAILING),
        )

    def _probe(self, item: Watched) -> str:
        if self._station.evidence.is_ending(item.container.id):
            return "being ended"
        try:
            container = self._fresh(item)
            if container is None:
                return "not running"
            result = probes.check(item.health, container, self._station.runtime)
        except RuntimeFault as fault:
            # The engine's fault, not the container's: it says nothing of its health.
            return fault.reason.code.value
        with self._lock:
            if self._watched.get(item.task_id) is not item or self._station.evidence.is_ending(container.id):
                return "ended meanwhile"
            item.take(result, self.clock(), wall_ms=self._station.wall_ms())
        self._changed.set()
        self._tell(item, result)
        if item.over:
            times = "" if item.failures == 1 else f", {item.failures} times in a row"
            reason = Reason(result.code, f"Not healthy on {self._station.node}: {result.sentence}{times}.")
            self._end_attempt(item.task_id, item.attempt, reason)
        return result.sentence

    def _fresh(self, item: Watched) -> Container | None:
        """Return the container with its address; a listed one has no times, a restarted one another address."""
        if item.container.started_ms is None or item.failures or item.last is None:
            found = self._station.runtime.inspect(item.container.id)
            if found is None or not found.running:
                return None
            item.container = found
            item.grace_until = self._grace_until(item.health, found)
        return item.container

    def _grace_until(self, health: HealthSpec, container: Container) -> float:
        ran_s = max(0.0, (self._station.wall_ms() - container.started_ms) / 1000) if container.started_ms else 0.0
        return self.clock() - ran_s + health.grace_s

    def _tell(self, item: Watched, result: ProbeResult) -> None:
        state = item.state
        if state is Health.HEALTHY and item.told is Health.HEALTHY:
            return
        if item.failures > item.health.retries:
            return  # The end was asked for and waits its turn, or for Redis.
        if state is Health.STARTING:
            self._tell_in_vain(item, result)
            return
        failing = state is Health.FAILING
        count = f" ({item.failures} of {item.health.retries} failures)" if failing else ""
        remark = Remark(
            task=item.task_id,
            node=self._station.node,
            attempt=item.attempt,
            event="task.failing" if failing else "task.healthy",
            sentence=f"{result.sentence}{count}" if failing else f"{result.sentence} in {result.took_ms} ms",
            code=result.code if failing else None,
            detail=f"{result.sentence}{count}" if failing else "",
            health=state,
            probes=item.results if failing else (),
        )
        try:
            if self._station.store.note(remark):
                item.told = state
        except StoreUnavailable as fault:
            log.debug("health of %s not told: %s", item.task_id, fault)

    def _tell_in_vain(self, item: Watched, result: ProbeResult) -> None:
        """Say what a check is answered that does not count yet, when that is another answer than before."""
        if result.sentence == item.said:
            return
        item.said = result.sentence
        node, probes = self._station.node, item.results
        with suppress(StoreUnavailable):
            self._station.store.note(Remark(task=item.task_id, node=node, attempt=item.attempt, probes=probes))
