"""Which image an attempt runs: the one that its submission's tag meant when a task of it was first started anywhere."""

from __future__ import annotations

from threading import Lock

from ormen.image_pin import Pin, digest_among
from ormen.spec import Spec
from ormen.task import Task
from worker_agent.station import Station

KEPT = 100
"""Of how many submissions an agent remembers what holds: their other tasks, which came before that, need not ask."""


class Pinning:
    """Names the image of an attempt, and settles it where nobody has yet."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._lock = Lock()
        self._holds: dict[str, Pin] = {}
        self._connections = 0

    def image_of(self, task: Task, spec: Spec) -> str:
        """Return the name of the image to create from and to pull."""
        pin = self._pin_of(task)
        return pin.reference(spec.image) if pin else spec.image

    def same_under_its_tag(self, task: Task, spec: Spec) -> str | None:
        """Return the id of the pinned image where this host has it without its digest, because it was loaded here."""
        pin = self._pin_of(task)
        if pin is None:
            return None
        here = self._station.runtime.image(spec.image)
        return here.id if here is not None and here.id == pin.image_id else None

    def settled(self, task: Task, spec: Spec) -> bool:
        """Return whether the attempt may start from what its tag means on this host; raise Late if it may not at all.

        Who is first settles it for every task of the submission with the tag. An image without a digest settles
        nothing: nobody else could get the same by its name.
        """
        if not task.pin_id or self._pin_of(task) is not None:
            return True
        here = self._station.runtime.image(spec.image)
        digest = digest_among(here.names, spec.image) if here is not None else None
        found = Pin(digest, here.id) if here is not None and digest is not None else None
        holds = self._station.store.pin(task, found)
        if holds is not None:
            self._keep(task.pin_id, holds)
        # Another node may have been first, with the same image under another digest or from a host without one.
        return holds is None or holds == found or (here is not None and here.id == holds.image_id)

    def _pin_of(self, task: Task) -> Pin | None:
        with self._lock:
            if self._connections != self._station.store.connections:
                # Behind a new connection may be a Redis that has lost what it said.
                self._holds.clear()
                self._connections = self._station.store.connections
            return task.pin or self._holds.get(task.pin_id)

    def _keep(self, pin_id: str, pin: Pin) -> None:
        with self._lock:
            self._holds[pin_id] = pin
            while len(self._holds) > KEPT:
                del self._holds[next(iter(self._holds))]
