"""Which image an attempt runs: the one that its submission's tag meant when a task of it was first started anywhere."""

from __future__ import annotations

from ormen.image_pin import Pin, digest_among
from ormen.spec import Spec
from ormen.task import Task
from worker_agent.station import Station


class Pinning:
    """Names the image of an attempt, and settles it where nobody has yet."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def image_of(self, task: Task, spec: Spec) -> str:
        """Return the name of the image to create from and to pull."""
        return task.pin.reference(spec.image) if task.pin else spec.image

    def same_under_its_tag(self, task: Task, spec: Spec) -> str | None:
        """Return the id of the pinned image where this host has it without its digest, because it was loaded here."""
        if task.pin is None:
            return None
        here = self._station.runtime.image(spec.image)
        return here.id if here is not None and here.id == task.pin.image_id else None

    def settled(self, task: Task, spec: Spec) -> bool:
        """Return whether the attempt may start from what its tag means on this host; raise Late if it may not at all.

        Who is first settles it for every task of the submission with the tag. An image without a digest settles
        nothing: nobody else could get the same by its name.
        """
        if task.pin is not None or not task.pin_id:
            return True
        here = self._station.runtime.image(spec.image)
        digest = digest_among(here.names, spec.image) if here is not None else None
        found = Pin(digest, here.id) if here is not None and digest is not None else None
        holds = self._station.store.pin(task, found)
        # Another node may have been first, with the same image under another digest or from a host without one.
        return holds is None or holds == found or (here is not None and here.id == holds.image_id)
