"""One task at a time from what is to what is wanted: the agent's heart.

`converge` is the one entry for every cause: a ring, a heartbeat's answer, an event of the engine, the list, a failed
check. It reads the record anew (a start whose turn comes soon begins from what the inbox brought), compares it
with the engine and does the next step; so it may be called too often and never too late. It runs in a lane that holds
the task's place, so never twice at once for one task.

When Redis or the engine does not answer, nothing is changed: the task is kept in `unsettled` and looked at again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from ormen.errors import StoreUnavailable
from ormen.reasons import Reason
from ormen.schema import resolve
from ormen.store.agent import Remark
from ormen.task import PLACED, State, Task, Wanted
from worker_agent.deadlines import ran_s
from worker_agent.docker_args import limits, shown
from worker_agent.duties import Duty, duty_of, is_done
from worker_agent.ending import Ender
from worker_agent.lanes import START, STOP, TIDY, Lanes, Ticket
from worker_agent.pulls import Pulls
from worker_agent.runtime import Container, PlanRefused, RuntimeFault
from worker_agent.starting import STALE, Starter
from worker_agent.station import Station, Step

log = logging.getLogger(__name__)

FRESH_S = 1.0
"""How long a start may begin from a record without reading it anew. Whoever changes a record rings, and a ring that has
come replaces what waits; this bounds what an agent that was held up does with what has become of it meanwhile."""

OnSeen = Callable[[Task, Container | None], None]


@dataclass(frozen=True, slots=True)
class Known:
    """A task as it was when it was last looked at: its container's id and state, and whether its start is still due."""

    container_id: str | None
    state: str | None
    starting: bool = False


