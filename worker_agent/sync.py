"""Making sure: a list of this node's containers every 2 s, and the whole of its records at start and once a minute.

Events make the agent fast; this makes it certain. A quick pass compares the list with what was seen when each task
was last looked at, and has only what differs looked at again. A full pass reads every record of the node as well; it
is what lets the node be given tasks, and finds orphans: containers of ours without a record, which are reported and
left as they are. A full pass is made after every silence too, of the engine as of Redis, and as soon as anything has
changed about a container here whose task is not the node's: a Redis that has forgotten something leaves such, and
nobody would ring for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event

from ormen.errors import StoreUnavailable
from ormen.reasons import Code, Reason
from ormen.task import State, Task, Wanted
from worker_agent.controller import Controller, Known
from worker_agent.duties import Duty, duty_of
from worker_agent.lanes import Lanes
from worker_agent.runtime import Container, RuntimeFault
from worker_agent.station import Station

log = logging.getLogger(__name__)

LIST_EVERY_S = 2.0
"""Between two lists of containers: what the API says is what Docker does within that time."""
READ_EVERY_S = 60.0
"""Between two readings of all records of the node."""
SEEN_EVERY_S = 10.0
"""How often the store hears which scheduled tasks are in hand."""


Standing = tuple[tuple[str | None, int], State, Wanted]
"""Where a task stands: its fence, its state, and what is wanted."""

OnFull = Callable[[Mapping[str, Task], Mapping[str, Container]], None]


class Sync:
    """The passes over Docker. `step` is called by one thread only."""

    def __init__(
        self, station: Station, lanes: Lanes, controller: Controller, *, probe_ages: Callable[[], Mapping[str, float]]
    ) -> None:
        self._station = station
        self._lanes = lanes
        self._controller = controller
        self._probe_ages = probe_ages
        self._full_due = True
        self._wanted = Event()
        self._listed_at: float | None = None
        self._read_at: float | None = None
        self._told_at: float | None = None
        self._probed: bool | None = None
        self.trouble: Reason | None = None
        """What the engine said at the last pass, None when it was complete."""
        self.orphans: tuple[str, ...] = ()
        """Names of the containers of ours that have no record."""
        self._strays: dict[str, Standing | None] = {}
        """The tasks of containers here that are not the node's, each as it stood at the last full pass."""
        self.on_full: OnFull = lambda held, listed: None
        """Hears after each full pass what the node holds: its records, and its containers by task."""

    def make_full(self) -> None:
        """Let the next pass read every record of the node, and come at once."""
        self._full_due = True
        self._wanted.set()

    def rest(self, seconds: float) -> None:
        """Wait between two passes, not beyond a wish for one."""
        self._wanted.wait(seconds)
        self._wanted.clear()

    def pass_age_s(self, now: float) -> float:
        """Return how long ago the last complete pass over Docker was."""
        return now - self._listed_at if self._listed_at is not None else 0.0

    def step(self, now: float) -> None:
        """Make the pass that is due; what does not answer is tried again at the next step."""
        if self._controller.frozen:
            return
        try:
            listed = self._list(now)
            if listed is not None:
                self._compare(listed, now)
            self._tell(now)
        except StoreUnavailable as fault:
            log.debug("sync: %s", fault)
            self._full_due = True

    def _list(self, now: float) -> dict[str, Container] | None:
        try:
            found = self._station.runtime.containers(self._station.cluster)
        except RuntimeFault as fault:
            if self.trouble is None or self.trouble.code is not fault.reason.code:
                log.warning("%s", fault)
            self.trouble = fault.reason
            self._full_due = True
            return None
        if self.trouble is not None:
            log.warning("the engine answers again")
        self.trouble = None
        self._listed_at = now
        # A task has at most one container here that counts; the name is unique, and the running one wins.
        mine = [item for item in found if item.node == self._station.node and item.task]
        return {str(item.task): item for item in sorted(mine, key=lambda item: item.running)}

    def _compare(self, listed: Mapping[str, Container], now: float) -> None:
        due = self._full_due or self._read_at is None or now - self._read_at >= READ_EVERY_S
        if due or self._strays_changed(listed):
            # Taken back first: a wish for a full pass that comes during this one is a wish for another.
            self._full_due = False
            try:
                crowded = self._full(listed)
            except BaseException:
                self._full_due = True
                raise
            # What has to go still takes its room and its ports: until it is gone the node is not ready.
            self._full_due, self._read_at = self._full_due or crowded, now
        else:
            self._quick(listed)

    def _quick(self, listed: Mapping[str, Container]) -> None:
        known = self._controller.known()
        due = set(self._controller.unsettled())
        due.update(task_id for task_id, item in listed.items() if not _agrees(known.get(task_id), item))
        due.update(
            task_id for task_id, seen in known.items() if seen.container_id is not None and task_id not in listed
        )
        fresh = [task_id for task_id in sorted(due) if not self._lanes.busy(task_id)]
        self._look(fresh, listed)

    def _full(self, listed: Mapping[str, Container]) -> bool:
        """Read and compare every record; return whether another such pass has to follow, for the node to be ready."""
        # Before the records: what is taken from the inbox after these were read is not to be forgotten for it.
        known = self._controller.known().keys()
        held = {task.id: task for task in self._station.store.held(self._station.node)}
        unheld = [task_id for task_id in listed if task_id not in held]
        read: dict[str, Task | None] = self._station.store.read(unheld) if unheld else {}
        orphans = {}
        for task_id, task in {**read, **held}.items():
            container = listed.get(task_id)
            if task is None and container is not None:
                if self._is_there(container):
                    orphans[task_id] = container.name
                    self._controller.ignore(task_id, container)
            elif task is not None and not self._controller.consider(task, container) and not self._lanes.busy(task_id):
                self._controller.look_at([task])
        for task_id in known - held.keys() - listed.keys():
            if not self._lanes.busy(task_id):
                self._controller.forget(task_id)
        self._strays = {task_id: _standing(read[task_id]) for task_id in unheld}
        self._report_orphans(tuple(sorted(orphans.values())))
        crowded = any(self._is_to_go(task, listed.get(task_id)) for task_id, task in held.items())
        if not crowded:
            self._station.store.synced(self._station.node, self._station.instance, orphans=self.orphans)
        self.on_full(held, listed)
        return crowded

    def _is_there(self, container: Container) -> bool:
        """Return whether a listed container is still there: since the list it may have gone, and its record with it."""
        try:
            return self._station.runtime.inspect(container.id) is not None
        except RuntimeFault:
            return True

    def _is_to_go(self, task: Task, container: Container | None) -> bool:
        duty = duty_of(task, self._station.node)
        return duty is Duty.CLEAR and container is not None and container.running

    def _strays_changed(self, listed: Mapping[str, Container]) -> bool:
        """Return whether a stray container is gone, or its task has been placed, stopped or asked for again."""
        if not self._strays:
            return False
        now = {task_id: _standing(task) for task_id, task in self._station.store.read(self._strays).items()}
        return now != self._strays or not listed.keys() >= self._strays.keys()

    def _look(self, ids: list[str], listed: Mapping[str, Container]) -> None:
        if not ids:
            return
        for task_id, task in self._station.store.read(ids).items():
            if task is not None:
                self._controller.look_at([task])
            elif task_id in listed:
                self._controller.ignore(task_id, listed[task_id])
                self._full_due = True
            else:
                self._controller.forget(task_id)

    def _report_orphans(self, orphans: tuple[str, ...]) -> None:
        for name in sorted(set(orphans) - set(self.orphans)):
            log.warning("container %s is of this cluster and has no record: left as it is", name)
        self.orphans = orphans

    def _tell(self, now: float) -> None:
        if self._told_at is not None and now - self._told_at < SEEN_EVERY_S:
            return
        self._station.store.seen(self._controller.starting())
        ages = self._probe_ages()
        # What an agent before this one has said is taken back once; without checks there is nothing to say after that.
        if ages or self._probed is not False:
            self._station.store.probed(self._station.node, ages)
        self._probed, self._told_at = bool(ages), now


def _standing(task: Task | None) -> Standing | None:
    return (task.fence, task.state, task.wanted) if task is not None else None


def _agrees(known: Known | None, container: Container) -> bool:
    return known is not None and (known.container_id, known.state) == (container.id, container.state)


def unsynced(age_s: float, interval_s: float) -> Reason | None:
    """Return why a node whose last complete pass over Docker is too old is no good just now."""
    if age_s <= 10 * interval_s:
        return None
    return Reason(Code.ENGINE_HUNG, f"The engine has not been seen in full for {age_s:.0f}s.")
