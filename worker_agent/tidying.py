"""Clearing away what has ended: after each full pass, once a minute, what is kept no longer goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ormen.errors import StoreUnavailable
from ormen.settings import Settings
from ormen.task import Task
from worker_agent.duties import Duty, duty_of
from worker_agent.images import Images
from worker_agent.lanes import TIDY, Lanes
from worker_agent.runtime import Container, RuntimeFault
from worker_agent.station import Station

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """How many containers of ended tasks a node keeps and for how long; from how full a disk on images go, and which.

    An image is safe for `images_s` after its last use.
    """

    containers: int = 100
    containers_s: int = 86_400
    images_s: int = 86_400
    disk_percent: int = 85

    @classmethod
    def of(cls, settings: Settings) -> Keep:
        """Return what the settings say."""
        return cls(
            settings.keep_containers, settings.keep_containers_s, settings.keep_images_s, settings.image_disk_percent
        )


@dataclass(frozen=True, slots=True)
class Tools:
    """What tidying needs of the agent: `drop` has an ended task's container removed, `disk` is how full it is in %."""

    drop: Callable[[Task], object]
    disk: Callable[[], float]


class Tidier:
    """Drops containers of ended tasks in their time, and images that nobody needs when the disk is full."""

    def __init__(self, station: Station, lanes: Lanes, keep: Keep, *, tools: Tools) -> None:
        self._station = station
        self._lanes = lanes
        self._keep = keep
        self._tools = tools
        self.images = Images(station)

    def look(self, held: Mapping[str, Task], listed: Mapping[str, Container]) -> None:
        """Have those dropped that are too old or too many: the record of each is there, and says that it has ended."""
        resting = [task for task in held.values() if task.id in listed and self._rests(task)]
        if resting:
            for task in overdue(resting, self._keep, now_ms=self._station.store.now_ms()):
                self._tools.drop(task)
        self._station.inventory.used(
            (ref for task in held.values() for ref in task.images), now_ms=self._station.wall_ms()
        )
        self._station.inventory.save()
        if self._is_full():
            self._lanes.submit(TIDY, "images", self._free)

    def _rests(self, task: Task) -> bool:
        return duty_of(task, self._station.node) is Duty.REST

    def _is_full(self) -> bool:
        return self._keep.disk_percent < 100 and self._tools.disk() >= self._keep.disk_percent

    def _free(self) -> str:
        try:
            return f"{self.images.free(unused_s=self._keep.images_s, is_full=self._is_full)} removed"
        except (StoreUnavailable, RuntimeFault) as fault:
            log.debug("images: %s", fault)
            return "later"


def overdue(ended: Iterable[Task], keep: Keep, *, now_ms: int) -> list[Task]:
    """Return those of the ended tasks whose containers are kept no longer: too old, or not among the newest."""
    newest_first = sorted(ended, key=lambda task: task.ended_ms or 0, reverse=True)
    since_ms = now_ms - keep.containers_s * 1000
    return [
        task for place, task in enumerate(newest_first) if place >= keep.containers or (task.ended_ms or 0) < since_ms
    ]
