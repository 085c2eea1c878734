"""Clearing away what has ended: after each full pass, once a minute, what is kept no longer goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ormen.settings import Settings
from ormen.task import Task
from worker_agent.duties import Duty, duty_of
from worker_agent.runtime import Container
from worker_agent.station import Station


@dataclass(frozen=True, slots=True)
class Keep:
    """How many containers of ended tasks a node keeps, and for how long."""

    containers: int = 100
    containers_s: int = 86_400

    @classmethod
    def of(cls, settings: Settings) -> Keep:
        """Return what the settings say."""
        return cls(settings.keep_containers, settings.keep_containers_s)


class Tidier:
    """Drops the containers of ended tasks in their time. `drop` has one removed in a lane, from its record anew."""

    def __init__(self, station: Station, keep: Keep, *, drop: Callable[[Task], object]) -> None:
        self._station = station
        self._keep = keep
        self._drop = drop

    def look(self, held: Mapping[str, Task], listed: Mapping[str, Container]) -> None:
        """Have those dropped that are too old or too many: the record of each is there, and says that it has ended."""
        resting = [task for task in held.values() if task.id in listed and self._rests(task)]
        if resting:
            for task in overdue(resting, self._keep, now_ms=self._station.store.now_ms()):
                self._drop(task)

    def _rests(self, task: Task) -> bool:
        return duty_of(task, self._station.node) is Duty.REST


def overdue(ended: Iterable[Task], keep: Keep, *, now_ms: int) -> list[Task]:
    """Return those of the ended tasks whose containers are kept no longer: too old, or not among the newest."""
    newest_first = sorted(ended, key=lambda task: task.ended_ms or 0, reverse=True)
    since_ms = now_ms - keep.containers_s * 1000
    return [
        task for place, task in enumerate(newest_first) if place >= keep.containers or (task.ended_ms or 0) < since_ms
    ]
