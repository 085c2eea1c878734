"""How an agent passes a log on: no faster than it is read, and never without a word at its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ormen.errors import Busy
from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Request
from ormen.store.replies import Asker, Reply
from ormen.task import Task
from tests.unit.agents import AgentBench
from tests.waiting import wait_until
from worker_agent import passing as module
from worker_agent import requests
from worker_agent.passing import AHEAD_BYTES, WINDOW, Passing
from worker_agent.runtime import EngineDown

PIECE = b"x" * AHEAD_BYTES


class Printed:
    """A log as an engine streams it: the pieces given, then nothing until it is closed."""

    def __init__(self, *pieces: bytes, ends: bool = False) -> None:
        self.pieces = list(pieces)
        self.taken = 0
        self.ends = ends
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.taken == len(self.pieces):
            if not self.ends:
                self.closed.wait(20)
            raise StopIteration
        self.taken += 1
        return self.pieces[self.taken - 1]

    def close(self) -> None:
        self.closed.set()


class Breaks(Printed):
    """A log that breaks off after its pieces."""

    def __next__(self) -> bytes:
        try:
            return super().__next__()
        except StopIteration:
            raise EngineDown(Reason(Code.ENGINE_DOWN, "Docker went away.")) from None


@dataclass
class Line:
    """An agent and a deck, and a request between them."""

    agent: AgentStore
    deck: Asker
    request: Request
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, printed: Printed) -> Passing:
        """Pass a log on in a thread."""
        made = Passing(self.agent, self.request, printed)
        self.threads.append(threading.Thread(target=made.run))
        self.threads[-1].start()
        return made

    def read(self, after: str = "0") -> list[Reply]:
        """Read a few parts and forget those before."""
        found: list[Reply] = []
        wait_until(lambda: found.extend(self.deck.read_on(self.request.id, after=after)) or found)
        return found

    def rest(self) -> list[Reply]:
        """Read until the last part."""
        found = self.read()
        while found[-1].kind == "data":
            found += self.read(found[-1].id)
        return found


@pytest.fixture
def line(settings: Settings) -> Iterator[Line]:
    """A request that a deck has made of a node."""
    bench = AgentBench(settings)
    deck = Asker.connect(settings)
    options = {"window": True, "follow": True}
    asked = deck.ask_nodes("logs", {"node-1": options})["node-1"]
    made = Line(AgentStore.connect(settings, "agent"), deck, Request(asked, "logs", "", options))
    yield made
    deck.hang_up(asked)
    for thread in made.threads:
        thread.join(10)
    made.agent.close()
    deck.close()
    bench.close()


def test_a_log_is_read_no_faster_than_its_reader_takes_it(line: Line) -> None:
    """Of a long log a few parts wait in Redis and no more is read; all of it arrives once, and in order."""
    printed = Printed(*[b"%8d" % n + PIECE[8:] for n in range(100)], ends=True)
    line.begin(printed)
    wait_until(lambda: line.agent.unread(line.request.id) == WINDOW)
    text, most, found = "", 0, [Reply("0", "data", "")]
    while found[-1].kind == "data":
        most = max(most, *(line.agent.unread(line.request.id) or 0 for _ in range(20)))
        assert printed.taken <= len(text) // AHEAD_BYTES + WINDOW + 4
        found = line.read(found[-1].id)
        text += "".join(each.data for each in found)
    assert (most, found[-1].kind) == (WINDOW, "end")
    assert text.encode() == b"".join(printed.pieces)


def test_lines_that_come_together_are_one_part(line: Line) -> None:
    """A log of many short lines takes few parts, since each costs a way to Redis."""
    line.begin(Printed(*[b"a line\n"] * 5000, ends=True))
    found = line.rest()
    assert "".join(each.data for each in found) == "a line\n" * 5000
    assert len(found) < 500


def test_a_silent_log_is_answered_at_once(line: Line) -> None:
    """The first part comes before the container says anything, so whoever asked need not guess."""
    line.begin(Printed())
    assert [(each.kind, each.data) for each in line.read()] == [("data", "")]


@pytest.mark.parametrize("pieces", [[], [PIECE] * 100], ids=["silent", "full"])
def test_a_reader_that_has_gone_ends_the_work(line: Line, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the log says nothing or waits for room, it is closed once nobody reads, with a word for a late reader."""
    monkeypatch.setattr(module, "SIGN_S", 0.1)
    printed = Printed(*pieces)
    line.begin(printed)
    wait_until(lambda: bool(line.agent.unread(line.request.id)))
    line.deck.hang_up(line.request.id)
    assert printed.closed.wait(5)
    last = line.rest()[-1]
    assert (last.kind, last.code) == ("error", "READER_AWAY")


def test_an_agent_that_ends_says_so(line: Line) -> None:
    """A log that its agent ends does not look like one that its container has ended."""
    made = line.begin(Printed(b"one\n"))
    wait_until(lambda: line.read()[-1].data == "one\n")
    made.close("the agent of node-1 ends")
    last = line.rest()[-1]
    assert (last.kind, last.data, last.code) == ("error", "the agent of node-1 ends", "AGENT_ENDS")


def test_a_log_that_the_engine_breaks_off_does_not_look_complete(line: Line) -> None:
    """What came is passed on, and then why no more does: the container may well have said more."""
    line.begin(Breaks(b"one\n", ends=True))
    found = line.rest()
    assert "".join(each.data for each in found if each.kind == "data") == "one\n"
    assert (found[-1].kind, found[-1].data, found[-1].code) == ("error", "Docker went away.", "ENGINE_DOWN")


def test_a_request_that_nobody_waits_for_is_not_begun(line: Line) -> None:
    """Whoever has asked and gone away costs the node nothing."""
    line.deck.hang_up(line.request.id)
    assert not line.agent.claim(line.request.id)


def test_one_log_too_many_is_refused_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its places an agent says BUSY without a wait, and a place that is free again is given."""
    monkeypatch.setattr(requests, "LOGS", 1)
    bench = AgentBench(settings)
    task = bench.running()
    first, second = ask_for(bench, task), ask_for(bench, task)
    bench.agent.take()
    (refused,) = bench.deck.replies([second])[second]
    assert (refused.kind, refused.data, refused.code) == ("error", "node-1 already passes 1 logs on", Busy.code)
    bench.agent.lanes.drain()
    assert bench.deck.replies([first])[first][-1].kind == "end"
    third = ask_for(bench, task)
    bench.work()
    assert bench.deck.replies([third])[third][-1].kind == "end"
    bench.close()


def ask_for(bench: AgentBench, task: Task) -> str:
    """Ask the node for a task's log; return the request."""
    return bench.deck.ask_nodes("logs", {"node-1": {"follow": False}}, task=task.id)["node-1"]
