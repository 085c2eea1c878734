"""Logs from a real container through agent, Redis, a served deck and the client: whole, whatever happens on the way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

from ormen.client import Client
from ormen.settings import Settings
from ormen.task import Task
from tests.integration.nodes import Harbour
from tests.integration.served import IMPATIENT, Deck
from tests.waiting import wait_until

COUNT = (
    "trap 'exit 0' TERM; i=0; while [ ! -e /end ]; do i=$((i+1)); echo $i; i=$((i+1)); echo $i >&2; sleep 0.01; done"
)
"""Counts on both outputs until it is told to end."""
LARGE = 'BEGIN { p = sprintf("%2000s", "x"); for (i = 1; i <= 8000; i++) print i p }'
"""Prints 16 MB, which no buffer on the way holds."""


class Follower:
    """Reads a log in a thread."""

    def __init__(self, deck: Deck, task: Task) -> None:
        self.read: list[int] = []
        self.told: list[str] = []
        pieces = Client(f"127.0.0.1:{deck.port}").logs(task.id, follow=True, notice=self.told.append)
        self.thread = threading.Thread(target=self._follow, args=(pieces,), daemon=True)
        self.thread.start()

    def _follow(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.read += [int(line) for line in piece.split()]

    def reaches(self, count: int) -> None:
        """Wait until so many lines have come."""
        wait_until(lambda: len(self.read) >= count, timeout_s=30)

    def end(self) -> list[int]:
        """Return everything, in the order of the numbers, once the log has ended."""
        self.thread.join(30)
        assert not self.thread.is_alive()
        return sorted(self.read)


def counting(harbour: Harbour) -> Task:
    """Return a task that counts."""
    harbour.node()
    return harbour.run(command=["sh", "-c", COUNT], restart="no")


def test_a_followed_log_outlives_its_deck(harbour: Harbour, at_port: Settings) -> None:
    """A deck that is killed and started anew costs the follower two sentences, and no line is lost or doubled."""
    deck, task = Deck(at_port), counting(harbour)
    follower = Follower(deck, task)
    follower.reaches(50)
    deck.kill()
    wait_until(lambda: follower.told)
    deck = Deck(at_port)
    follower.reaches(len(follower.read) + 100)
    harbour.end_by(task, 0)
    read = follower.end()
    deck.end()
    assert read == list(range(1, len(read) + 1))
    assert "does not answer, trying again" in follower.told[0]
    assert follower.told[1].startswith("back after")
    assert follower.told[2] == f"{task.name} is completed on node-1"


def test_a_deck_that_stops_hands_its_followers_on(harbour: Harbour, served: Deck, at_port: Settings) -> None:
    """Of several decks behind one address one may be stopped: the log goes on with another, without loss."""
    task = counting(harbour)
    follower = Follower(served, task)
    follower.reaches(50)
    served.end()
    deck = Deck(at_port)
    follower.reaches(len(follower.read) + 50)
    harbour.end_by(task, 0)
    read = follower.end()
    deck.end()
    assert read == list(range(1, len(read) + 1))


def test_a_follower_outlives_the_agent(harbour: Harbour, served: Deck) -> None:
    """An agent that is replaced, as by an upgrade, tells its readers, and they go on with the next one."""
    task = counting(harbour)
    follower = Follower(served, task)
    follower.reaches(50)
    harbour.nodes[0].end(signal.SIGTERM)
    harbour.node()
    follower.reaches(len(follower.read) + 50)
    harbour.end_by(task, 0)
    read = follower.end()
    assert read == list(range(1, len(read) + 1))


def test_a_reader_that_paused_goes_on_where_it_was(harbour: Harbour, at_port: Settings) -> None:
    """A reader that takes nothing loses its place at the deck, and not a line: it is let in again when it goes on."""
    deck = Deck(at_port, "-c", IMPATIENT)
    harbour.node()
    task = harbour.run(command=["sh", "-c", f"awk '{LARGE}'; {COUNT}"])
    pieces = Client(f"127.0.0.1:{deck.port}").logs(task.id, follow=True)
    text = bytearray(next(pieces))
    wait_until(lambda: deck.figure("ormen_long_answers") == 0, timeout_s=30)
    while b"\n8000" not in text:
        text += next(pieces)
    found = [int(line[:8].split()[0]) for line in text.splitlines() if b" " in line]
    deck.end()
    assert found[:8000] == list(range(1, 8001))


def test_a_follower_sees_the_next_attempt(harbour: Harbour, served: Deck) -> None:
    """A restart of the task goes on with the new container's log from its beginning, and says so."""
    task = counting(harbour)
    follower = Follower(served, task)
    follower.reaches(50)
    Client(f"127.0.0.1:{served.port}").restart(task.id)
    wait_until(lambda: harbour.loops.reschedule() or harbour.task(task).attempt == 2, timeout_s=30)
    wait_until(lambda: any("attempt 2 on node-1" in sentence for sentence in follower.told), timeout_s=30)
    seen = len(follower.read)
    follower.reaches(seen + 50)
    harbour.end_by(task, 0)
    read = follower.end()
    assert read.count(1) == read.count(2) == 2
