"""``/v1/events``: what happened, as pages and as a stream of server-sent events."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Response, request

from manager_api.bodies import reply
from manager_api.documents import EventPage
from manager_api.feed import Subscription, order
from manager_api.nouns import Nouns
from manager_api.queries import EventsQuery
from manager_api.services import Services, services
from ormen.errors import Fault, InvalidQuery, NodeNotFound, StoreUnavailable, TaskNotFound
from ormen.events import Event
from ormen.store.history import EventReader
from ormen.task import Task

COMMENT_S = 15.0
"""How long a stream is silent at most: a comment shows that it lives, and finds out that nobody reads."""

PAGE = 500
"""Events read at once while a stream catches up."""

EVENT_ID = re.compile(r"^\d{1,16}-\d{1,16}$|^0$", re.ASCII)

log = logging.getLogger("ormen.api")

events = Nouns("events", __name__, url_prefix="/v1", description="What happened, in order")


@events.route("/events", methods=["GET"])
@events.header("Last-Event-ID", {"type": "string", "pattern": EVENT_ID.pattern})
@events.query(EventsQuery)
@events.also_answers(200, {"type": "string"}, content="text/event-stream")
@events.answers(200, EventPage, problems=(404, 409, 422))
def index(query: dict[str, Any]) -> Response:
    """List events, oldest first, or follow them.

    Without any filter or cursor: the latest `limit`. With `follow=1` a stream of server-sent events from now on,
    from `since`, or from after `Last-Event-ID`; an event `gap` says that some were lost, with the oldest id known.
    """
    mine = services()
    task_id = task_of(mine, query["task"])
    if query["node"]:
        check_node(mine, query["node"])
    after = position(mine, query)
    if query["follow"]:
        return stream(mine, after, wants=chosen(task_id, query["node"]), task=task_id)
    store = mine.deck.store
    if after is None and task_id is None and query["node"] is None:
        latest = store.events(limit=query["limit"], newest=True)
        ordered = sorted(latest, key=lambda event: order(event.id))
        return reply({"items": [event.to_json() for event in ordered], "next": None})
    found = store.events(after=after, limit=query["limit"], task=task_id, node=query["node"])
    return reply(page(found, query["limit"]))


def page(found: list[Event], limit: int) -> dict[str, object]:
    """Return a page; it has a successor if it is full."""
    return {
        "items": [event.to_json() for event in found],
        "next": found[-1].id if len(found) >= limit else None,
    }


def page_of(store: EventReader, *, task: Task, limit: int, cursor: str | None) -> dict[str, object]:
    """Return a page of one task's events; none is older than the task."""
    after = checked("cursor", cursor) if cursor else f"{task.created_ms - 1}-0"
    return page(store.events(after=after, limit=limit, task=task.id), limit)


def task_of(mine: Services, word: str | None) -> str | None:
    """Return the id of the task that `word` names; a whole id is taken as it is, for tasks already removed."""
    if word is None:
        return None
    try:
        return mine.deck.store.find(word).id
    except TaskNotFound:
        if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", word):
            return word
        raise


def check_node(mine: Services, name: str) -> None:
    """Raise NodeNotFound for a node that is not there and of which no event tells."""
    store = mine.deck.store
    try:
        store.node(name)
    except NodeNotFound:
        if not store.events(limit=1, node=name):
            raise


def position(mine: Services, query: Mapping[str, Any]) -> str | None:
    """Return the id after which events are wanted: from ``Last-Event-ID``, the cursor or `since`, in that order."""
    sent = request.headers.get("Last-Event-ID") if query["follow"] else None
    if sent:
        return checked("Last-Event-ID", sent)
    if query["cursor"]:
        return checked("cursor", query["cursor"])
    if query["since"] is None:
        return None
    kind, seconds = query["since"]
    at_ms = seconds * 1000 if kind == "at" else mine.deck.store.now_ms() - seconds * 1000
    return f"{max(0, int(at_ms) - 1)}-0"


