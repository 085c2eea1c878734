"""Two hundred followers of logs beside everything else that the API has to do."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from ormen.client import Client
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor
from tests.integration.served import Deck
from tests.waiting import wait_until

FOLLOWERS = 200
PROMPT_S = 0.5
"""What a short answer may take at most, 95 of 100, on a machine that does other things as well."""


@contextmanager
def printing(sailor: Sailor) -> Iterator[set[str]]:
    """Let a node answer every request for a log with a line a second."""
    asked: set[str] = set()
    over = threading.Event()

    def print_on() -> None:
        while not over.wait(0.05):
            for request in sailor.requests():
                asked.add(request.id)
                sailor.store.pass_on(request.id, "begin\n")

    def tick() -> None:
        while not over.wait(1.0):
            for request in tuple(asked):
                sailor.store.pass_on(request, "a line\n")

    threads = [threading.Thread(target=work) for work in (print_on, tick)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in threads:
            thread.join()


def took(call: Callable[[], object], times: int) -> list[float]:
    """How long a call takes, each of several times."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return found


def p95(samples: list[float]) -> float:
    """The time that 95 of 100 take at most."""
    return statistics.quantiles(samples, n=20)[-1]


@pytest.mark.alone
def test_two_hundred_followers_leave_the_api_prompt(served: Deck, sailor: Sailor, store: LoopStore) -> None:
    """While they read, a task is looked at and submitted without a wait; whoever exceeds the places is told at once."""
    client = Client(f"127.0.0.1:{served.port}")
    names = [f"web-{number}" for number in range(4)]
    for name in names:
        sailor.start(client.run("nginx", name=name, cpu=0.01).id)
    open_streams: list[tuple[http.client.HTTPConnection, http.client.HTTPResponse]] = []
    with printing(sailor) as asked, ThreadPoolExecutor(40) as pool:
        paths = [f"/v1/tasks/{names[n % 4]}/logs?follow=1&format=json" for n in range(FOLLOWERS)]
        open_streams += pool.map(served.stream, paths)
        assert [answer.status for _, answer in open_streams] == [200] * FOLLOWERS
        wait_until(lambda: len(asked) == FOLLOWERS)
        looks = took(lambda: client.task("web-1"), 60)
        submits = took(lambda: client.submit([{"image": "nginx", "cpu": 0.01, "memory": "8MiB"}]), 40)
        assert (p95(looks) < PROMPT_S, p95(submits) < PROMPT_S) == (True, True), (p95(looks), p95(submits))
        open_streams += pool.map(served.stream, ["/v1/events?follow=1"] * 320)
        refused = [answer for _, answer in open_streams if answer.status != 200]
        assert {(answer.status, json.loads(answer.read())["code"]) for answer in refused} == {(503, "BUSY")}
        assert p95(took(lambda: client.task("web-1"), 20)) < PROMPT_S
        print(f"p95 of a look {p95(looks):.3f}s, of a submit {p95(submits):.3f}s, {len(refused)} refused")
        for connection, _ in open_streams:
            connection.close()
