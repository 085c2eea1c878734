"""Talking with a task's container: a command in it, with its streams, from wherever the client is.

What comes is fetched in short requests, each of which says up to where the one before was received, and what is told is
numbered. So a deck may go away and come back in the middle, and nothing is lost or doubled.
"""

from __future__ import annotations

import contextlib
import io
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ormen.client_errors import ClientError, Document, error_of
from ormen.client_fleet import FleetCalls
from ormen.talk import DATA, END, ERR, ERROR, EXIT, LAST, MOST_FRAME, OUT, POLL_S, Frame
from ormen.transport import Request, Transport, segment

BEGIN_S = 15.0
"""How long the deck may take to say whether the command has begun."""

AWAY_S = 12.0
"""For how long the deck may be away in the middle; a little later the node ends what nobody reads."""

TOGETHER = 8
"""Frames of input that go in one request."""

TOLD_S = 5.0
"""How long the deck may take to hand over what the container does not take at once."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """Return what it printed to its standard output, as text."""
        return self.stdout.decode(errors="replace")


class Talk:
    """A talk under way. Iterate over `frames` in one thread; `tell` may be called from another."""

    def __init__(self, transport: Transport, document: Document) -> None:
        self._transport = transport.patient(AWAY_S)
        self._path = f"/v1/talks/{segment(document['id'])}"
        self._seq = 0
        self._lock = threading.Lock()
        self.document = document
        self.ended = False

    def frames(self) -> Iterator[Frame]:
        """Yield what comes, up to the last, which is an `EXIT`; raise ClientError for an `ERROR`."""
        after = "0-0"
        while not self.ended:
            request = Request("GET", f"{self._path}/output", {"after": after, "wait": int(POLL_S)}, wait_s=POLL_S)
            answer = self._transport.send(request)
            after = answer["next"]
            for item in answer["frames"]:
                frame = Frame.read(item["kind"], item["data"])
                self.ended = frame.kind in LAST
                if frame.kind == ERROR:
                    raise _fault(frame)
                yield frame

    def tell(self, frames: Sequence[Frame]) -> None:
        """Tell frames, in order and each once; wait while the container takes none. After its end: TalkNotFound."""
        with self._lock:
            body = {"seq": self._seq, "frames": [frame.to_json() for frame in frames]}
            due = self._seq
            while due == self._seq:
                if self.ended:
                    return
                due = self._transport.send(Request("POST", f"{self._path}/input", body=body, wait_s=TOLD_S))["next"]
            self._seq = due

    def hang_up(self) -> None:
        """Leave it; its node ends what was begun. One that has ended, or a deck that is away, is fine."""
        if self.ended:
            return
        self.ended = True
        with contextlib.suppress(ClientError):
            # Also by a client that was closed: the command is ended at once, not when its reader is missed.
            self._transport.patient(1.0, apart=True).send(Request("DELETE", self._path))


class TalkCalls(FleetCalls):
    """The calls that enter containers."""

    def talk(
        self,
        word: str,
        command: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
        env: Mapping[str, Any] | None = None,
        user: str | None = None,
        workdir: str | None = None,
    ) -> Talk:
        """Begin a command in the container of a running task, and return once it has begun.

        Raises NotRunning, and others of `ormen.errors`: then it did not run, and never will.
        """
        options = {"tty": tty, "stdin": stdin, "env": dict(env or {}) or None, "user": user, "workdir": workdir}
        body = {"id": str(uuid.uuid4()), "command": list(command), **options}
        path = f"/v1/tasks/{segment(word)}/exec"
        return Talk(self._transport, self._transport.send(Request("POST", path, body=body, wait_s=BEGIN_S)))

    def attach(self, word: str) -> Talk:
        """Join the streams of a task's container, from its first byte on; the talk ends with the container.

        A task with ``stdin`` takes input, from one reader. Raises NotRunning before it has started.
        """
        request = Request("POST", f"/v1/tasks/{segment(word)}/attach", body={"id": str(uuid.uuid4())}, wait_s=BEGIN_S)
        return Talk(self._transport, self._transport.send(request))

    def exec(
        self,
        word: str,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        env: Mapping[str, Any] | None = None,
        user: str | None = None,
        workdir: str | None = None,
    ) -> Finished:
        """Run a command in the container of a running task to its end, and return its code and what it printed.

        `stdin` is all of its input. Whatever ends this call early ends the command as well.
        """
        talk = self.talk(word, command, stdin=stdin is not None, env=env, user=user, workdir=workdir)
        feeder = threading.Thread(target=_feed, args=(talk, stdin), daemon=True)
        if stdin is not None:
            feeder.start()
        try:
            return gathered(talk.frames())
        finally:
            talk.hang_up()


def gathered(frames: Iterator[Frame]) -> Finished:
    """Return how a command ended, and all it printed."""
    code, out, err = 0, bytearray(), bytearray()
    for frame in frames:
        if frame.kind == OUT:
            out += frame.data
        elif frame.kind == ERR:
            err += frame.data
        elif frame.kind == EXIT:
            code = int(frame.data)
    return Finished(code, bytes(out), bytes(err))


def pieces(read: Callable[[int], bytes]) -> Iterator[Frame]:
    """Yield input as frames, and its end."""
    while data := read(MOST_FRAME):
        yield Frame(DATA, data)
    yield Frame(END)


def _feed(talk: Talk, data: bytes) -> None:
    frames = list(pieces(io.BytesIO(data).read))
    with contextlib.suppress(ClientError):  # whoever reads the talk meets the same, or its end
        for at in range(0, len(frames), TOGETHER):
            talk.tell(frames[at : at + TOGETHER])


def _fault(frame: Frame) -> ClientError:
    code, sentence = frame.fault
    return error_of(
        {"title": "It did not end by itself", "status": 502, "code": code, "detail": sentence, "hint": None}
    )
