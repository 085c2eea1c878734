"""``/v1/tasks/{task}/logs``: passed on from the node, or from what was kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from manager_api import readers
from manager_api import replies as module
from ormen.store.agent import Request
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor
from tests.waiting import wait_until

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
WEB = {"id": WEB_ID, "name": "web", "image": "nginx"}
Serve = Callable[..., "list[Request]"]


@pytest.fixture
def serve(sailor: Sailor) -> Iterator[Serve]:
    """Let the node answer the next request with these parts, from a thread of its own."""
    threads: list[threading.Thread] = []

    def begin(*parts: tuple[str, str] | tuple[str, str, str]) -> list[Request]:
        seen: list[Request] = []

        def answer() -> None:
            wait_until(lambda: seen.extend(sailor.requests()) or seen)
            assert sailor.store.claim(seen[0].id)
            for kind, data, *code in parts:
                sailor.store.answer(seen[0].id, kind, data, code="".join(code))

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return seen

    yield begin
    for thread in threads:
        thread.join()


def running(api: FlaskClient, sailor: Sailor) -> None:
    """Bring web to running, and empty the inbox."""
    api.post("/v1/tasks", json=WEB)
    sailor.start(WEB_ID)
    sailor.take()


def test_the_log_of_a_running_task_comes_from_its_node(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """The node's pieces are passed on as plain text, in order, and the options reach the node."""
    running(api, sailor)
    seen = serve(("data", "one\n"), ("data", "two \u00e9\n"), ("end", ""))
    answer = api.get("/v1/tasks/web/logs?tail=10&timestamps=1&since=2026-11-21T10:00:00Z")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert answer.get_data(as_text=True) == "one\ntwo é\n"
    options = {"tail": 10, "follow": False, "timestamps": True, "since_s": 1795255200.0, "window": True}
    assert (seen[0].kind, seen[0].task, seen[0].options) == ("logs", WEB_ID, options)


def test_a_followed_log_is_passed_on_piece_by_piece(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """A follower gets the first piece before the log has ended, and leaving tells the node."""
    running(api, sailor)
    seen = serve(("data", "one\n"))
    answer = api.get("/v1/tasks/web/logs?follow=1", buffered=False)
    assert next(iter(answer.response)) == b"one\n"
    answer.close()
    wait_until(lambda: not sailor.store.answer(seen[0].id, "data", "two\n"), timeout_s=5)


def test_the_log_of_a_task_whose_node_is_gone_is_what_was_kept(
    api: FlaskClient, sailor: Sailor, store: LoopStore
) -> None:
    """When the node is lost, the last lines on record of the last attempt are the log."""
    running(api, sailor)
    sailor.end(WEB_ID, exit_code=1, log=("starting", "KeyError: 'DATABASE_URL'"))
    store.client.zadd(store.keys.heartbeats, {"node-1": 1})
    store.client.hset(store.keys.loops, "since", 1)
    assert api.get("/v1/tasks/web/logs").get_data(as_text=True) == "starting\nKeyError: 'DATABASE_URL'\n"
    assert api.get("/v1/tasks/web/logs?tail=1").get_data(as_text=True) == "KeyError: 'DATABASE_URL'\n"
    assert api.get("/v1/tasks/web/logs?tail=0").get_data(as_text=True) == ""


def test_a_container_that_is_gone_leaves_its_kept_lines(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """A node that no longer has the container of an ended task refuses, and the kept lines are shown."""
    running(api, sailor)
    sailor.end(WEB_ID, exit_code=1, log=("the end",))
    sailor.take()
    serve(("error", "no such container"))
    assert api.get("/v1/tasks/web/logs").get_data(as_text=True) == "the end\n"


def test_a_refusal_of_the_node_is_a_problem(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """What the node cannot give of a running task is told as a problem, not as an empty log."""
    running(api, sailor)
    serve(("error", "the engine on node-1 does not answer"))
    answer = api.get("/v1/tasks/web/logs")
    assert (answer.status_code, answer.get_json()["code"]) == (502, "LOG_REFUSED")
    assert answer.get_json()["detail"] == "the engine on node-1 does not answer"


def test_a_node_that_stays_silent_is_named(api: FlaskClient, sailor: Sailor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that does not answer in time is 504 with its name, and the long answer is given back."""
    monkeypatch.setattr(module, "FIRST_ANSWER_S", 0.1)
    running(api, sailor)
    answer = api.get("/v1/tasks/web/logs")
    assert (answer.status_code, answer.get_json()["code"]) == (504, "NODE_SILENT")
    assert "node-1" in answer.get_json()["detail"]
    assert api.application.extensions["ormen"].long.count == 0


def test_a_node_that_has_no_place_left_is_busy(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """A node that passes on as many logs as it can is BUSY, with the time after which to ask again."""
    running(api, sailor)
    serve(("error", "node-1 already passes 48 logs on", "BUSY"))
    answer = api.get("/v1/tasks/web/logs?follow=1")
    assert (answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]) == (503, "BUSY", "5")
    assert answer.get_json()["detail"] == "node-1 already passes 48 logs on"


def test_a_reader_that_takes_nothing_for_long_is_still_a_reader(
    api: FlaskClient, sailor: Sailor, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a connection is full nothing is read for it, and the node hears all the same that it is there."""
    monkeypatch.setattr(readers, "EVERY_S", 0.1)
    running(api, sailor)
    seen = serve(("data", "one\n"))
    answer = api.get("/v1/tasks/web/logs?follow=1", buffered=False)
    key = sailor.store.keys.reader(seen[0].id)
    sailor.store.client.expire(key, 5)
    wait_until(lambda: sailor.store.client.ttl(key) > 5)
    sailor.store.answer(seen[0].id, "data", "two\n")
    sailor.store.answer(seen[0].id, "end", "")
    assert b"".join(answer.response) == b"one\ntwo\n"
    answer.close()
    assert sailor.store.unread(seen[0].id) is None


@pytest.mark.parametrize(
    ("last", "word"),
    [
        (("error", "the agent of node-1 ends", "AGENT_ENDS"), "the agent of node-1 ends"),
        (("data", "two\n"), "node-1 has not answered within 0.3s"),
    ],
    ids=["the node's own", "silent"],
)
def test_a_log_that_ends_early_says_why(
    api: FlaskClient,
    sailor: Sailor,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    last: tuple[str, str],
    word: str,
) -> None:
    """Whatever the node says, or that it says nothing any more, is the last line: nobody waits for ever."""
    monkeypatch.setattr(module, "SILENT_S", 0.3)
    running(api, sailor)
    serve(("data", "one\n"), last)
    said = api.get("/v1/tasks/web/logs?follow=1").get_data(as_text=True)
    assert said.startswith("one\n")
    assert said.endswith(f"\normen: the log ends here: {word}\n")


def test_what_was_read_is_forgotten(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """Parts that were handed out leave Redis, so that the node has room for more."""
    running(api, sailor)
    seen = serve(*[("data", f"{n}\n") for n in range(200)])
    answer = api.get("/v1/tasks/web/logs?follow=1", buffered=False)
    pieces = iter(answer.response)
    assert [next(pieces) for _ in range(190)][-1] == b"189\n"
    assert sailor.store.client.xlen(sailor.store.keys.reply(seen[0].id)) < 50
    answer.close()


def test_a_task_that_never_ran_has_an_empty_log(api: FlaskClient) -> None:
    """No container, no lines: the answer is 200 and empty."""
    api.post("/v1/tasks", json=WEB)
    answer = api.get("/v1/tasks/web/logs")
    assert (answer.status_code, answer.data) == (200, b"")
