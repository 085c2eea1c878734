"""Streams that were joined before the start: given out once, and let go when nobody comes."""

from __future__ import annotations

import time

from worker_agent.fake_talk import FakeExec
from worker_agent.held import HELD_S, Held
from worker_agent.talking import ExecPlan


class Counted(FakeExec):
    """A dialogue that remembers being let go."""

    closed = False

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def dialogue() -> Counted:
    """Give one that says nothing."""
    return Counted(ExecPlan(("sleep", "1")))


def test_the_first_reader_gets_it_and_nobody_else() -> None:
    """Two readers of one input would each have half of it."""
    held, kept = Held(), dialogue()
    held.keep("a", kept)
    assert held.give("b") is None
    assert held.give("a") is kept
    assert held.give("a") is None
    assert not kept.closed


def test_nobody_is_waited_for_longer_than_a_minute() -> None:
    """A stream that nobody reads holds a container up, so it is let go, and no sooner."""
    held, kept = Held(), dialogue()
    held.keep("a", kept)
    held.step(time.monotonic() + HELD_S - 1)
    assert not kept.closed
    held.step(time.monotonic() + HELD_S + 1)
    assert kept.closed
    assert held.give("a") is None


def test_a_start_that_failed_lets_go() -> None:
    """What is dropped, or replaced by a newer one, is closed."""
    held, first, second = Held(), dialogue(), dialogue()
    held.keep("a", first)
    held.keep("a", second)
    assert (first.closed, second.closed) == (True, False)
    held.drop("a")
    held.drop("a")
    assert second.closed
