"""Log files of the children: cut them before they grow too large, follow them, read what a line says."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

LARGEST = 10 * 1024 * 1024
"""A log file of that many bytes is rotated."""
KEPT = 3
"""Older files kept beside the current one: ``deck.log.1`` is the youngest."""

_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?"
_FORMS = (
    # Celery: [2026-11-21 10:02:14,123: WARNING/MainProcess] text
    re.compile(rf"\[{_STAMP}: (?P<level>[A-Z]+)/[^\]]*\] (?P<text>.*)"),
    # gunicorn: [2026-11-21 10:02:14 +0000] [4121] [INFO] text
    re.compile(rf"\[{_STAMP}\] \[\d+\] \[(?P<level>[A-Z]+)\] (?P<text>.*)"),
    # ormen's own processes: 2026-11-21T10:02:14.123Z warning text
    re.compile(rf"{_STAMP} +\[?(?P<level>debug|info|warning|error|critical)\]?:? +(?P<text>.*)", re.IGNORECASE),
    # Flower (tornado): [W 261121 10:02:14 module:12] text
    re.compile(r"\[(?P<level>[DIWEC]) \d{6} \d\d:\d\d:\d\d [^\]]*\] (?P<text>.*)"),
    # Redis: 4121:M 21 Nov 2026 10:02:14.123 # text
    re.compile(r"\d+:[A-Z] \d+ \w{3} \d{4} [\d:.]+ (?P<level>[.*#-]) (?P<text>.*)"),
    re.compile(r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)[: ]+(?P<text>.*)"),
)
_RANKS = {"d": 0, "i": 1, "w": 2, "e": 3, "c": 4, ".": 0, "-": 0, "*": 1, "#": 2}
INFO, WARNING = 1, 2


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: how grave it is (0 debug … 4 critical; None: it continues the line before) and what it says."""

    rank: int | None
    text: str


def parse(raw: str) -> LogLine:
    """Return the line without its own time and level, whichever of the children's programs wrote it."""
    for form in _FORMS:
        if found := form.match(raw):
            return LogLine(_RANKS[found["level"][0].lower()], found["text"])
    return LogLine(None, raw)


class Follower:
    """Reads what is added to a log file, whole lines only; survives that the file is cut."""

    def __init__(self, path: Path, *, offset: int = 0) -> None:
        self.path = path
        self._offset = offset
        self._rest = b""

    def lines(self) -> list[str]:
        """Return the lines added since the last call."""
        try:
            size = os.stat(self.path).st_size
        except FileNotFoundError:
            return []
        if size < self._offset:
            self._offset, self._rest = 0, b""
        if size == self._offset:
            return []
        with open(self.path, "rb") as log:
            log.seek(self._offset)
            data = log.read(1024 * 1024)
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace").rstrip() for line in whole]


def tail(path: Path, *, offset: int = 0, most_bytes: int = 16384) -> list[str]:
    """Return the last lines of a file that were written at or after `offset`; none if it cannot be read."""
    try:
        with open(path, "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(offset if offset <= size else 0, size - most_bytes))
            return log.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def last_words(path: Path, *, offset: int = 0) -> tuple[str, ...]:
    """Return the last five lines that say something."""
    return tuple(line.rstrip() for line in tail(path, offset=offset) if line.strip())[-5:]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process said when it ended with an answer: its ``error:`` and ``hint:`` lines."""

    sentence: str
    code: str
    hint: str | None


def last_answer(path: Path, *, offset: int = 0) -> Answer | None:
    """Return the last ``error: SENTENCE.  [CODE]`` in a log, with the hint below it; None if there is none."""
    found: Answer | None = None
    for line in tail(path, offset=offset):
        if match := re.match(r"error: (?P<sentence>.*?)\.?(?:  \[(?P<code>[A-Z_]+)\])?$", line):
            found = Answer(match["sentence"], match["code"] or "", None)
        elif found and line.startswith("hint:"):
            found = Answer(found.sentence, found.code, line.removeprefix("hint:").strip())
    return found


def rotate(path: Path, *, largest: int = LARGEST) -> bool:
    """Move a log that has grown too large to ``.1`` (and so on) and empty it; return whether it was.

    The child keeps its open file, so the content is copied and the file cut: a line written between the two is
    lost. That is the price of a child that writes without us, also while this process is stopped.
    """
    try:
        if path.stat().st_size < largest:
            return False
    except FileNotFoundError:
        return False
    for number in range(KEPT, 1, -1):
        older = path.with_name(f"{path.name}.{number - 1}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
    return True
