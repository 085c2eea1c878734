"""How far a log has been read, so that it can be gone on with in its middle: nothing left out, nothing twice."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

OVERLAP = timedelta(milliseconds=200)
"""How far back a log is asked for again. The two outputs of a container are timed before they are put in order, so a
line may follow one that is a little younger."""

PRUNE_EVERY = 512

KNOWN = -1


class LogPlace:
    """The place in the log of one attempt. Lines without a time cannot be told apart and pass untouched.

    Times are the engine's, all of one form, so that their texts are ordered as they are.
    """

    def __init__(self, *, part: bool = False) -> None:
        """`part`: what was asked for begins somewhere in the log, so nothing before its first line is wanted."""
        self._part = part
        self._seen: deque[str] = deque()
        self._oldest = self._newest = ""
        self._open: tuple[str, int] | None = None
        """Of a line whose end has not come: its time, and how much of it was passed on."""
        self._again: Counter[str] = Counter()
        self._from = ""
        """Of the answer that is read: lines before this time are no part of it."""
        self._skip = 0
        """How much is left out of the line that is read, `KNOWN`: all of it."""
        self._inside = False

    @property
    def empty(self) -> bool:
        """Return whether no line has been read."""
        return not self._newest

    def resume(self) -> str | None:
        """Return the time from which to ask again, None before the first line; what is read next is that answer."""
        self._inside, self._skip = False, 0
        if self.empty:
            return None
        self._prune()
        cut = self._cut()
        self._again, self._from = Counter(self._seen), max(cut, self._oldest) if self._part else cut
        return cut

    def take(self, record: Mapping[str, Any]) -> str | None:
        """Return what of an object's text is new, None if all of it is known."""
        at, text, more = record["at"], str(record["text"]), bool(record.get("more"))
        if not self._inside:
            self._skip = self._begin(at) if at is not None else 0
        self._inside = more
        if self._skip == KNOWN:
            return None
        skipped = min(self._skip, len(text))
        self._skip -= skipped
        if at is not None:
            done = (self._open[1] if self._open else 0) + len(text) - skipped
            self._open = (at, done) if more else None
        return text[skipped:] if skipped < len(text) or not more else None

    def _begin(self, at: str) -> int:
        """Return how much of the line that begins is known."""
        if self._again[at] > 0:
            self._again[at] -= 1
            cut_off = self._open is not None and self._open[0] == at and not self._again[at]
            return self._open[1] if self._open and cut_off else KNOWN
        if at < self._from:
            return KNOWN
        self._open = None
        self._oldest = self._oldest or at
        self._newest = max(self._newest, at)
        self._seen.append(at)
        if len(self._seen) % PRUNE_EVERY == 0:
            self._prune()
        return 0

    def _prune(self) -> None:
        cut = self._cut()
        while self._seen and self._seen[0] < cut:
            self._seen.popleft()

    def _cut(self) -> str:
        zone = "Z" if self._newest.endswith("Z") else self._newest[-6:]
        newest = datetime.fromisoformat(self._newest.removesuffix(zone)[:26])
        return f"{newest - OVERLAP:%Y-%m-%dT%H:%M:%S.%f}000{zone}"
