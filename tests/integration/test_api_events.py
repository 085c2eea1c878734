"""``/v1/events``: pages, and the stream of server-sent events with its resume and its gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from manager_api.routes import events as module
from ormen.sse import Message, read_messages
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
WEB = {"id": WEB_ID, "name": "web", "image": "nginx"}


def lines(answer: Any) -> Iterator[bytes]:
    """Yield a stream's lines as they come."""
    for piece in answer.response:
        yield from (piece if isinstance(piece, bytes) else piece.encode()).splitlines(keepends=True)


def follow(api: FlaskClient, query: str = "", last: str | None = None) -> tuple[Any, Iterator[Message]]:
    """Open a stream; return the answer, to be closed, and its events."""
    headers = {"Last-Event-ID": last} if last else {}
    answer = api.get(f"/v1/events?follow=1{query}", headers=headers, buffered=False)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    return answer, read_messages(lines(answer))


def test_a_stream_says_from_where_it_begins(api: FlaskClient) -> None:
    """Its first id comes without an event: whoever is cut off before the first one misses nothing."""
    api.post("/v1/tasks", json=WEB)
    answer = api.get("/v1/events?follow=1", buffered=False)
    place = next(line for line in lines(answer) if line.startswith(b"id: ")).decode().split()[1]
    answer.close()
    api.delete("/v1/tasks/web?force=1")
    again, messages = follow(api, last=place)
    assert next(messages).event == "task.removed"
    again.close()


def test_events_are_listed_in_order(api: FlaskClient, sailor: Sailor) -> None:
    """The list holds every transition once, oldest first, with from and to."""
    api.post("/v1/tasks", json=WEB)
    sailor.start(WEB_ID)
    items = [item for item in api.get("/v1/events").get_json()["items"] if item["task"]]
    assert [(item["type"], item["from"], item["to"]) for item in items] == [
        ("task.accepted", None, "pending"),
        ("task.placed", "pending", "scheduled"),
        ("task.running", "scheduled", "running"),
    ]


def test_events_are_narrowed_by_task_and_node(api: FlaskClient, sailor: Sailor) -> None:
    """Filters take a task's name or id, also of a task that was removed, and a node."""
    api.post("/v1/tasks", json=[WEB, {"image": "nginx", "name": "big", "memory": "40GiB"}])
    api.delete("/v1/tasks/big?force=1")
    assert {item["name"] for item in api.get("/v1/events?task=web").get_json()["items"]} == {"web"}
    assert {item["node"] for item in api.get("/v1/events?node=node-1").get_json()["items"]} == {"node-1"}
    api.delete("/v1/tasks/web?force=1")
    assert api.get(f"/v1/events?task={WEB_ID}").get_json()["items"][-1]["type"] == "task.removed"
    assert api.get("/v1/events?task=web").status_code == 404


def test_pages_of_events_lead_to_the_end(api: FlaskClient) -> None:
    """From a time on, pages follow each other without gap or repeat until nothing is left."""
    api.post("/v1/tasks", json={"image": "nginx", "name": "n", "count": 4})
    seen, cursor = [], "0"
    while cursor:
        page = api.get(f"/v1/events?cursor={cursor}&limit=3").get_json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == sorted(set(seen))
    assert seen == [item["id"] for item in api.get("/v1/events?since=1h").get_json()["items"]]
    assert api.get("/v1/events?since=2100-01-01T00:00:00Z").get_json()["items"] == []


def test_one_tasks_events_are_the_same_wherever_they_stand(api: FlaskClient, sailor: Sailor) -> None:
    """In its own list, by the filter, page by page, and in a stream that is resumed: those that all events have."""
    api.post("/v1/tasks", json=WEB)
    sailor.start(WEB_ID)
    api.post("/v1/tasks", json={"image": "nginx", "name": "n", "count": 20})
    api.post("/v1/tasks/web/stop")
    wanted = [item for item in api.get("/v1/events?limit=1000").get_json()["items"] if item["task"] == WEB_ID]
    paged, cursor = [], "0"
    while cursor:
        page = api.get(f"/v1/events?task=web&cursor={cursor}&limit=2").get_json()
        paged, cursor = paged + page["items"], page["next"]
    assert paged == wanted == api.get("/v1/events?task=web").get_json()["items"]
    assert wanted == api.get("/v1/tasks/web/events").get_json()["items"]
    answer, messages = follow(api, "&task=web", last=wanted[0]["id"])
    assert [next(messages).id for _ in wanted[1:]] == [item["id"] for item in wanted[1:]]
    api.delete("/v1/tasks/web?force=1")
    assert next(messages).event == "task.removed"
    answer.close()


