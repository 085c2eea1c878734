"""Answers that wait: until a task runs, is stopped, or will not come up; woken by events, never by polling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from manager_api.feed import QUEUE_LENGTH, Feed
from ormen.errors import StoreUnavailable
from ormen.events import Event
from ormen.reasons import Code
from ormen.store.agent import Remark
from ormen.task import Health
from tests.integration.sailors import Sailor
from tests.waiting import wait_until

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
WEB = {"id": WEB_ID, "name": "web", "image": "nginx"}
Ask = Callable[..., "Future[Any]"]


@pytest.fixture
def ask(app: Flask) -> Iterator[Ask]:
    """Send a request from another thread; its answer is the future's result."""
    with ThreadPoolExecutor() as pool:

        def send(method: str, path: str, **options: Any) -> Future[Any]:
            listeners = app.extensions["ormen"].feed.count
            future = pool.submit(lambda: app.test_client().open(path, method=method, **options))
            wait_until(lambda: future.done() or app.extensions["ormen"].feed.count > listeners)
            return future

        yield send


def placed(api: FlaskClient, task: str = "web") -> None:
    """Wait until a task submitted elsewhere is on its node."""
    wait_until(lambda: api.get(f"/v1/tasks/{task}").get_json().get("state") == "scheduled")


def test_a_submission_can_wait_until_the_task_runs(api: FlaskClient, ask: Ask, sailor: Sailor) -> None:
    """wait=running is answered as soon as the agent reports the start."""
    answer = ask("POST", "/v1/tasks?wait=running&timeout=30", json=WEB)
    placed(api)
    assert not answer.done()
    sailor.start(WEB_ID)
    assert (answer.result(5).status_code, answer.result().get_json()["state"]) == (201, "running")


def test_a_task_that_no_node_can_ever_hold_is_answered_at_once(api: FlaskClient, sailor: Sailor) -> None:
    """wait=running does not wait for what cannot come, as api.md says."""
    began = time.monotonic()
    record = api.post("/v1/tasks?wait=running&timeout=30", json={**WEB, "memory": "4000GiB"}).get_json()
    assert (record["state"], record["could_fit"]) == ("pending", "never")
    assert time.monotonic() - began < 15


def test_a_task_with_a_check_is_waited_for_until_it_is_healthy(api: FlaskClient, ask: Ask, sailor: Sailor) -> None:
    """Running is not enough for a task with a health check."""
    answer = ask("POST", "/v1/tasks?wait=running&timeout=30", json={**WEB, "health": {"tcp": 80}})
    placed(api)
    sailor.start(WEB_ID, health=Health.STARTING)
    wait_until(lambda: api.get("/v1/tasks/web").get_json()["state"] == "running")
    assert not answer.done()
    sailor.store.note(Remark(WEB_ID, "node-1", 1, event="task.healthy", health=Health.HEALTHY))
    assert answer.result(5).get_json()["health"] == "healthy"


def test_what_cannot_be_cured_ends_the_wait_at_once(api: FlaskClient, ask: Ask, sailor: Sailor) -> None:
    """An image that does not exist will not appear by waiting: 201, pending, with the reason."""
    answer = ask("POST", "/v1/tasks?wait=running&timeout=30", json=WEB)
    placed(api)
    sailor.refuse(WEB_ID, Code.PULL_NOT_FOUND, "docker.io has no image library/nginx:latest.")
    record = answer.result(5).get_json()
    assert (record["state"], record["reason"]["code"]) == ("pending", "PULL_NOT_FOUND")


def test_a_wait_that_runs_out_is_answered_with_the_record(api: FlaskClient) -> None:
    """The time over is no failure of the submission: 201 with the task as it is."""
    began = time.monotonic()
    answer = api.post("/v1/tasks?wait=running&timeout=500ms", json=WEB)
    assert (answer.status_code, answer.get_json()["reason"]["code"]) == (201, "NO_NODES")
    assert 0.4 < time.monotonic() - began < 5


def test_a_list_is_waited_for_as_a_whole(api: FlaskClient, ask: Ask, sailor: Sailor) -> None:
    """The answer for a list comes when each of its tasks has settled."""
    answer = ask("POST", "/v1/tasks?wait=running&timeout=30", json={**WEB, "count": 2})
    placed(api, "web-1")
    first, second = (task.id for task in sailor.take())
    sailor.start(first)
    wait_until(lambda: len(api.get("/v1/tasks?state=running").get_json()["items"]) == 1)
    assert not answer.done()
    sailor.start(second)
    assert {record["state"] for record in answer.result(5).get_json()} == {"running"}


def test_a_stop_can_wait_until_the_container_is_gone(api: FlaskClient, ask: Ask, sailor: Sailor) -> None:
    """A stop?wait=1 is answered with completed, not with the wish."""
    api.post("/v1/tasks", json=WEB)
    sailor.start(WEB_ID)
    answer = ask("POST", "/v1/tasks/web/stop?wait=1")
    wait_until(lambda: api.get("/v1/tasks/web").get_json()["wanted"] == "stopped")
    assert not answer.done()
    sailor.end(WEB_ID)
    assert (answer.result(5).status_code, answer.result().get_json()["state"]) == (202, "completed")


