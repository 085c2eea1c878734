"""``/v1/tasks/{task}/logs``: passed on from the node, or from what was kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from manager_api import readers
from manager_api import replies as module
from manager_api.log_lines import Lines
from ormen.store.agent import Request
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor
from tests.waiting import wait_until

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
WEB = {"id": WEB_ID, "name": "web", "image": "nginx"}
Serve = Callable[..., "list[Request]"]


@pytest.fixture
def serve(sailor: Sailor) -> Iterator[Serve]:
    """Let the node answer the next request with these parts, from a thread of its own; several one after the other."""
    threads: list[threading.Thread] = []

    def begin(*parts: tuple[str, str] | tuple[str, str, str]) -> list[Request]:
        seen: list[Request] = []
        before = threads[-1:]

        def answer() -> None:
            for thread in before:
                thread.join()
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
    answer = api.get("/v1/tasks/web/logs?tail=10&timestamps=1&since=2026-11-21T10:00:00Z&until=2026-11-21T10:01:00Z")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert answer.get_data(as_text=True) == "one\ntwo é\n"
    options = {"tail": 10, "follow": False, "timestamps": True, "since_s": 1795255200.0, "until_s": 1795255260.0}
    assert (seen[0].kind, seen[0].task) == ("logs", WEB_ID)
    assert seen[0].options == {**options, "attempt": 1, "window": True}


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


def test_a_deck_that_stops_does_not_blame_the_node(api: FlaskClient, sailor: Sailor) -> None:
    """Whoever waits for a log's first lines then is told to ask again, which clients do by themselves."""
    running(api, sailor)
    api.application.extensions["ormen"].closing.set()
    answer = api.get("/v1/tasks/web/logs")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "DECK_ENDS")


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
    text = b""
    while b"\n190\n" not in text:
        text += next(pieces)
    assert sailor.store.client.xlen(sailor.store.keys.reply(seen[0].id)) < 50
    answer.close()


AT = "2026-11-21T10:02:16.400000000Z"


def objects(answer: TestResponse) -> list[dict[str, object]]:
    """An answer's objects, one a line."""
    assert answer.mimetype == "application/x-ndjson"
    return [json.loads(line) for line in answer.get_data(as_text=True).splitlines()]


def test_a_log_as_objects_has_the_place_of_each_line(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """First whose lines they are, then each with its time, however they were cut, last that the container has ended."""
    running(api, sailor)
    serve(("data", ""), ("data", f"{AT} one\n{AT} t"), ("data", f"wo {AT} \n"), ("data", f"{AT} end"), ("end", ""))
    head, *lines, last = objects(api.get("/v1/tasks/web/logs?format=json"))
    assert (head["task"], head["attempt"], head["node"], head["live"]) == (WEB_ID, 1, "node-1", True)
    assert lines == [
        {"at": AT, "text": "one"},
        {"at": AT, "text": f"two {AT} "},
        {"at": AT, "text": "end", "more": True},
    ]
    assert last == {"end": "ENDED", "sentence": None}


def test_a_line_without_end_is_passed_on_in_parts() -> None:
    """Nothing is held back for ever: a long line comes in several objects of one time."""
    cutting = Lines()
    lines = [*cutting.feed(f"{AT} " + "x" * 70_000), *cutting.feed(f"{AT} \n")]
    assert [(line["at"], line.get("more")) for line in lines] == [(AT, True), (AT, None)]
    assert "".join(line["text"] for line in lines) == "x" * 70_000 + f"{AT} "


def test_objects_say_why_a_log_ended_early(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """A program sees by the code that the container has not ended."""
    running(api, sailor)
    serve(("data", f"{AT} one\n"), ("error", "the agent of node-1 ends", "AGENT_ENDS"))
    last = objects(api.get("/v1/tasks/web/logs?format=json&follow=1"))[-1]
    assert last == {"end": "LOG_REFUSED", "sentence": "the agent of node-1 ends"}


def test_an_attempt_is_chosen_by_its_number(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """Of an ended one come the lines kept, of the present one the log; of one that never was those there are."""
    running(api, sailor)
    sailor.end(WEB_ID, exit_code=1, log=("the first",))
    api.post("/v1/tasks/web/restart")
    sailor.start(WEB_ID, attempt=2)
    sailor.take()
    head, line, last = objects(api.get("/v1/tasks/web/logs?format=json&attempt=1"))
    assert (head["attempt"], head["live"], line) == (1, False, {"at": None, "text": "the first"})
    assert last["end"] == "ENDED"
    seen = serve(("data", "the second\n"), ("end", ""))
    assert api.get("/v1/tasks/web/logs?attempt=2").get_data(as_text=True) == "the second\n"
    assert seen[0].options["attempt"] == 2
    missing = api.get("/v1/tasks/web/logs?attempt=7").get_json()
    assert (missing["code"], missing["hint"]) == ("ATTEMPT_NOT_FOUND", "on record: 1, 2")


def test_an_attempt_that_ends_meanwhile_is_looked_for_again(api: FlaskClient, sailor: Sailor, serve: Serve) -> None:
    """A node that has a later attempt by now is asked for that one; whoever named the earlier gets what was kept."""
    running(api, sailor)
    serve(("error", "attempt 1 of web is over", "ATTEMPT_OVER"))
    again = serve(("data", "later\n"), ("end", ""))
    assert api.get("/v1/tasks/web/logs").get_data(as_text=True) == "later\n"
    assert again


def test_what_is_followed_has_no_end_in_time(api: FlaskClient) -> None:
    """Both together are refused with the reason."""
    api.post("/v1/tasks", json=WEB)
    answer = api.get("/v1/tasks/web/logs?follow=1&until=5m")
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, "CONFLICT")


def test_a_task_that_never_ran_has_an_empty_log(api: FlaskClient) -> None:
    """No container, no lines: the answer is 200 and empty."""
    api.post("/v1/tasks", json=WEB)
    answer = api.get("/v1/tasks/web/logs")
    assert (answer.status_code, answer.data) == (200, b"")
