"""The deck's log lines, one form for all its processes; `ormen deck` and `up` show time and name before them."""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(levelname)s %(message)s"
CLOCK = "%Y-%m-%dT%H:%M:%S%z"


def set_up(level: str) -> None:
    """Send every log line of this process to stderr in our form, from `level` on; libraries from warning on."""
    logging.basicConfig(format=FORMAT, datefmt=CLOCK, level=logging.WARNING, force=True)
    logging.getLogger("ormen").setLevel(level.upper())
    logging.getLogger("manager_api").setLevel(level.upper())
    if level.lower() == "debug":
        logging.getLogger("celery").setLevel(logging.INFO)
