"""How what a container prints is joined on its way: nothing late, nothing lost, nothing without bound."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ormen.reasons import Code, Reason
from ormen.talk import BEGUN, ERR, MOST_FRAME, OUT, Frame
from tests.waiting import wait_until
from worker_agent.gathering import MOST_HELD, Gathered
from worker_agent.runtime import EngineDown


class Source:
    """Frames for whoever reads, counted; after them it waits for `more`."""

    def __init__(self, frames: Iterator[Frame] | list[Frame]) -> None:
        self.read = 0
        self.more = threading.Event()
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        """Yield them."""
        for frame in self._frames:
            self.read += 1
            yield frame
        self.more.wait(20)


def endless(*kinds: str) -> Iterator[Frame]:
    """Yield one byte after the other, of the outputs in turn."""
    while True:
        for kind in kinds:
            yield Frame(kind, b".")


def test_a_prompt_is_not_waited_with() -> None:
    """What has come is there although nothing follows it."""
    source = Source([Frame(OUT, b"$ ")])
    gathered = Gathered(source)
    assert next(gathered) == Frame(OUT, b"$ ")
    source.more.set()
    assert list(gathered) == []


def test_lines_that_came_meanwhile_come_as_one() -> None:
    """Two hundred lines that nobody had taken yet are one frame, byte by byte what was printed."""
    lines = [Frame(OUT, f"{n}\n".encode()) for n in range(200)]
    source = Source(lines)
    gathered = Gathered(source)
    wait_until(lambda: source.read == 200)
    source.more.set()
    found = list(gathered)
    assert b"".join(frame.data for frame in found) == b"".join(line.data for line in lines)
    assert len(found) <= 2


def test_the_order_of_two_outputs_stays() -> None:
    """Only neighbours of the same output are joined, and what is not printed never is."""
    frames = [Frame(BEGUN), Frame(BEGUN), Frame(OUT, b"a"), Frame(OUT, b"b"), Frame(ERR, b"c"), Frame(OUT, b"d")]
    source = Source(frames)
    gathered = Gathered(source)
    wait_until(lambda: source.read == 6)
    source.more.set()
    assert list(gathered) == [*frames[:2], Frame(OUT, b"ab"), *frames[4:]]


@pytest.mark.parametrize(("kinds", "most"), [((OUT,), MOST_FRAME), ((OUT, ERR), MOST_HELD)])
def test_no_more_than_a_frames_worth_is_read_ahead(kinds: tuple[str, ...], most: int) -> None:
    """A program that prints without end waits for its reader, and is let go when that closes."""
    source = Source(endless(*kinds))
    gathered = Gathered(source)
    wait_until(lambda: source.read > most)
    assert all(len(next(gathered).data) <= MOST_FRAME for _ in range(3))
    assert source.read <= most * 5
    gathered.close()
    assert list(gathered) == []


def test_a_fault_comes_after_what_came_before_it() -> None:
    """An archive that breaks off is told as far as it came, and then that it broke off."""

    def breaks() -> Iterator[Frame]:
        yield Frame(OUT, b"half")
        raise EngineDown(Reason(Code.ENGINE_DOWN, "gone"))

    gathered = Gathered(breaks())
    assert next(gathered) == Frame(OUT, b"half")
    with pytest.raises(EngineDown):
        next(gathered)
