"""What a killed run of the tests has to have removed: the guard of scripts/test reads it from a file."""

from __future__ import annotations

import os


def announce(thing: str) -> None:
    """Tell the guard of scripts/test, if there is one, what to remove when the run ends.

    A label ``key=value`` of containers, or an absolute path that is unmounted, with all beneath it, and deleted.
    """
    if os.environ.get("ORMEN_SWEEP"):
        with open(os.environ["ORMEN_SWEEP"], "a") as file:
            file.write(thing + "\n")
