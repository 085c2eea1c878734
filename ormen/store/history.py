"""Reading events: all of them in order, or one task's, which its record names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from ormen.events import Event
from ormen.store.redis import RedisStore, answering
from ormen.store.scripts import BATCH

ROWS = 1000
"""Events of all tasks and nodes that are read at once."""

SPAN = 2000
"""Events of all tasks that are looked at for those of one attempt, where the task's record does not name them."""

Place = tuple[int, int]
"""Where an event stands in the stream: its time in ms, and its number among those of that ms."""

END: Place = (2**63, 0)
"""A place that no event reaches."""


class EventReader(RedisStore):
    """Reads events."""

    @answering
    def events(
        self,
        *,
        after: str | None = None,
        limit: int = 100,
        task: str | None = None,
        node: str | None = None,
        newest: bool = False,
    ) -> list[Event]:
        """Return events in order: those after an id (the oldest first), or with `newest` the last `limit` of all.

        Those of one task are read by the ids that its record has. All events are looked through for a node's, for
        those of a task without a record, and for those from before records named any.
        """
        low = _after(after) if after else (0, 0)
        every = self._all(low, END, newest=newest) if task is None else self._of(task, low, END, newest=newest)
        found = list(islice((event for event in every if node is None or event.node == node), limit))
        return found[::-1] if newest else found

    @answering
    def events_between(self, task: str, *, from_ms: int, to_ms: int, newest: bool = False) -> list[Event]:
        """Return one task's events of a span of time, oldest first.

        Where the task's record does not name them, only the first `SPAN` events of all are looked at, with `newest`
        the last.
        """
        found = list(self._of(task, (max(from_ms, 0), 0), (to_ms + 1, 0), newest=newest, most=SPAN))
        return found[::-1] if newest else found

    @answering
    def follow(self, after: str, block_ms: int) -> list[Event]:
        """Return the events after an id, waiting up to `block_ms` (under 4 s) for the first."""
        replies: Any = self.client.xread({self.keys.events: after}, count=ROWS, block=block_ms)
        rows = replies[0][1] if replies else []
        return [Event.from_fields(event_id, fields) for event_id, fields in rows]

    @answering
    def edges(self) -> tuple[str | None, str]:
        """Return the ids of the oldest event that is kept and of the newest (``0-0`` when there was none)."""
        oldest: Any = self.client.xrange(self.keys.events, count=1)
        newest: Any = self.client.xrevrange(self.keys.events, count=1)
        return (oldest[0][0] if oldest else None), (newest[0][0] if newest else "0-0")

    def _of(
        self, task: str, low: Place, high: Place, *, newest: bool = False, most: int | None = None
    ) -> Iterator[Event]:
        """Yield one task's events from a place to before another; `most`: of all events that must be looked through."""
        known, whole = self._places(task, low)
        named = self._at([place for place in known if low <= place < high], newest=newest)
        if whole:
            return named
        rest = islice(self._all(low, min([high, *known[:1]]), newest=newest), most)
        others = (event for event in rest if event.task == task)
        return chain(named, others) if newest else chain(others, named)

    def _places(self, task: str, low: Place) -> tuple[list[Place], bool]:
        """Return the places of a task's events as its record has them, and whether they are all from `low` on.

        They begin earlier where that costs nothing. What a record held once and has no more stands in the event
        with which it began anew; if that is forgotten, so are those before it. If nothing stands there, older events
        are from before records named any.
        """
        created, text = self.client.hmget(self.keys.task(task), "created", "events")
        known: list[Place] = []
        while text:
            mark, places = _unpacked(text, int(created))
            known = places + known
            if not mark or places[0] <= low:
                return known, True
            rows: Any = self.client.xrange(self.keys.events, _id(places[0]), _id(places[0]))
            if not rows:
                return known, True
            text = rows[0][1].get("before")
        return known, False

    def _at(self, places: Sequence[Place], *, newest: bool) -> Iterator[Event]:
        """Yield the events of these places that are still kept."""
        wanted = [_id(place) for place in (reversed(places) if newest else places)]
        for start in range(0, len(wanted), BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                for event_id in wanted[start : start + BATCH]:
                    pipe.xrange(self.keys.events, event_id, event_id)
                for event_id, fields in chain.from_iterable(pipe.execute()):
                    yield Event.from_fields(event_id, fields)

    def _all(self, low: Place, high: Place, *, newest: bool) -> Iterator[Event]:
        """Yield all events from a place to before another."""
        first, last = _id(low), f"({_id(high)}"
        while True:
            rows: Any = (
                self.client.xrevrange(self.keys.events, last, first, count=ROWS)
                if newest
                else self.client.xrange(self.keys.events, first, last, count=ROWS)
            )
            for event_id, fields in rows:
                yield Event.from_fields(event_id, fields)
            if len(rows) < ROWS:
                return
            first, last = (first, f"({rows[-1][0]}") if newest else (f"({rows[-1][0]}", last)


def _unpacked(text: str, created: int) -> tuple[str, list[Place]]:
    """Return the mark of a record's list of events, if it has one, and their places."""
    mark, *words = text.split(" ")
    numbers = (word.rpartition("-") if "-" in word[1:] else (word, "", "0") for word in words)
    return mark, [(created + int(ms), int(n)) for ms, _, n in numbers]


def _after(event_id: str) -> Place:
    ms, _, n = event_id.partition("-")
    return int(ms), int(n or 0) + 1


def _id(place: Place) -> str:
    return f"{place[0]}-{place[1]}"
