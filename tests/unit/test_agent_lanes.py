"""Lanes: one place a task, coalescing, and no lane that waits for another."""

from __future__ import annotations

import threading
import time

import pytest

from worker_agent.lanes import PROBE, START, STOP, WIDTHS, Lanes


@pytest.fixture
def lanes() -> Lanes:
    """Give lanes that run when they are told."""
    return Lanes(threads=False)


def test_what_is_asked_twice_while_it_waits_runs_once(lanes: Lanes) -> None:
    """Work of one key that waits is replaced, not repeated."""
    ran: list[int] = []
    tickets = [lanes.submit(START, "web", lambda n=n: ran.append(n)) for n in range(3)]
    assert lanes.drain() == 1
    assert ran == [2]
    assert all(ticket.done.is_set() for ticket in tickets)


def test_what_is_asked_while_it_runs_runs_once_more(lanes: Lanes) -> None:
    """Work of one key asked for twice during a run is done once more after it."""
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        for _ in range(2):
            lanes.submit(START, "web", lambda: ran.append("again"))

    lanes.submit(START, "web", first)
    lanes.drain()
    assert ran == ["first", "again"]
    assert not lanes.busy("web")


def test_what_is_asked_during_a_run_waits_for_its_end_in_every_lane(lanes: Lanes) -> None:
    """A place left over in another lane does not let new work of a key run beside the old."""
    ran: list[str] = []

    def first() -> None:
        lanes.submit(START, "web", lambda: ran.append("again"))
        lanes.drain()
        ran.append("first")

    for lane in (START, STOP):
        lanes.submit(lane, "web", first)
    lanes.drain()
    assert ran == ["first", "again"]


def test_a_stop_does_not_queue_behind_starts() -> None:
    """Work that waits in a full lane and is asked for in another runs in the other, once."""
    lanes, gate, ran = Lanes(), threading.Event(), []
    for n in range(WIDTHS[START]):
        lanes.submit(START, f"slow-{n}", lambda: gate.wait(10))
    lanes.submit(START, "web", lambda: ran.append("start"))
    ticket = lanes.submit(STOP, "web", lambda: ran.append("stop"))
    assert ticket.wait(time.monotonic() + 5)
    gate.set()
    assert lanes.submit(START, "last", lambda: None).wait(time.monotonic() + 5)
    assert ran == ["stop"]
    lanes.close()


def test_one_task_never_runs_twice_at_once() -> None:
    """Of one key at most one piece of work runs at a time, whatever the lane."""
    lanes, inside, most = Lanes(), [], []

    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.001)
        inside.pop()

    for _ in range(50):
        for lane in (START, STOP, PROBE):
            last = lanes.submit(lane, "web", work)
    assert last.wait(time.monotonic() + 10)
    assert max(most) == 1
    lanes.close()


def test_a_fault_in_one_piece_of_work_costs_nothing_else(lanes: Lanes) -> None:
    """Work that raises is logged, and its key and lane go on."""
    ticket = lanes.submit(START, "web", lambda: 1 / 0)
    lanes.drain()
    assert ticket.result == "failed"
    lanes.submit(START, "web", lambda: "fine")
    assert lanes.drain() == 1


def test_no_lane_is_wider_than_it_may_be() -> None:
    """A lane runs at most as much at once as it is wide."""
    lanes, gate, inside = Lanes(), threading.Event(), []

    def work() -> None:
        inside.append(1)
        gate.wait(10)

    tickets = [lanes.submit(START, f"t{n}", work) for n in range(12)]
    deadline = time.monotonic() + 5
    while len(inside) < WIDTHS[START] and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert len(inside) == WIDTHS[START]
    assert lanes.waiting()[START] == 12 - WIDTHS[START]
    gate.set()
    assert all(ticket.wait(time.monotonic() + 5) for ticket in tickets)
    lanes.close()
