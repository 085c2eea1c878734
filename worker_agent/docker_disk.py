"""What lies on the engine's disk beside containers, images and volumes; and what a container uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worker_agent.docker_gate import Ask, Gate
from worker_agent.runtime import Image

QUICK_S = 5.0
"""For what the engine answers from memory: list, inspect, version."""
WORK_S = 60.0
"""For what it works on: create, start, remove; and beyond the grace of a stop."""


class DockerDisk:
    """The part of the Docker runtime that looks after what hosts give; nothing is ever removed by force."""

    _gate: Gate

    def image_present(self, image: str) -> bool:
        """Return whether the image is on this host."""
        return self.image(image) is not None

    def image(self, word: str) -> Image | None:
        """Return the image of that name or id."""
        ask = Ask("GET", f"/images/{word}/json")
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        raw = answer.json()
        names = (*(raw.get("RepoTags") or ()), *(raw.get("RepoDigests") or ()))
        return Image(raw["Id"], raw.get("Size") or 0, names, raw.get("Architecture") or "")

    def images_in_use(self) -> frozenset[str]:
        """Return the images of all containers of this engine."""
        return frozenset(raw["ImageID"] for raw in self._get("/containers/json", params={"all": "1"}))

    def remove_image(self, word: str) -> bool:
        """Remove a name, or an image without one; the engine itself refuses what a container uses."""
        return self._removed(Ask("DELETE", f"/images/{word}"))

    def remove_volume(self, name: str) -> bool:
        """Remove a volume that no container has."""
        return self._removed(Ask("DELETE", f"/volumes/{name}"))

    def use(self, container_id: str) -> Mapping[str, Any] | None:
        """Return the engine's figures of one look."""
        ask = Ask("GET", f"/containers/{container_id}/stats", {"stream": "false", "one-shot": "true"})
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code in (404, 409):
            return None
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        figures: Mapping[str, Any] = answer.json()
        return figures

    def _removed(self, ask: Ask) -> bool:
        answer = self._gate.ask(ask, timeout_s=WORK_S)
        if answer.status_code not in (200, 204, 404, 409):
            raise self._gate.unexpected(ask, answer)
        return bool(answer.status_code != 409)

    def _get(
        self, path: str, filters: Mapping[str, list[str]] | None = None, params: Mapping[str, str] | None = None
    ) -> Any:
        ask = Ask("GET", path, {"all": "1", "filters": json.dumps(filters)} if filters else params or {})
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        return answer.json()