def checked(name: str, event_id: str) -> str:
    """Return an event id that a client sent; raise InvalidQuery if it is none."""
    if not EVENT_ID.match(event_id):
        raise InvalidQuery(
            [Fault((name,), "MALFORMED", f"{event_id[:40]!r} is no event id", None, "such as 1795255335791-0")]
        )
    return event_id


def chosen(task_id: str | None, node: str | None) -> Callable[[Event], bool]:
    """Return whether an event is one of this task's and this node's, where they are given."""
    return lambda event: (task_id is None or event.task == task_id) and (node is None or event.node == node)


def stream(mine: Services, after: str | None, *, wants: Callable[[Event], bool], task: str | None) -> Response:
    """Return the stream of events after `after` (None: from now on)."""
    mine.long.enter()
    try:
        told = Stream(mine, wants, task)
        response = Response(told.lines(after), mimetype="text/event-stream")
    except BaseException:
        mine.long.leave()
        raise
    # Not in the generator: one that was never begun (HEAD, a client gone at once) never reaches its end.
    response.call_on_close(told.close)
    response.call_on_close(mine.long.leave)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class Stream:
    """One reader's stream: first what it has missed, then what comes."""

    def __init__(self, mine: Services, wants: Callable[[Event], bool], task: str | None) -> None:
        self._store = mine.deck.store
        self._feed = mine.feed
        self._wants = wants
        self._task = task
        self._live: Subscription = mine.feed.subscribe(wants)
        self._began: str = self._store.edges()[1]

    def close(self) -> None:
        """Listen no longer."""
        self._live.close()

    def lines(self, after: str | None) -> Iterator[str]:
        """Yield the text until the process stops, the reader is too slow, or what was missed cannot be read."""
        yield ": events of ormen\n\n"
        try:
            if after is None:
                # Whoever is cut off before the first event comes back to where it began.
                yield f"id: {self._began}\n\n"
                yield from self._coming(order(self._began))
            else:
                yield from self._told(after)
        except StoreUnavailable as error:
            # The reader comes back with the last id it has, and is told then.
            log.info("a stream of events ended early: %s", error)

    def _told(self, after: str) -> Iterator[str]:
        yield from self._missed(after)
        # Reading long takes long: take a fresh place, then the little that came in between.
        self._live.close()
        self._live = self._feed.subscribe(self._wants)
        yield from self._history(self._last)
        yield from self._coming(order(self._last))

    def _missed(self, after: str) -> Iterator[str]:
        self._last = after
        oldest, newest = self._store.edges()
        forgotten = oldest is not None and order("0") < order(after) < order(oldest)
        unknown = order(after) > order(newest or "0-0")
        if forgotten or unknown:
            yield gap(oldest, "the events after the one you know are forgotten")
            self._last = "0-0"
        yield from self._history(self._last)

    def _history(self, after: str) -> Iterator[str]:
        self._last = after
        while True:
            found = self._store.events(after=self._last, limit=PAGE, task=self._task)
            for event in found:
                self._last = event.id
                if self._wants(event):
                    yield message(event)
            if len(found) < PAGE:
                return

    def _coming(self, last: tuple[int, int]) -> Iterator[str]:
        silent_since = time.monotonic()
        while True:
            event = self._live.next(max(0.0, silent_since + COMMENT_S - time.monotonic()))
            if event is not None and order(event.id) > last:
                last = order(event.id)
                silent_since = time.monotonic()
                yield message(event)
            elif event is None and self._live.ended:
                break
            elif time.monotonic() - silent_since >= COMMENT_S:
                silent_since = time.monotonic()
                yield ":\n\n"
        if self._live.dropped:
            yield gap(self._store.edges()[0], "you read too slowly; come back with the last id you have")


def message(event: Event) -> str:
    """Return one event as server-sent text; `id` and `event` carry what the data need not repeat."""
    data = event.to_json()
    kind, event_id = data.pop("type"), data.pop("id")
    return f"id: {event_id}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def gap(oldest: str | None, sentence: str) -> str:
    """Return the event that says that some were lost. It has no id, so a reader's own last id stays."""
    return f"event: gap\ndata: {json.dumps({'oldest': oldest, 'sentence': sentence})}\n\n"