def test_a_restart_waits_for_the_new_attempt(api: FlaskClient, ask: Ask, sailor: Sailor) -> None:
    """A restart?wait=1 is not satisfied by the attempt that is being ended."""
    api.post("/v1/tasks", json=WEB)
    sailor.start(WEB_ID)
    sailor.take()
    answer = ask("POST", "/v1/tasks/web/restart?wait=1")
    wait_until(sailor.take)
    sailor.store.note(Remark(WEB_ID, "node-1", 1, event="task.stopping"))
    sailor.give_up(WEB_ID)
    api.post("/v1/tasks/web/retry")
    placed(api)
    assert not answer.done()
    sailor.start(WEB_ID, attempt=2)
    assert (answer.result(5).get_json()["state"], answer.result().get_json()["attempt"]) == ("running", 2)


def test_long_answers_are_limited_so_that_short_ones_go_on(app: Flask, api: FlaskClient) -> None:
    """The 201st long answer of a process is 503 with Retry-After, and nothing is stored; short ones are answered."""
    long = app.extensions["ormen"].long
    for _ in range(long.most):
        long.enter()
    answer = api.post("/v1/tasks?wait=running", json=WEB)
    assert (answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]) == (503, "BUSY", "5")
    assert api.get("/v1/events?follow=1").status_code == 503
    assert api.get("/v1/tasks").get_json()["items"] == []
    long.leave()
    assert api.post("/v1/tasks?wait=running&timeout=0", json=WEB).status_code == 201


class Tape:
    """A source of events that plays what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.more = threading.Condition()
        self.away = False
        self.refused = 0

    def put(self, *numbers: int) -> None:
        """Let events happen."""
        with self.more:
            self.events += [Event(f"{number}-0", "task.running", task=str(number)) for number in numbers]
            self.more.notify_all()

    def follow(self, after: str, block_ms: int) -> list[Event]:
        """Return what came after an id."""
        last = int(after.split("-")[0])
        if self.away and last:
            self.refused += 1
            raise StoreUnavailable("Redis at 127.0.0.1:1 refuses connections")
        with self.more:
            self.more.wait_for(lambda: any(event.at_ms > last for event in self.events), block_ms / 1000)
            return [event for event in self.events if event.at_ms > last]

    def edges(self) -> tuple[str | None, str]:
        """Return the ends."""
        return (self.events[0].id, self.events[-1].id) if self.events else (None, "0-0")


def test_a_slow_reader_is_dropped_and_the_others_are_not() -> None:
    """A reader that does not keep up loses its place; whoever reads beside it misses nothing."""
    tape = Tape()
    feed = Feed(lambda: tape)
    with feed.subscribe() as slow, feed.subscribe() as quick:
        for start in range(1, QUEUE_LENGTH + 101, 100):
            tape.put(*range(start, start + 100))
            got = [quick.next(5) for _ in range(100)]
            assert [event and event.at_ms for event in got] == list(range(start, start + 100))
        wait_until(lambda: slow.dropped)
        assert not quick.dropped
    feed.close()


def test_one_thread_reads_for_everybody() -> None:
    """However many listen, the stream is read once, and each gets only what it wants."""
    tape = Tape()
    feed = Feed(lambda: tape)
    before = threading.active_count()
    listeners = [feed.subscribe(lambda event, want=str(number): event.task == want) for number in range(1, 21)]
    assert (feed.count, threading.active_count()) == (20, before + 1)
    tape.put(*range(1, 21))
    assert [(event := listener.next(5)) and event.at_ms for listener in listeners] == list(range(1, 21))
    feed.close()
    assert all(listener.next(5) is None and listener.ended for listener in listeners)


def test_a_store_that_was_away_costs_no_event() -> None:
    """The feed keeps its position while the store is away, and hands out what happened meanwhile."""
    tape = Tape()
    feed = Feed(lambda: tape)
    with feed.subscribe() as listener:
        tape.away = True
        tape.put(1)
        assert (event := listener.next(5))
        assert event.at_ms == 1
        wait_until(lambda: tape.refused)
        tape.put(2, 3)
        tape.away = False
        assert [(event := listener.next(5)) and event.at_ms for _ in range(2)] == [2, 3]
    feed.close()


def test_a_retry_of_a_completed_task_is_answered_at_once(api: FlaskClient) -> None:
    """There is nothing to try and so nothing to wait for: the task stays as it is."""
    api.post("/v1/tasks", json=WEB)
    assert api.post("/v1/tasks/web/stop").get_json()["state"] == "completed"
    began = time.monotonic()
    answer = api.post("/v1/tasks/web/retry?wait=1&timeout=20")
    assert (answer.get_json()["state"], time.monotonic() - began < 10) == ("completed", True)