def test_a_stream_tells_what_happens_from_now_on(api: FlaskClient) -> None:
    """A new reader gets what comes, with id, type and the document, and nothing from before."""
    api.post("/v1/tasks", json={"image": "nginx", "name": "before"})
    answer, messages = follow(api)
    api.post("/v1/tasks", json=WEB)
    message = next(messages)
    document = json.loads(message.data)
    assert (message.event, document["name"], document["to"]) == ("task.accepted", "web", "pending")
    assert "id" not in document
    answer.close()


def test_a_stream_is_resumed_where_it_broke(api: FlaskClient) -> None:
    """With Last-Event-ID everything since comes first, each once, then what happens."""
    api.post("/v1/tasks", json=WEB)
    known = api.get("/v1/events").get_json()["items"][0]["id"]
    api.post("/v1/tasks/web/stop")
    answer, messages = follow(api, last=known)
    missed = [next(messages).event for _ in range(2)]
    api.delete("/v1/tasks/web")
    assert [*missed, next(messages).event] == ["task.waiting", "task.completed", "task.removed"]
    answer.close()


def test_what_happens_while_a_reader_catches_up_is_told_once(api: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is both history and news when a stream is resumed comes once."""
    api.post("/v1/tasks", json=WEB)
    known = api.get("/v1/events").get_json()["items"][-1]["id"]
    history = api.application.extensions["ormen"].deck.store.events
    calls: list[str] = []

    def slow(**query: Any) -> Any:
        calls.append(query["after"])
        if len(calls) == 2:
            api.post("/v1/tasks/web/stop")
        return history(**query)

    monkeypatch.setattr(api.application.extensions["ormen"].deck.store, "events", slow)
    answer, messages = follow(api, last=known)
    first = next(messages)
    api.delete("/v1/tasks/web")
    assert [first.event, next(messages).event] == ["task.completed", "task.removed"]
    answer.close()


def test_a_reader_that_knows_too_old_an_event_is_told_of_the_gap(api: FlaskClient, store: LoopStore) -> None:
    """When events after the known one are forgotten, `gap` comes first, with the oldest id that is left."""
    api.post("/v1/tasks", json={"image": "nginx", "name": "n", "count": 3})
    first = store.edges()[0]
    store.client.xtrim(store.keys.events, maxlen=2, approximate=False)
    answer, messages = follow(api, last=first)
    gap = next(messages)
    oldest = store.edges()[0]
    assert (gap.event, json.loads(gap.data)["oldest"], gap.id) == ("gap", oldest, "")
    assert next(messages).id == oldest
    answer.close()


def test_a_silent_stream_sends_comments(api: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream on which nothing happens says so by comments, so that both ends know it lives."""
    monkeypatch.setattr(module, "COMMENT_S", 0.05)
    answer = api.get("/v1/events?follow=1", buffered=False)
    found = lines(answer)
    assert [next(found) for _ in range(6)] == [b": events of ormen\n", b"\n", b"id: 0-0\n", b"\n", b":\n", b"\n"]
    answer.close()


def test_a_stream_of_one_task_tells_of_nothing_else(api: FlaskClient) -> None:
    """The filters of the list hold for the stream as well."""
    api.post("/v1/tasks", json=WEB)
    answer, messages = follow(api, "&task=web")
    api.post("/v1/tasks", json={"image": "nginx", "name": "other"})
    api.post("/v1/tasks/web/stop")
    assert next(messages).event == "task.completed"
    answer.close()


def test_a_closed_stream_gives_its_place_back(api: FlaskClient) -> None:
    """Readers that go leave nothing behind: neither a subscription nor a long answer."""
    mine = api.application.extensions["ormen"]
    answer, messages = follow(api)
    api.post("/v1/tasks", json=WEB)
    next(messages)
    assert (mine.feed.count, mine.long.count) == (1, 1)
    answer.close()
    api.head("/v1/events?follow=1").close()
    assert (mine.feed.count, mine.long.count) == (0, 0)
