"""What an agent has brought onto its host and may clear away again; whatever is not in here is somebody else's.

Images that it pulled, where none of that name was before, and anonymous volumes that removed containers have left.
Times are milliseconds of the host's clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from worker_agent.memory import Memory

MOST_KEPT = 10_000
"""How many images, and how many volumes, are remembered: the newest."""
FRESH_MS = 600_000
"""A use that is no older than this is not written down again."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image that this agent pulled: the name by which it did, and when a task last used it."""

    ref: str
    id: str
    used_ms: int


class Inventory:
    """The images and the volumes, kept in a file of the node; without a path only as long as the process lives."""

    def __init__(self, path: Path | None = None) -> None:
        self._memory = Memory(path)
        self._lock = Lock()
        self._changed = False
        past = self._memory.load()
        self._images = {one.id: one for one in _read_images(past.get("images"))}
        self._volumes = _read_volumes(past.get("volumes"))

    def pulled(self, ref: str, image_id: str, *, before: str | None, now_ms: int) -> None:
        """Note a pull by which `ref` means `image_id`; ours only if nobody else had an image of that name `before`."""
        with self._lock:
            if before is None or before in self._images:
                self._images[image_id] = Pulled(ref, image_id, now_ms)
                self._changed = True
        self.save()

    def used(self, refs: Iterable[str], *, now_ms: int) -> None:
        """Note that tasks use the images of these names now."""
        names = {tagged(ref) for ref in refs}
        with self._lock:
            for one in list(self._images.values()):
                if tagged(one.ref) in names and now_ms - one.used_ms > FRESH_MS:
                    self._images[one.id] = replace(one, used_ms=now_ms)
                    self._changed = True

    def left(self, volumes: Iterable[str], *, now_ms: int) -> None:
        """Note the anonymous volumes of a container that has been removed."""
        with self._lock:
            for name in volumes:
                self._volumes[name] = now_ms
                self._changed = True

    def images(self) -> list[Pulled]:
        """Return the images that this agent pulled, the longest unused first."""
        with self._lock:
            return sorted(self._images.values(), key=lambda one: one.used_ms)

    def volumes(self) -> list[str]:
        """Return the anonymous volumes that are left, the oldest first."""
        with self._lock:
            return sorted(self._volumes, key=lambda name: self._volumes[name])

    def forget(self, *, image_id: str = "", volume: str = "") -> None:
        """Drop what is gone, or has become somebody else's."""
        with self._lock:
            self._images.pop(image_id, None)
            self._volumes.pop(volume, None)
            self._changed = True

    def save(self) -> None:
        """Write down what has changed."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            images = sorted(self._images.values(), key=lambda one: one.used_ms)[-MOST_KEPT:]
            volumes = sorted(self._volumes.items(), key=lambda item: item[1])[-MOST_KEPT:]
            self._images, self._volumes = {one.id: one for one in images}, dict(volumes)
            rows = [[one.ref, one.id, one.used_ms] for one in images]
            self._memory.save(images=rows, volumes=self._volumes)


def tagged(ref: str) -> str:
    """Return a name with ``:latest`` where it has neither tag nor digest."""
    return ref if "@" in ref or ":" in ref.rpartition("/")[2] else f"{ref}:latest"


def _read_images(rows: object) -> list[Pulled]:
    return [Pulled(str(ref), str(image), int(used)) for ref, image, used in rows] if isinstance(rows, list) else []


def _read_volumes(found: object) -> dict[str, int]:
    return {str(name): int(left) for name, left in found.items()} if isinstance(found, dict) else {}
