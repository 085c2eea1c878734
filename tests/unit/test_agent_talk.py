"""How an agent carries one talk on: it waits for an end without haste, and says why it gave one up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.store.agent import Request
from ormen.store.talks import TalkStore, Wish
from ormen.talk import ERR, EXIT, OUT, Frame
from tests.unit.agents import AgentBench
from tests.waiting import wait_until
from worker_agent.fake_talk import FakeExec
from worker_agent.runtime import EngineDown
from worker_agent.talk import ENTRY, LOOK_S, Talk
from worker_agent.talking import ExecPlan


class Silent(FakeExec):
    """A program that has closed its outputs, and runs on until it is told to exit."""

    def __init__(self) -> None:
        super().__init__(ExecPlan(("sleep", "1")))
        self.looks: list[float] = []

    def __next__(self) -> Frame:
        """Say nothing more."""
        raise StopIteration

    def exit_code(self) -> int | None:
        """Note when it is asked."""
        self.looks.append(time.monotonic())
        return super().exit_code()


class Broken(FakeExec):
    """A stream that breaks off in the engine's words when it is ended, as an upload does."""

    def __init__(self) -> None:
        super().__init__(ExecPlan(("sleep", "1")))
        self.over = threading.Event()

    def __next__(self) -> Frame:
        """Wait for the end."""
        self.over.wait(20)
        raise EngineDown(Reason(Code.ENGINE_DOWN, "Docker does not answer: the connection broke."))

    def end(self) -> bool:
        """Break it."""
        self.over.set()
        return True


@pytest.fixture
def talks(settings: Settings) -> Iterator[TalkStore]:
    """A store with the claimed talk ``t``, whose reader is there."""
    bench = AgentBench(settings)
    made = TalkStore(settings, bench.deck.client)
    made.open("t", bench.running(), Wish("exec", {"command": ["sleep"]}))
    made.pick("t", node="node-1", instance="i1")
    yield made
    bench.close()


@pytest.fixture
def begin(talks: TalkStore) -> Iterator[Callable[[FakeExec], Talk]]:
    """Carry a dialogue on in a thread, as the talk ``t``."""
    threads: list[threading.Thread] = []

    def begun(dialogue: FakeExec) -> Talk:
        made = Talk(talks, "t", dialogue)
        threads.append(threading.Thread(target=made.run))
        threads[-1].start()
        return made

    yield begun
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


class Chatty(FakeExec):
    """A program that prints a byte on each output in turn, for ever."""

    def __init__(self) -> None:
        super().__init__(ExecPlan(("sleep", "1")))
        self.kinds = itertools.cycle((OUT, ERR))

    def __next__(self) -> Frame:
        """Print until it is told to exit."""
        if self.exit_code() is not None:
            raise StopIteration
        return Frame(next(self.kinds), b".")


def last(talks: TalkStore) -> Frame:
    """Return the last frame, once it is there."""
    wait_until(lambda: talks.known("t").state == "over")
    return talks.hear("t", after="0-0", block_ms=1).frames[-1]


def test_a_program_without_outputs_is_waited_for_in_peace(talks: TalkStore, begin: Callable[[FakeExec], Talk]) -> None:
    """It may run for days: the engine is asked for its end ever more seldom, and its code is told."""
    dialogue = Silent()
    begin(dialogue)
    wait_until(lambda: len(dialogue.looks) >= 5)
    assert dialogue.looks[4] - dialogue.looks[0] >= LOOK_S * (1 + 2 + 4 + 8)
    dialogue.end()
    assert last(talks) == Frame(EXIT, b"137")


def test_a_talk_that_is_given_up_says_why(talks: TalkStore, begin: Callable[[FakeExec], Talk]) -> None:
    """Although its stream then breaks off with a fault of the engine's, the reader hears who ended it."""
    talk = begin(Broken())
    talk.abandon("the agent of node-1 was stopped")
    assert last(talks).fault == ("ABANDONED", "it was ended: the agent of node-1 was stopped")


def test_a_talk_that_begins_while_its_agent_ends_is_ended_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is begun between the order to end and the end is ended with a word, and not left to its silence."""
    bench = AgentBench(settings)
    talks = TalkStore(settings, bench.deck.client)
    task, begun = bench.running(), FakeExec(ExecPlan(("sleep", "1")))
    talks.open("t", task, Wish("exec", {"command": ["sleep"]}))
    monkeypatch.setattr(bench.runtime, "exec", lambda *_: bench.agent.talks.close() or begun)
    bench.agent.talks.take(Request("t", "talk", task.id, {}))
    bench.agent.lanes.drain()
    assert last(talks).fault == ("ABANDONED", "it was ended: the agent of node-1 was stopped")
    assert begun.exit_code() is not None
    bench.close()


def test_single_bytes_that_nobody_reads_cost_a_bounded_amount(
    talks: TalkStore, begin: Callable[[FakeExec], Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each unread frame counts for what it costs beside its data: a mebibyte of bytes would be a million entries."""
    monkeypatch.setattr("worker_agent.talk.WINDOW", 20 * ENTRY)
    talk, key = begin(Chatty()), f"{talks.keys.talk('t')}:out"
    wait_until(lambda: talks.client.xlen(key) >= 20)
    assert not any(talks.client.xlen(key) > 20 for _ in range(50))
    talk.abandon()
