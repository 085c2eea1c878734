"""Which of the images that this agent pulled nobody needs any more, and removing those.

Needed is what a task of this node that is live or keeps its container names, what any container on the engine was made
of, whoever's it is, and of each repository in use the last versions before, for going back. The rest is only kept for
its next use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ormen.image_pin import repository
from worker_agent.inventory import Pulled
from worker_agent.station import Station

log = logging.getLogger("ormen.sailor")

VERSIONS_KEPT = 2
"""How many unused versions of a repository are kept while a task uses another one of it: the last used."""


@dataclass(frozen=True, slots=True)
class Unneeded:
    """An image that may go. `size_bytes` counts layers that other images share, too."""

    ref: str
    id: str
    size_bytes: int


class Images:
    """Removes images that this agent pulled; never one that it did not, and never by force."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def unneeded(self, *, unused_s: float) -> list[Unneeded]:
        """Return what may go, the longest unused first: nothing that was used within the last `unused_s` seconds."""
        pulled = self._station.inventory.images()
        if not pulled:
            return []
        runtime = self._station.runtime
        refs = {ref for task in self._station.store.held(self._station.node) for ref in task.images}
        wanted = {found.id for ref in refs if (found := runtime.image(ref)) is not None}
        before_ms = self._station.wall_ms() - round(unused_s * 1000)
        in_use = {*wanted, *runtime.images_in_use()}
        spare = choose(pulled, in_use=in_use, live={repository(ref) for ref in refs}, before_ms=before_ms)
        return [shown for one in spare if (shown := self._look(one)) is not None]

    def remove(self, image: Unneeded) -> int:
        """Remove one image; return the bytes that this freed at most, 0 if something uses it after all."""
        runtime = self._station.runtime
        now = runtime.image(image.ref)
        named = now is not None and now.id == image.id
        if not runtime.remove_image(image.ref if named else image.id):
            return 0
        freed = image.size_bytes if runtime.image(image.id) is None else 0
        self._station.inventory.forget(image_id=image.id)
        self._station.inventory.save()
        return freed

    def free(self, *, unused_s: float, is_full: Callable[[], bool]) -> int:
        """Remove images one by one while the disk is too full; return how many went."""
        gone = 0
        for image in self.unneeded(unused_s=unused_s):
            if not is_full():
                break
            freed = self.remove(image)
            gone += bool(freed)
            if freed:
                log.warning("the disk is full: removed image %s, up to %d MB", image.ref, freed // 10**6)
        return gone

    def _look(self, one: Pulled) -> Unneeded | None:
        """Return the image as the engine has it; None if it is gone, or has only names that somebody else gave it."""
        found, named = self._station.runtime.image(one.id), self._station.runtime.image(one.ref)
        ours = named is not None and named.id == one.id
        if found is not None and (ours or not any("@" not in name for name in found.names)):
            return Unneeded(one.ref, one.id, found.size_bytes)
        self._station.inventory.forget(image_id=one.id)
        return None


def choose(pulled: Sequence[Pulled], *, in_use: Collection[str], live: Collection[str], before_ms: int) -> list[Pulled]:
    """Return what may go of the images pulled, in their order; `in_use` are ids, `live` repositories of tasks."""
    rest = [one for one in pulled if one.id not in in_use]
    busy = {*live, *(repository(one.ref) for one in pulled if one.id in in_use)}
    spare: set[str] = set()
    for name in busy:
        versions = sorted((one for one in rest if repository(one.ref) == name), key=lambda one: one.used_ms)
        spare.update(one.id for one in versions[-VERSIONS_KEPT:])
    return [one for one in rest if one.id not in spare and one.used_ms <= before_ms]
