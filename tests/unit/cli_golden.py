"""Golden files: what a renderer printed when it was last looked at by a person."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ormen.cli.render.text import Look, epoch

FOLDER = Path(__file__).parent.parent / "golden"

NOW = epoch("2026-11-21T10:04:21.390Z") or 0.0


def eyes(width: int = 80, *, colour: bool = False, plain: bool = False) -> Look:
    """Return a terminal of this width; times in UTC so that the files hold anywhere."""
    return Look(width, colour, plain, NOW, utc=False)


PIPE = Look(None, False, False, NOW)


def golden(name: str, text: str) -> None:
    """Compare with a golden file; ORMEN_GOLDEN=write writes it instead, to be read before it is committed."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("ORMEN_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8"), name


def fits(text: str, width: int) -> bool:
    """Return whether no line is wider, colours not counted."""
    return all(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= width for line in text.split("\n"))
