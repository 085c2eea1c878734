"""Which image an attempt runs: the one that its submission's tag meant when a task of it was first started anywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock

from ormen.errors import StoreUnavailable
from ormen.image_pin import Pin, digest_among
from ormen.spec import Spec
from ormen.store.agent import Late
from ormen.task import Task
from worker_agent.runtime import RuntimeFault
from worker_agent.station import Station

KEPT = 100
"""Of how many submissions an agent remembers what holds: their other tasks, which came before that, need not ask."""


class Look:
    """Asks while something else goes on, and once more afterwards if no answer was to be had then."""

    def __init__(self, ask: Callable[[], bool | None]) -> None:
        self._ask = ask
        self._early: bool | None = None

    def __call__(self) -> None:
        """Ask; who fails at it is asked anew by `forbids`."""
        self._early = None
        with suppress(StoreUnavailable, RuntimeFault):
            self._early = self._ask()

    def forbids(self) -> bool:
        """Return whether the answer is no; raise what keeps it from being had."""
        answer = self._early if self._early is not None else self._ask()
        return answer is False


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

    def look(self, task: Task, spec: Spec, image: str) -> Look:
        """Return what finds out `settled` while the container is being created."""
        return Look(partial(self.settled, task, spec, image))

    def settled(self, task: Task, spec: Spec, image: str) -> bool | None:
        """Return whether the attempt may start from `image` on this host, None if its tag means nothing here yet.

        Who is first settles it for every task of the submission with the tag. An image without a digest settles
        nothing: nobody else could get the same by its name. An attempt that is late may not start.
        """
        if not task.pin_id or image != spec.image:
            return True
        here = self._station.runtime.image(spec.image)
        if here is None:
            return None
        digest = digest_among(here.names, spec.image)
        found = Pin(digest, here.id) if digest is not None else None
        try:
            holds = self._station.store.pin(task, found)
        except Late:
            return False
        if holds is not None:
            self._keep(task.pin_id, holds)
        # Another node may have been first, with the same image under another digest or from a host without one.
        return holds is None or holds == found or here.id == holds.image_id

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