class Controller:
    """Brings the tasks of one node to where their records want them."""

    def __init__(self, station: Station, lanes: Lanes) -> None:
        self._station = station
        self._lanes = lanes
        # A stop does not queue behind a hundred starts that waited for one image.
        self._pulls = Pulls(station, lanes, partial(self._look_in, START))
        self._ender = Ender(station)
        self._starter = Starter(station, self._pulls, self._ender)
        self._lock = Lock()
        self._known: dict[str, Known] = {}
        self._unsettled: set[str] = set()
        self.on_seen: OnSeen = lambda task, container: None
        """Hears of every task that was looked at, with its container."""
        self.on_forgotten: Callable[[str], None] = lambda task_id: None
        """Hears of every task that has no record any more."""
        self.frozen: str | None = None
        """Why nothing may be changed now, in a sentence; None: all is well."""
        self.going_down = False
        """Whether the agent is taking its containers down: nothing is started any more."""

    def look(self, task_id: str) -> Ticket:
        """Have the task looked at."""
        return self._look_in(STOP, task_id)

    def look_at(self, tasks: Iterable[Task]) -> list[Ticket]:
        """Have tasks looked at, each in the lane that its record asks for."""
        tickets = []
        for task in tasks:
            if duty_of(task, self._station.node) is Duty.START:
                self._remember(Step("taken", task), task)
                fresh = time.monotonic() + FRESH_S
                tickets.append(self._lanes.submit(START, task.id, partial(self.converge, task.id, task, fresh)))
            else:
                tickets.append(self.look(task.id))
        return tickets

    def converge(self, task_id: str, taken: Task | None = None, fresh_until: float = 0.0) -> str:
        """Read the record, compare it with the engine, do the next step; return in a word how that ended.

        `taken` is the record as it came with the inbox: a start begins from it until the monotonic clock says
        `fresh_until`, and after that reads it anew like everything else.
        """
        return self._act(task_id, self._next, taken if time.monotonic() < fresh_until else None)

    def end_unhealthy(self, task_id: str, *, attempt: int, reason: Reason) -> Ticket:
        """Have the attempt ended because its check failed too often."""
        return self._lanes.submit(STOP, task_id, partial(self._act, task_id, partial(self._unhealthy, attempt, reason)))

    def end_overdue(self, task_id: str, *, attempt: int) -> Ticket:
        """Have the attempt ended if it has run as long as its spec lets it; else its start is read anew."""
        return self._lanes.submit(STOP, task_id, partial(self._act, task_id, partial(self._overdue, attempt)))

    def take_down(self, task_id: str) -> Ticket:
        """Have the container stopped and removed because the cluster goes down; the task stays wanted."""
        return self._lanes.submit(STOP, task_id, partial(self._act, task_id, self._down))

    def drop(self, task: Task) -> Ticket:
        """Have the container of an ended task removed, unless the task has been started again; its record stays."""
        return self._lanes.submit(TIDY, task.id, partial(self._act, task.id, partial(self._drop, task.ended_ms)))

    def consider(self, task: Task, container: Container | None) -> bool:
        """Take note of a record that was read in bulk and its container as listed; return whether both agree."""
        if not is_done(task, self._station.node, container):
            return False
        self._remember(Step("as wanted", task, container), task)
        return True

    def known(self) -> dict[str, Known]:
        """Return what was seen of each task when it was last looked at."""
        with self._lock:
            return dict(self._known)

    def starting(self) -> list[str]:
        """Return the tasks that are scheduled here and do not run yet."""
        return [task_id for task_id, known in self.known().items() if known.starting]

    def unsettled(self) -> list[str]:
        """Return the tasks that have to be looked at again."""
        with self._lock:
            return sorted(self._unsettled)

    def forget(self, task_id: str) -> None:
        """Drop all that was kept of a task."""
        self._starter.forget(task_id)
        with self._lock:
            self._known.pop(task_id, None)
            self._unsettled.discard(task_id)
        self.on_forgotten(task_id)

    def ignore(self, task_id: str, container: Container) -> None:
        """Take note of a container whose task has no record: an orphan, left as it is."""
        with self._lock:
            self._known[task_id] = Known(container.id, container.state)
            self._unsettled.discard(task_id)
        self.on_forgotten(task_id)

    def _look_in(self, lane: str, task_id: str) -> Ticket:
        return self._lanes.submit(lane, task_id, partial(self.converge, task_id))

    def _act(self, task_id: str, act: Callable[[Task], Step], taken: Task | None = None) -> str:
        if self.frozen:
            return self._later(task_id, "frozen")
        try:
            task = taken or self._station.store.read([task_id])[task_id]
            if task is None:
                self.forget(task_id)
                return "no record"
            step = act(task)
            if taken is not None and step.word == STALE:
                return self._act(task_id, act)
        except StoreUnavailable as fault:
            log.debug("%s: %s", task_id, fault)
            return self._later(task_id, "store away")
        except RuntimeFault as fault:
            log.warning("task %s: %s", task_id, fault)
            return self._later(task_id, fault.reason.code.value)
        self._remember(step, task)
        if step.word == "late":
            log.info("%s: news of attempt %d came too late and was dropped", task.name, task.attempt)
        elif step.task is not None and step.task.revision != task.revision:
            log.info("%s: %s", task.name, step.word)
        return step.word

    def _next(self, task: Task) -> Step:
        duty = duty_of(task, self._station.node)
        if duty is Duty.START:
            return Step("going down", task) if self.going_down else self._starter.start(task)
        if duty is Duty.STOP:
            return self._ender.stop(task, self._seen_running(task) or self._station.container_of(task))
        container = self._station.container_of(task)
        if duty is Duty.RUN:
            return self._watch_over(task, container)
        if duty is Duty.RENEW:
            return self._ender.renew(task, container)
        if duty is Duty.CLEAR:
            return self._ender.clear(task, container, grace_s=self._grace(task))
        if duty is Duty.REST and not is_done(task, self._station.node, container):
            return self._ender.clear(task, container, grace_s=self._grace(task))
        return Step(task.state.value, task, container)

    def _seen_running(self, task: Task) -> Container | None:
        """Return the record's container if it is the one last seen running here: to stop it needs no second look.

        An inspect before the stop was a quarter of all that ormen adds to Docker's own stop.
        """
        with self._lock:
            known = self._known.get(task.id)
        if (
            known is None
            or known.container_id is None
            or (known.container_id, known.state)
            != (
                task.container_id,
                "running",
            )
        ):
            return None
        return Container(known.container_id, task.container_name, "running")

    def _watch_over(self, task: Task, container: Container | None) -> Step:
        if container is None:
            return self._ender.gone(task)
        if container.ended:
            return self._ender.exited(task, container)
        if not container.running:
            return Step(container.state, task, container, again=True)
        if container.id != task.container_id:
            outcome = self._station.store.adopt(task, label=container.attempt, container_id=container.id)
            return Step("adopted", outcome.task or task, container, again=not outcome.accepted)
        if container.paused is not (task.paused_ms is not None):
            return self._tell_pause(task, container)
        if task.resize:
            return self._resize(task, container)
        return Step("running", task, container)

    def _resize(self, task: Task, container: Container) -> Step:
        """Give a running container the limits that its spec has by now, and tell that it has them, or why not."""
        node, spec = self._station.node, resolve(task.spec)
        remark = Remark(task.id, node, task.attempt, "task.resized", f"{node} gives it {shown(spec)}")
        try:
            self._station.runtime.resize(container.id, limits(spec))
        except PlanRefused as fault:
            why = f"{fault.reason.sentence.replace('this host', node).rstrip('.')}; a restart takes them"
            remark = replace(remark, event="task.resize_refused", sentence=why, refused=why)
        settled = self._station.store.note(replace(remark, resize=task.resize))
        now = self._station.store.read([task.id])[task.id] or task
        return Step("resized" if settled else STALE, now, container, again=not settled)

    def _tell_pause(self, task: Task, container: Container) -> Step:
        """Tell that somebody has paused the container, or let it go on: neither is ours to undo."""
        node, name = self._station.node, task.container_name
        paused = f"by somebody on {node}: it runs no code until there: docker unpause {name}"
        self._station.store.note(
            Remark(
                task=task.id,
                node=node,
                attempt=task.attempt,
                event="task.paused" if container.paused else "task.unpaused",
                sentence=paused if container.paused else f"by somebody on {node}: it runs on",
                paused=container.paused,
            )
        )
        return Step(container.state, self._station.store.read([task.id])[task.id] or task, container)

    def _grace(self, task: Task) -> float | None:
        """Return the task's own grace where a user's wish ends it; None where a newer attempt has replaced it."""
        wished = task.wanted is not Wanted.RUNNING
        return resolve(task.spec).stop_grace_s if wished else None

    def _is_to_run(self, task: Task, attempt: int) -> bool:
        return task.fence == (self._station.node, attempt) and duty_of(task, self._station.node) is Duty.RUN

    def _unhealthy(self, attempt: int, reason: Reason, task: Task) -> Step:
        container = self._station.container_of(task)
        if not self._is_to_run(task, attempt) or container is None or not container.running:
            return self._next(task)
        return self._ender.end_unhealthy(task, container, reason)

    def _overdue(self, attempt: int, task: Task) -> Step:
        container = self._station.container_of(task)
        longest_s = resolve(task.spec).deadline.run_s
        if not self._is_to_run(task, attempt) or longest_s is None:
            return self._next(task)
        if container is None or container.id != task.container_id:
            return self._next(task)
        if not container.running or ran_s(container, self._station.wall_ms()) < longest_s:
            return self._next(task)
        return self._ender.end_overdue(task, container, longest_s)

    def _drop(self, ended_ms: int | None, task: Task) -> Step:
        if duty_of(task, self._station.node) is not Duty.REST or task.ended_ms != ended_ms:
            return self._next(task)
        return self._ender.clear(task, self._station.container_of(task), grace_s=self._grace(task))

    def _down(self, task: Task) -> Step:
        mine = task.node == self._station.node and task.state in PLACED and task.wanted is Wanted.RUNNING
        return self._ender.take_down(task, self._station.container_of(task)) if mine else self._next(task)

    def _later(self, task_id: str, word: str) -> str:
        with self._lock:
            self._unsettled.add(task_id)
        return word

    def _remember(self, step: Step, read: Task) -> None:
        task = step.task or read
        duty = duty_of(task, self._station.node)
        if duty is not Duty.START:
            self._starter.forget(task.id)
        container = step.container
        with self._lock:
            if duty is Duty.CLEAR and not step.again:
                self._known.pop(task.id, None)
            else:
                starting = duty is Duty.START and task.state is State.SCHEDULED
                state = container.state if container else None
                self._known[task.id] = Known(container.id if container else None, state, starting)
            # A container that was adopted may be paused, which is still to be told.
            untold = duty is Duty.RUN and container is not None and not is_done(task, self._station.node, container)
            if step.again or untold:
                self._unsettled.add(task.id)
            else:
                self._unsettled.discard(task.id)
        self.on_seen(task, container)
