"""The API as it is really served: gunicorn's processes, streams beside short answers, and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from ormen.client import Client
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor
from tests.integration.served import IMPATIENT, Deck
from tests.waiting import wait_until

MIB = 1024**2


def test_streams_leave_room_for_short_answers(served: Deck) -> None:
    """With a hundred streams open, short answers go on, and closing them gives every place back."""
    with ThreadPoolExecutor(20) as pool:
        streams = list(pool.map(served.stream, ["/v1/events?follow=1"] * 100))
    assert {answer.status for _, answer in streams} == {200}
    assert [served.get("/healthz") for _ in range(20)] == [200] * 20
    for connection, answer in streams:
        answer.close()
        connection.close()


def test_an_event_reaches_every_process_at_once(served: Deck, sailor: Sailor) -> None:
    """A stream tells what another process, and the agent, have written."""
    client = Client(f"127.0.0.1:{served.port}")
    streams = [served.stream("/v1/events?follow=1&task=" + "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4") for _ in range(6)]
    client.submit([{"id": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", "image": "nginx", "name": "web"}])
    for connection, answer in streams:
        found = iter(answer)
        assert next(line for line in found if line.startswith(b"event:")) == b"event: task.accepted\n"
        connection.close()


def test_the_python_client_submits_waits_and_stops(served: Deck, sailor: Sailor) -> None:
    """The shipped client and the served API understand each other."""
    client = Client(f"127.0.0.1:{served.port}")
    task = client.run("nginx", name="web", ports={80: 8080})
    sailor.start(task.id)
    assert task.wait(timeout=10).record["ports"][0]["host"] == 8080
    assert [each["name"] for each in client.tasks(states=["running"])] == ["web"]
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(client.stop, "web", wait_s=20)
        wait_until(lambda: client.task("web")["wanted"] == "stopped")
        sailor.end(task.id)
        assert stopping.result(10)["state"] == "completed"
    assert [event["type"] for event in client.events(task="web")][-1] == "task.completed"


def test_a_reader_that_takes_nothing_gives_its_place_back(at_port: Settings, store: LoopStore) -> None:
    """A stream into a full connection is given up, so that stuck readers never use up the threads."""
    deck = Deck(at_port, "-c", IMPATIENT)
    with socket.create_connection(("127.0.0.1", deck.port)) as stuck:
        stuck.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: deck\r\n\r\n")
        wait_until(lambda: deck.figure("ormen_long_answers") == 1)

        def given_up() -> bool:
            with store.client.pipeline() as pipe:
                for _ in range(300):
                    pipe.xadd(store.keys.events, {"type": "task.running", "text": "x" * 3000})
                pipe.execute()
            return deck.figure("ormen_long_answers") == 0

        wait_until(given_up)
    assert "a reader took nothing for 1s" in deck.end()


def test_a_reader_that_leaves_a_silent_log_is_noticed(served: Deck, sailor: Sailor) -> None:
    """Nothing need be printed for it: the place is given back and the node told within seconds."""
    Client(f"127.0.0.1:{served.port}").run("nginx", name="web")
    task = sailor.take()[0]
    sailor.start(task.id)
    connection = served.connect()
    connection.request("GET", "/v1/tasks/web/logs?follow=1")
    asked: list[str] = []
    wait_until(lambda: asked.extend(each.id for each in sailor.requests()) or asked)
    sailor.store.answer(asked[0], "data", "")
    assert connection.getresponse().status == 200
    connection.close()
    wait_until(lambda: sailor.store.unread(asked[0]) is None, timeout_s=5)
    wait_until(lambda: served.figure("ormen_long_answers") == 0)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large_gets_its_answer(served: Deck, chunked: bool) -> None:
    """The client of a body over 8 MiB reads 413, not a broken connection, also without a Content-Length."""
    connection = served.connect()
    body: Any = b"x" * (9 * MIB)
    connection.request("POST", "/v1/tasks", iter([body]) if chunked else body, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "TOO_LARGE")
    connection.close()


def test_metrics_count_the_requests_of_every_process(served: Deck) -> None:
    """Whichever process answers, the counters are those of all."""
    for _ in range(40):
        assert served.get("/healthz") == 200

    found = [served.figure('ormen_http_requests_total{method="GET",route="/healthz",status="200"}') for _ in range(6)]
    assert min(found) >= 41


def test_the_api_ends_at_once_although_streams_are_open(served: Deck, tmp_path: Path) -> None:
    """SIGTERM ends streams cleanly and leaves no process, no file and no trace in the log."""
    connection, answer = served.stream("/v1/events?follow=1")
    children = psutil.Process(served.process.pid).children(recursive=True)
    said = served.end()
    assert answer.read().endswith(b"\n\n")
    connection.close()
    assert served.process.returncode == 0
    wait_until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in said
    assert f"http://127.0.0.1:{served.port} answers, 2 processes" in said


def test_a_process_that_is_killed_is_replaced(served: Deck) -> None:
    """A killed API process costs its own requests and nothing else."""
    victim, *_ = psutil.Process(served.process.pid).children()
    os.kill(victim.pid, signal.SIGKILL)
    assert [served.get("/healthz") for _ in range(10)].count(200) >= 9
    wait_until(lambda: len([c for c in psutil.Process(served.process.pid).children() if c.pid != victim.pid]) == 2)


@pytest.mark.parametrize(
    ("word", "variables", "said"),
    [
        ("api", {"ORMEN_PORT": "http"}, "error: ORMEN_PORT is 'http', not a whole number"),
        ("api", {"ORMEN_TOKEN_FILE": "/nonexistent"}, "error: the token file /nonexistent cannot be read"),
        ("serve", {}, "usage: python -m manager_api api|control|beat"),
    ],
)
def test_a_wrong_start_is_one_sentence(word: str, variables: dict[str, str], said: str) -> None:
    """A setting that cannot be used ends the start with status 2 and the reason, without a trace."""
    run = subprocess.run(
        [sys.executable, "-m", "manager_api", word], env={**os.environ, **variables}, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert run.stderr.strip().splitlines()[-1].startswith(said)
    assert "Traceback" not in run.stderr
