"""The Python client: ids, repeats, pages, events taken up again, waiting."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
from cli_stub import TRAIN, UP, WAY, WEB, Answer, deck, problem

from ormen.client import Client, ClientError, TaskFailed
from ormen.sse import read_messages
from ormen.transport import Address
from tests.waiting import wait_until

AWAY = problem(503, "STORE_UNAVAILABLE", "Redis refuses connections")
AWAY.headers = {"Retry-After": "0"}
ONE = f"GET /v1/tasks/{WEB['id']}"


@pytest.mark.parametrize(
    ("text", "shown", "secure"),
    [
        ("localhost", "localhost:5555", False),
        ("10.0.0.5:6000", "10.0.0.5:6000", False),
        ("http://deck:81/", "deck:81", False),
        ("https://deck", "deck:443", True),
        ("[::1]:5555", "[::1]:5555", False),
    ],
)
def test_an_address_is_a_host_a_host_with_port_or_a_url(text: str, shown: str, secure: bool) -> None:
    """5555 where nothing says, a URL's own defaults in a URL."""
    address = Address.parse(text)
    assert (str(address), address.secure) == (shown, secure)


@pytest.mark.parametrize("text", ["", "deck:70000", "deck:x", "ftp://deck"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """A sentence names what was given."""
    with pytest.raises(ValueError, match=r"no host|is none"):
        Address.parse(text)


def test_the_client_chooses_ids_and_repeats_with_the_same() -> None:
    """A 503 and a dropped connection are repeated with the same id, so nothing starts twice."""
    with deck({"POST /v1/tasks": [AWAY, Answer(cut=True), Answer(201, [WEB])]}) as stub:
        Client(stub.address).submit([{"image": "nginx"}])
    ids = {request.body[0]["id"] for request in stub.seen}
    assert len(stub.seen) == 3
    assert len(ids) == 1
    assert uuid.UUID(ids.pop()).version == 4


def test_what_is_left_of_a_deadline_is_a_wait_that_the_deck_reads() -> None:
    """However many digits it has; the deck takes a duration of at most nine after the point."""
    with deck({f"DELETE /v1/tasks/{WEB['id']}": [Answer(204)]}) as stub:
        assert Client(stub.address).remove(WEB["id"], wait_s=149.98765432109876) is None
    assert stub.seen[0].query["timeout"] == ["149.988"]


def test_a_refused_connection_is_not_repeated() -> None:
    """Where no deck ever was, the answer comes at once."""
    began = time.monotonic()
    with pytest.raises(ClientError) as caught:
        Client("127.0.0.1:9").version()
    assert (caught.value.code, caught.value.exit_code) == ("UNREACHABLE", 5)
    assert time.monotonic() - began < 2


def test_a_line_that_the_other_side_would_keep_is_closed() -> None:
    """After a refusal from a server that keeps its lines open, ours is closed: a client that lives long leaks none."""

    def refuse(listening: socket.socket) -> bytes:
        line, _ = listening.accept()
        with line:
            line.settimeout(10)
            line.recv(65536)
            line.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")
            return line.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as server:
        said = server.submit(refuse, listening)
        with pytest.raises(ClientError) as caught:
            Client(f"127.0.0.1:{listening.getsockname()[1]}").version()
        assert said.result() == b""
    assert caught.value.code == "NOT_A_DECK"


def test_a_dropped_restart_is_not_repeated() -> None:
    """A second restart would end the attempt that the first one began."""
    with deck({"POST /v1/tasks/web/restart": [Answer(cut=True), Answer(202, WEB)]}) as stub:
        with pytest.raises(ClientError):
            Client(stub.address).restart("web")
        assert len(stub.seen) == 1


def test_a_repeated_removal_that_finds_nothing_has_succeeded() -> None:
    """The first arrival, whose answer was lost, has removed the task."""
    with deck({"DELETE /v1/tasks/web": [Answer(cut=True), problem(404, "TASK_NOT_FOUND", "no task")]}) as stub:
        Client(stub.address).remove("web")
        assert len(stub.seen) == 2


def test_the_token_is_sent_and_never_shown() -> None:
    """The token goes into the header and into no text."""
    with deck({"GET /v1/version": {"version": "1"}}) as stub:
        client = Client(stub.address, "s3cret")
        client.version()
    assert stub.seen[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(vars(client))


def test_run_and_wait_read_like_the_sentence() -> None:
    """`Client(url).run(image, ports=…).wait()` submits, waits and returns the task."""
    with deck({"POST /v1/tasks": Answer(201, [WEB]), ONE: [WEB, UP]}) as stub:
        task = Client(stub.address).run("nginx", ports={80: 8080, 81: None}, name="web").wait(timeout=10)
    assert (task.state, task.is_up, task.address()) == ("running", True, "10.0.0.11:8080")
    assert stub.seen[0].body[0]["ports"] == [{"container": 80, "host": 8080}, {"container": 81}]
    assert stub.seen[0].body[0]["name"] == "web"


def test_wait_raises_what_keeps_the_task_down() -> None:
    """A failed task and a time that is over are one error, with the record and the reason."""
    failed = {**WEB, "state": "failed", "reason": {"code": "EXIT", "sentence": "Exited with code 1."}}
    with deck({"POST /v1/tasks": Answer(201, [WEB]), ONE: failed}) as stub:
        with pytest.raises(TaskFailed, match="web: Exited with code 1") as caught:
            Client(stub.address).run("nginx").wait(timeout=10)
        assert caught.value.record["state"] == "failed"
    waits = {"POST /v1/tasks": Answer(201, [TRAIN]), f"GET /v1/tasks/{TRAIN['id']}": TRAIN}
    with deck(waits) as stub, pytest.raises(TaskFailed, match=r"not up within 0\.1s"):
        Client(stub.address).run("nginx").wait(timeout=0.1)


def test_lists_are_read_page_by_page_as_needed() -> None:
    """The second page is fetched only when somebody wants its first task."""
    with deck({"GET /v1/tasks": [{"items": [UP], "next": "c"}, {"items": [TRAIN], "next": None}]}) as stub:
        found = Client(stub.address).tasks(states=["running", "pending"])
        assert next(found)["name"] == "web"
        assert len(stub.seen) == 1
        assert next(found)["name"] == "train"
    assert stub.seen[0].query["state"] == ["running", "pending"]


def test_followed_events_resume_after_the_last_one() -> None:
    """When the stream breaks it is taken up after the last event, so nothing is missed or doubled."""
    told: list[str] = []
    with deck({}, WAY[:2]) as stub:
        events = Client(stub.address).follow_events(notice=told.append)
        first = list(islice(events, 2))
        stub.closing.set()
        stub.events = WAY[2:3]
        again = next(events)
    assert [event["type"] for event in first] == ["task.accepted", "task.placed"]
    assert again["type"] == "task.pulling"
    assert stub.seen[1].headers["Last-Event-ID"] == WAY[1]["id"]
    assert "does not answer, trying again" in told[0]
    assert told[1].startswith("back after")


def test_events_that_come_while_nothing_was_read_yet_are_not_missed() -> None:
    """A stream that breaks before its first event is taken up from its own beginning, not from now on."""
    with deck({}) as stub:
        events = Client(stub.address).follow_events(notice=lambda sentence: setattr(stub, "events", WAY[:1]))
        threading.Timer(0, lambda: (wait_until(lambda: stub.seen), stub.closing.set())).start()
        assert next(events)["type"] == "task.accepted"
    assert ["Last-Event-ID" in seen.headers for seen in stub.seen] == [False, True]
    assert stub.seen[1].headers["Last-Event-ID"] == "1-0"


def test_a_cut_event_does_not_count() -> None:
    """Only an event whose empty line has come is told; comments are passed over."""
    lines = [b": hi\n", b"id: 1-0\n", b"event: a\n", b"data: x\n", b"data: y\n", b"\n", b"id: 2-0\n", b"data: z\n"]
    assert [(one.id, one.event, one.data) for one in read_messages(lines)] == [("1-0", "a", "x\ny")]
