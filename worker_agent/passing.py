"""One log on its way to its reader: piece by piece through Redis, no faster than it is read."""

from __future__ import annotations

import codecs
from threading import Event

from ormen.store.agent import AgentStore, Request
from worker_agent.runtime import Stream
from worker_agent.spool import Spool

AHEAD_BYTES = 65_536
"""How much is read ahead of the sending, which makes one part of it."""

WINDOW = 16
"""How many parts may be unread: a megabyte or so of Redis's memory for each reader that is slow."""

SIGN_S = 3.0
"""How long a log is silent at most: an empty part shows that the agent lives, and finds out that nobody reads."""

LOOK_S, LONGEST_LOOK_S = 0.05, 0.5
"""The pause between two looks at what a slow reader has read: it doubles each time."""

CODE_ENDS, CODE_UNREAD = "AGENT_ENDS", "READER_AWAY"


class Passing:
    """Passes a stream on until its end, until nobody reads it, or until `close`."""

    def __init__(self, store: AgentStore, request: Request, stream: Stream[bytes], *, at: str = "") -> None:
        """`at` is this host's time before the stream was asked for."""
        self._store = store
        self._at = at
        self._id = request.id
        # A deck of an earlier version forgets no part that it has read, so the number of parts says nothing there.
        self._window = WINDOW if request.options.get("window") else None
        self._spool = Spool(stream, most=AHEAD_BYTES)
        self._closed = Event()
        self._why = ""

    def close(self, why: str) -> None:
        """End it from any thread; the reader is told why."""
        self._why = why
        self._closed.set()
        self._spool.close()

    def run(self) -> str:
        """Pass everything on; return how it ended."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            # Said at once: whoever asked waits for a first word, also of a log that says nothing.
            self._store.pass_on(self._id, "", at=self._at)
            while (piece := self._spool.take(SIGN_S)) is not None:
                if not self._pass_on(decoder.decode(piece)):
                    # Whoever asked may only have been halted for a while.
                    self._store.answer(self._id, "error", "nobody seemed to read it any more", code=CODE_UNREAD)
                    return "reader gone"
        finally:
            self._spool.close()
        if self._why:
            self._store.answer(self._id, "error", self._why, code=CODE_ENDS)
            return "closed"
        if self._spool.fault is not None:
            reason = self._spool.fault.reason
            self._store.answer(self._id, "error", reason.sentence, code=reason.code.value)
            return "broke off"
        self._store.answer(self._id, "end", decoder.decode(b"", final=True))
        return "sent"

    def _pass_on(self, text: str) -> bool:
        """Send a part, then wait until there is room for another; return whether somebody reads."""
        unread = self._store.pass_on(self._id, text)
        pause_s = LOOK_S
        while self._window is not None and unread is not None and unread >= self._window:
            if self._closed.wait(pause_s):
                return True
            pause_s = min(pause_s * 2, LONGEST_LOOK_S)
            unread = self._store.unread(self._id)
        return unread is not None
