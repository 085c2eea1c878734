"""The control worker's alarm: what is due between two ticks is looked at at its time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from manager_api.control.alarm import Alarm
from ormen.errors import StoreUnavailable
from tests.waiting import wait_until


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Alarm, Clock, list[list[str]]]:
    clock = Clock()
    woken: list[list[str]] = []
    return Alarm(lambda ids: woken.append(list(ids)), clock=clock), clock, woken


def test_each_is_woken_at_its_time() -> None:
    """Nothing is woken before its time, and each once."""
    alarm, clock, woken = made()
    alarm.set("b", 2.0)
    alarm.set("a", 1.0)
    for moment in (100.9, 101.0, 101.9, 102.0, 200.0):
        clock.now = moment
        alarm.step()
    assert woken == [["a"], ["b"]]


def test_what_is_due_together_is_woken_together() -> None:
    """Tasks that fall due in the same moment are placed in one look at the fleet."""
    alarm, clock, woken = made()
    alarm.set("a", 1.0)
    alarm.set("b", 1.0)
    clock.now = 101.0
    alarm.step()
    assert woken == [["a", "b"]]


def test_the_last_time_that_was_set_counts() -> None:
    """A task that crashed again has another pause; the one before it is over."""
    alarm, clock, woken = made()
    alarm.set("a", 1.0)
    alarm.set("a", 4.0)
    clock.now = 101.5
    alarm.step()
    assert woken == []


def test_its_thread_wakes_within_moments() -> None:
    """A time that is set while the thread waits for a later one, or for none, is kept to a tenth of a second."""
    woken: dict[str, float] = {}
    alarm = Alarm(lambda ids: woken.update(dict.fromkeys(ids, time.monotonic())), threads=True)
    began = time.monotonic()
    for name, delay_s in (("later", 0.6), ("soon", 0.2)):
        alarm.set(name, delay_s)
    wait_until(lambda: len(woken) == 2)
    assert 0.2 <= woken["soon"] - began < 0.4
    assert 0.6 <= woken["later"] - began < 0.8


def test_its_thread_outlives_a_store_that_is_away_and_a_fault_of_ours() -> None:
    """What could not be done is left to the next tick, and later times are kept."""
    woken: list[str] = []
    faults: list[Exception] = [ValueError("ours"), StoreUnavailable("Redis is out of reach")]

    def wake(ids: Sequence[str]) -> None:
        woken.extend(ids)
        if faults:
            raise faults.pop()

    alarm = Alarm(wake, threads=True)
    for name in ("first", "second", "third"):
        alarm.set(name, 0.0)
        wait_until(lambda name=name: name in woken)  # type: ignore[misc]  # mypy sees no default of a lambda
