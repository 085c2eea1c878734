"""One talk: what the container prints goes to the store as fast as it is read there, what the reader tells goes in."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Event, Lock

from ormen.errors import StoreUnavailable
from ormen.store.talks import TalkStore
from ormen.talk import BEGUN, DATA, END, EXIT, SIGNAL, SIZE, WINDOW, Frame
from worker_agent.gathering import Gathered
from worker_agent.runtime import RuntimeFault
from worker_agent.talking import Dialogue

log = logging.getLogger(__name__)

FULL_S = 0.05
"""How often a writer that waits for the reader looks again."""

LOOK_S, LONGEST_LOOK_S = 0.05, 1.0
"""The pause between two looks at a process that has closed its outputs and runs on: it doubles each time."""

BLOCK_MS = 1000

ENTRY = 128
"""Bytes that count for each unread frame beside its data: Redis and the agent keep that much of it or more."""

UNREAD = "nobody read it any more"


class Talk:
    """A dialogue and the streams of its talk."""

    def __init__(
        self, store: TalkStore, talk_id: str, dialogue: Dialogue, *, on_signal: Callable[[str], object] = str
    ) -> None:
        """`on_signal` is called with its name before a signal is passed on."""
        self._store = store
        self._id = talk_id
        self._dialogue = dialogue
        self._on_signal = on_signal
        self._over = Event()
        self._sent: deque[tuple[tuple[int, int], int]] = deque()
        self._unread = 0
        self._why = ""
        self._lock = Lock()

    def run(self) -> str:
        """Pass on what is printed until its end; tell how it ended."""
        frames = Gathered(self._dialogue)
        try:
            self._say(Frame(BEGUN))
            for frame in frames:
                if not self._say(frame):
                    break
            self._store.conclude(self._id, self._ending())
        except RuntimeFault as fault:
            # What was given up may break off in the engine's words; the reader is to hear why it was.
            said = Frame.error(fault.reason.code.value, fault.reason.sentence)
            self._store.conclude(self._id, self._given_up() if self._why else said)
        except StoreUnavailable:
            self.abandon("the store does not answer")
            raise
        finally:
            self._over.set()
            frames.close()
            self._dialogue.close()
        return self._why or "done"

    def listen(self) -> str:
        """Hand over what the reader tells, in order, until the talk is over."""
        after = "0-0"
        while not self._over.is_set():
            try:
                heard = self._store.listen(self._id, after=after, block_ms=BLOCK_MS)
                for frame in heard.frames:
                    self._obey(frame)
                if heard.frames:
                    self._store.taken(self._id, heard)
                after = heard.next
            except StoreUnavailable:
                # What is printed meets the same fault; without output `attend` ends the talk.
                self._over.wait(1.0)
        return "heard"

    def attend(self) -> bool:
        """Say that the agent is there; return whether somebody reads."""
        try:
            reading, acked = self._store.attend(self._id)
        except StoreUnavailable:
            return True  # it is asked again in a moment
        self._settle(acked)
        return reading

    def abandon(self, why: str = UNREAD) -> None:
        """End what was begun, which may take some seconds; the first reason stands."""
        with self._lock:
            if self._over.is_set() or self._why:
                return
            self._why = why
        try:
            if not self._dialogue.end():
                log.warning("talk %s: %s; its process could not be ended from here", self._id, why)
                self._why = f"{why}; its process may go on"
        except RuntimeFault as fault:
            log.warning("talk %s: %s; its process could not be ended: %s", self._id, why, fault)
        self._dialogue.close()

    def _ending(self) -> Frame:
        pause_s = LOOK_S
        while not self._why:
            if (code := self._dialogue.exit_code()) is not None:
                return Frame(EXIT, str(code).encode())
            # It has closed its outputs and runs on: its end is waited for as long as somebody is there.
            if not self.attend():
                self.abandon()
            self._over.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_LOOK_S)
        return self._given_up()

    def _given_up(self) -> Frame:
        return Frame.error("ABANDONED", f"it was ended: {self._why}")

    def _say(self, frame: Frame) -> bool:
        """Tell the reader; wait while too much is unread. Return False once the talk is given up."""
        while self._unread >= WINDOW and not self._why:
            if not self.attend():
                self.abandon()
            elif self._unread >= WINDOW:
                self._over.wait(FULL_S)
        if self._why:
            return False
        frame_id = self._store.utter(self._id, frame)
        with self._lock:
            cost = len(frame.data) + ENTRY
            self._sent.append((_order(frame_id), cost))
            self._unread += cost
        return True

    def _settle(self, acked: str) -> None:
        with self._lock:
            while self._sent and self._sent[0][0] <= _order(acked):
                self._unread -= self._sent.popleft()[1]

    def _obey(self, frame: Frame) -> None:
        try:
            if frame.kind == DATA:
                self._dialogue.write(frame.data)
            elif frame.kind == END:
                self._dialogue.close_input()
            elif frame.kind == SIZE:
                rows, _, columns = frame.data.decode().partition("x")
                self._dialogue.resize(int(rows), int(columns))
            elif frame.kind == SIGNAL:
                self._on_signal(frame.data.decode())
                self._dialogue.signal(frame.data.decode())
        except (RuntimeFault, ValueError, KeyError) as fault:
            log.info("talk %s: %s", self._id, fault)


def _order(frame_id: str) -> tuple[int, int]:
    at, _, number = frame_id.partition("-")
    return int(at), int(number)
