"""Waiting for tasks to become what was asked: ``?wait=running`` and ``?wait=1``.

A wait listens to the process's event feed and reads a record again only when an event names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol

from manager_api.feed import Feed, Subscription
from manager_api.services import Services
from ormen.errors import StoreUnavailable
from ormen.events import Event
from ormen.outcome import Verdict, judge
from ormen.task import ENDED, PLACED, State, Task

BLIND_S = 1.0
"""How soon a record is read again after the store did not answer: its event may have been missed meanwhile."""

LOOK_S = 0.05
"""How often a removed task is looked at while somebody waits for its end."""

Goal = Callable[[Task], bool]


class Records(Protocol):
    """What a wait needs of the store."""

    def task(self, task_id: str) -> Task | None:
        """Return a task's record, None if there is none."""


def settled(task: Task) -> bool:
    """Return whether `task` is up, has ended, or more waiting would not help."""
    return judge(task.to_json()) is not Verdict.WAITING


def stopped(task: Task) -> bool:
    """Return whether `task` has ended."""
    return task.state in ENDED


def resized(task: Task) -> bool:
    """Return whether its node has made the change of its limits, or said why it cannot."""
    return not task.resize


def settled_anew(before: Task) -> Goal:
    """Return the goal of a restart of `before`: an attempt later than its last one has settled."""
    return lambda task: task.attempt > before.attempt and settled(task)


def settled_after_retry(before: Task) -> Goal:
    """Return the goal of a retry of `before`, which leaves an attempt under way alone, and a task that completed."""
    return settled if before.state in PLACED or before.state is State.COMPLETED else settled_anew(before)


def erased(mine: Services, task_id: str, *, timeout_s: float) -> bool:
    """Return whether a removed task's last trace is gone within the time: no event tells of it, so it is looked at."""
    deadline = time.monotonic() + timeout_s
    with mine.long.place():
        while mine.deck.store.read([task_id])[task_id] is not None:
            if time.monotonic() > deadline or mine.closing.wait(LOOK_S):
                return False
    return True


class Wait:
    """A listener for some tasks. Enter it before the change it waits for, so that no event is missed."""

    def __init__(self, feed: Feed, store: Records, ids: Iterable[str]) -> None:
        self._feed = feed
        self._store = store
        self._ids = frozenset(ids)
        self._heard: Subscription | None = None

    def __enter__(self) -> Wait:
        self._heard = self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heard is not None:
            self._heard.close()

    def until(self, tasks: Sequence[Task], goal: Goal, *, timeout_s: float) -> list[Task]:
        """Return the latest records, in the order of `tasks`, once all meet `goal` or the time is over.

        A record that is removed meanwhile counts as met. While the store does not answer the wait goes on.
        """
        deadline = time.monotonic() + timeout_s
        latest = {task.id: task for task in tasks}
        left = {task.id for task in tasks if not goal(task)}
        stale = set(left)
        while left and (left_s := deadline - time.monotonic()) > 0:
            for task_id in tuple(stale):
                self._read(task_id, latest, stale)
            left = {task_id for task_id in left if task_id in latest and not goal(latest[task_id])}
            if not left or not self._hear(min(left_s, BLIND_S) if stale else left_s, left, stale=stale):
                break
        return [latest.get(task.id, task) for task in tasks]

    def _read(self, task_id: str, latest: dict[str, Task], stale: set[str]) -> None:
        try:
            task = self._store.task(task_id)
        except StoreUnavailable:
            return
        stale.discard(task_id)
        if task is None:
            latest.pop(task_id, None)
        else:
            latest[task_id] = task

    def _hear(self, timeout_s: float, left: set[str], *, stale: set[str]) -> bool:
        """Note in `stale` which records have changed; return False when the process stops listening."""
        heard = self._heard
        if heard is None:
            return False
        event = heard.next(timeout_s)
        while event is not None:
            if event.task in left:
                stale.add(event.task)
            event = heard.next(0)
        if heard.dropped:
            heard.close()
            self._heard = self._listen()
            stale |= left
        return heard.dropped or not heard.ended

    def _listen(self) -> Subscription:
        return self._feed.subscribe(self._concerns)

    def _concerns(self, event: Event) -> bool:
        return event.task in self._ids
