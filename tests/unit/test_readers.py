"""The sign that answers are still read: given for as long as there are any, and not a moment longer."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from manager_api import readers
from manager_api.readers import Readers
from tests.waiting import wait_until


class Told:
    """Notes the signs instead of Redis."""

    def __init__(self) -> None:
        self.signs: list[set[str]] = []

    def still_reading(self, requests: Iterable[str]) -> None:
        """Note for which requests a sign was given."""
        self.signs.append(set(requests))


def living() -> int:
    """How many threads give signs."""
    return sum(thread.name == "readers" for thread in threading.enumerate())


@pytest.mark.parametrize("end", ["discard", "close"])
def test_no_sign_is_given_after_the_last_reader_or_the_end_of_the_process(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends with the last answer, and with the process also where an answer was never closed."""
    monkeypatch.setattr(readers, "EVERY_S", 0.01)
    before, told = living(), Told()
    made = Readers(lambda: told)
    made.add("one")
    wait_until(lambda: {"one"} in told.signs)
    made.discard("one") if end == "discard" else made.close()
    wait_until(lambda: living() == before)
    count = len(told.signs)
    made.add("two")
    wait_until(lambda: len(told.signs) > count)
    assert told.signs[-1] == {"two"}
    made.close()
    wait_until(lambda: living() == before)
