"""What this node says and does when somebody asks it to give up what nobody needs: `ormen prune`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen.store.agent import AgentStore
from worker_agent.ending import Ender
from worker_agent.images import Images
from worker_agent.runtime import Container
from worker_agent.station import Station

ORPHAN_GRACE_S = 10.0
"""Grace of an orphan that runs: the default of a task."""


class Pruner:
    """Answers requests of the kind ``prune``."""

    def __init__(self, station: Station, images: Images) -> None:
        self._station = station
        self._images = images
        self._ender = Ender(station)

    def answer(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may go: images, volumes and orphans; and with ``dry`` false remove the kinds that are named.

        Every kind is listed; ``kinds`` says which are removed. What something uses after all stays, and is not listed.
        """
        kinds = () if options.get("dry") else tuple(options.get("kinds") or ())
        unused_s = float(options.get("older_than_s") or 0.0)
        return {
            "images": self._prune_images(unused_s, remove="images" in kinds),
            "volumes": self._prune_volumes(remove="volumes" in kinds),
            "orphans": self._prune_orphans(remove="orphans" in kinds),
        }

    def _prune_images(self, unused_s: float, *, remove: bool) -> list[dict[str, Any]]:
        found = [(one, one.size_bytes) for one in self._images.unneeded(unused_s=unused_s)]
        if remove:
            found = [(one, self._images.remove(one)) for one, _ in found]
        return [{"name": one.ref, "bytes": freed} for one, freed in found if freed or not remove]

    def _prune_volumes(self, *, remove: bool) -> list[str]:
        inventory, runtime = self._station.inventory, self._station.runtime
        names = inventory.volumes()
        if not remove:
            return names
        gone = [name for name in names if runtime.remove_volume(name)]
        for name in gone:
            inventory.forget(volume=name)
        inventory.save()
        return gone

    def _prune_orphans(self, *, remove: bool) -> list[str]:
        found = orphans(self._station, self._station.store)
        for container in found if remove else ():
            # The list does not tell a container's volumes.
            seen = self._station.runtime.inspect(container.id)
            if seen is not None:
                self._ender.clear_away(seen, ORPHAN_GRACE_S)
        return [container.name for container in found]


def orphans(station: Station, store: AgentStore) -> list[Container]:
    """Return the containers of this cluster and node whose tasks have no record, as both are now."""
    listed = station.runtime.containers(station.cluster)
    mine = {str(item.task): item for item in listed if item.node == station.node and item.task}
    records = store.read(mine)
    return sorted((item for task_id, item in mine.items() if records[task_id] is None), key=lambda item: item.name)
