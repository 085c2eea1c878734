"""What a part of the agent must know of its past after a restart of the process: a small file on the node."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from threading import Lock

log = logging.getLogger(__name__)


class Memory:
    """One small file; without a path nothing is remembered."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = Lock()

    def load(self) -> dict[str, object]:
        """Return what was saved, nothing if there is no such file or it cannot be read."""
        try:
            found = json.loads(self._path.read_text()) if self._path else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, **values: object) -> None:
        """Write the file anew, whole or not at all."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            with self._lock:
                fresh.write_text(json.dumps(values))
                fresh.replace(self._path)
        except OSError as fault:
            log.warning("cannot remember in %s: %s", self._path, fault)
