"""The pieces that a node sends for one request, as they come."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

from manager_api.services import Services
from ormen.errors import Busy, NotFound, OrmenError, StoreUnavailable
from ormen.store.replies import ATTEMPT_OVER

log = logging.getLogger("ormen.api")

FIRST_ANSWER_S = 10.0
"""How long the node has for its first word; agents look at their requests at least once a second."""

SILENT_S = 20.0
"""How long a node may be silent afterwards: an agent gives a sign every three seconds, also of a log that is silent."""

LOOK_S, LONGEST_LOOK_S = 0.01, 0.4
"""The pause between two looks at what a node has sent: it doubles while nothing comes. A read that waited in Redis
would hold a connection for each reader, and Redis has not so many."""


class NodeSilent(OrmenError):
    """The node did not answer a request in time."""

    code = "NODE_SILENT"
    title = "The node does not answer"
    http_status = 504
    retryable = True


class LogRefused(OrmenError):
    """The node answered that it cannot give the log."""

    code = "LOG_REFUSED"
    title = "The node cannot give the log"
    http_status = 502


class AttemptNotFound(NotFound):
    """No attempt of that number is on record."""

    code = "ATTEMPT_NOT_FOUND"
    title = "No such attempt"


class AttemptOver(LogRefused):
    """The attempt that was asked about is not the task's last any more."""


class DeckEnds(OrmenError):
    """This process of the deck is asked to stop."""

    code = "DECK_ENDS"
    title = "The deck stops"
    http_status = 503
    retryable = True


def deck_ends() -> DeckEnds:
    """Return the error for whoever waits in a process that stops."""
    return DeckEnds("this deck stops", hint="ask again: another deck, or this one when it is back")


class Replies:
    """One answer of a node, read as fast as whoever asked takes it. It is read until `hang_up`."""

    def __init__(self, mine: Services, request_id: str, *, node: str, line: socket.socket | None = None) -> None:
        """`line` is the connection of whoever asked, to see that it has gone also while the node is silent."""
        self._store = mine.deck.store
        self._readers = mine.readers
        self._closing = mine.closing
        self._id = request_id
        self._node = node
        self._line = line
        self._after = "0"
        self._ended = False
        self._pause_s = LOOK_S
        self.at: str | None = None
        """The node's time when it began to answer, if it has said so."""
        self._readers.add(request_id)

    def first(self) -> list[str]:
        """Return the first pieces; raise NodeSilent, DeckEnds, Busy or LogRefused if there will be none."""
        deadline = time.monotonic() + FIRST_ANSWER_S
        while time.monotonic() < deadline and not self._closing.is_set():
            pieces = self._read()
            if pieces or self._ended:
                return pieces
        raise deck_ends() if self._closing.is_set() else self._silent(FIRST_ANSWER_S)

    def pieces(self, first: list[str]) -> Iterator[str]:
        """Yield what comes, also signs of life, until its end or whoever asked has gone; raise what ends it early."""
        # A node shows with an empty piece that it is there; the first one lets the answer's head go out.
        yield "".join(first)
        heard_at = time.monotonic()
        while not self._ended:
            if self._closing.is_set():
                raise deck_ends()
            found = self._read()
            if found:
                yield "".join(found)
                heard_at = time.monotonic()
            elif _gone(self._line):
                return
            elif time.monotonic() - heard_at > SILENT_S:
                raise self._silent(SILENT_S)

    def hang_up(self) -> None:
        """Tell the node that nobody reads any more; without it the node finds out by itself, a little later."""
        self._readers.discard(self._id)
        try:
            self._store.hang_up(self._id)
        except StoreUnavailable as error:
            log.info("a reader's end was not told: %s", error)

    def _read(self) -> list[str]:
        pieces: list[str] = []
        found = self._store.read_on(self._id, after=self._after)
        if found:
            self._pause_s = LOOK_S
        else:
            self._closing.wait(self._pause_s)
            self._pause_s = min(self._pause_s * 2, LONGEST_LOOK_S)
        for each in found:
            if each.kind == "error" and pieces:
                break  # read again, alone, once the pieces before it have been handed out
            self._after = each.id
            self.at = self.at or each.at or None
            self._ended = each.kind != "data"
            if each.kind == "error":
                raise _refusal(each.data, each.code)
            pieces.append(each.data)
        return pieces

    def _silent(self, for_s: float) -> NodeSilent:
        hint = f"GET /v1/nodes/{self._node} shows its state"
        return NodeSilent(f"{self._node} has not answered within {for_s:g}s", hint=hint)


def _refusal(sentence: str, code: str) -> OrmenError:
    if code == Busy.code:
        return Busy(sentence, hint="ask again in a few seconds, or without follow")
    return AttemptOver(sentence) if code == ATTEMPT_OVER else LogRefused(sentence)


def _gone(line: socket.socket | None) -> bool:
    """Return whether the other side of a connection has closed it."""
    try:
        return line is not None and line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
