"""The streams of containers that were joined before their start, kept for a minute until somebody attaches."""

from __future__ import annotations

import time
from threading import Lock

from worker_agent.talking import Dialogue

HELD_S = 60.0
"""How long a reader has to come after the start."""


class Held:
    """Dialogues by the id of their container, each given out once."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Dialogue]] = {}
        self._lock = Lock()

    def keep(self, container_id: str, dialogue: Dialogue) -> None:
        """Keep a dialogue; one that was kept of the same container is let go."""
        with self._lock:
            before = self._kept.pop(container_id, None)
            self._kept[container_id] = (time.monotonic(), dialogue)
        if before is not None:
            before[1].close()

    def give(self, container_id: str) -> Dialogue | None:
        """Hand a dialogue out, None if there is none."""
        with self._lock:
            found = self._kept.pop(container_id, None)
        return found[1] if found else None

    def drop(self, container_id: str) -> None:
        """Let a dialogue go."""
        found = self.give(container_id)
        if found is not None:
            found.close()

    def step(self, now: float) -> None:
        """Let those go for which nobody came."""
        with self._lock:
            late = [container_id for container_id, (since, _) in self._kept.items() if now - since > HELD_S]
        for container_id in late:
            self.drop(container_id)
