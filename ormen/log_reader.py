"""A task's log as the clients read it: across lines that drop, decks that restart and, followed, the next attempts.

The deck answers with one object a line (manager_api/log_lines.py says which). What has been read is remembered as far
as it takes to go on in the middle, so nothing is left out and nothing comes twice.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from ormen.client_errors import ClientError, Document, error_of
from ormen.log_place import LogPlace
from ormen.transport import Request, Transport, segment

IDLE_S = 40.0
"""The deck sends something every ten seconds; silence beyond this is a dead connection."""

PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0

PATIENCE_S = 60.0
"""For how long a log that is not followed is taken up again after it broke off."""

PASSING = frozenset({0, 502, 503, 504})
"""Statuses that may be another a little later: no deck, no place left, no store, a node that is silent."""

ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which part of a log; `attempt` None: the latest."""

    tail: int | None = None
    since: str | None = None
    until: str | None = None
    follow: bool = False
    attempt: int | None = None


class LogReader:
    """One log. Making it asks the deck, and raises what the deck refuses; `notice` is told what people should know."""

    def __init__(
        self, transport: Transport, word: str, wish: Wish, notice: Callable[[str], None] | None = None
    ) -> None:
        self._transport = transport
        self._word = word
        self._wish = wish
        self._notice = notice or (lambda sentence: None)
        self._place = LogPlace(part=wish.tail is not None or wish.since is not None)
        self._attempt, self._first = wish.attempt, wish.attempt
        self._begun: int | None = None
        self._complete = self._pass_over = False
        self._began_at: str | None = None
        self._away_since: float | None = None
        self._moved_at, self._pause_s = time.monotonic(), PAUSE_S
        self.head: Document = {}
        """What the deck said last of whose lines follow: task, attempt, node, and whether the container is there."""
        self._answer = self._open()

    def batches(self) -> Iterator[list[Document]]:
        """Yield the lines, those together that came together: ``attempt``, ``at``, ``text``, perhaps ``more``."""
        while True:
            last = yield from self._read()
            self._complete = last is not None and last["end"] == ENDED
            if not (self._on() if self._wish.follow else self._again(last)):
                return

    def _query(self) -> Document:
        wish, since = self._wish, self._place.resume()
        query: Document = {"format": "json", "follow": wish.follow, "attempt": self._attempt, "until": wish.until}
        if since is not None or self._attempt != self._first:
            return {**query, "since": since}
        if wish.tail == 0 and self._began_at:
            return {**query, "since": self._began_at}
        return {**query, "tail": wish.tail, "since": wish.since}

    def _open(self) -> http.client.HTTPResponse:
        word = segment(str(self.head.get("task") or self._word))
        return self._transport.stream(Request("GET", f"/v1/tasks/{word}/logs", self._query()), idle_s=IDLE_S)

    def _read(self) -> Generator[list[Document], None, Document | None]:
        """Yield the lines of the answer; return its last object, None if it broke off before."""
        last: Document | None = None
        for objects in _objects(self._answer):
            batch = []
            for each in objects:
                if "text" in each:
                    text = None if self._pass_over else self._place.take(each)
                    if text is not None:
                        batch.append({"attempt": self._attempt, **each, "text": text})
                elif "task" in each:
                    self._begin(each)
                elif "end" in each:
                    last = each
            if batch:
                yield batch
                self._moved_at, self._pause_s = time.monotonic(), PAUSE_S
        return last

    def _begin(self, head: Document) -> None:
        if self._away_since is not None:
            self._notice(f"back after {time.monotonic() - self._away_since:.0f}s")
            self._away_since = None
        number = head["attempt"]
        # The kept lines of an attempt that was read while it lived have no times, and most of them are known.
        self._pass_over = number == self._begun and not head["live"]
        if self._begun is None:
            self._first = self._first or number or None
            if number and not head["live"]:
                self._notice(_whose(head))
        elif number != self._begun and number:
            self._notice(_whose(head))
        elif self._pass_over and not self._complete:
            gone = f"the container of attempt {number} has gone meanwhile"
            self._notice(f"{head['name']}: {gone}, and what it printed last may be missing")
        self.head, self._attempt, self._begun = head, number or None, number
        self._began_at = self._began_at or head["at"]

    def _again(self, last: Document | None) -> bool:
        """Take up a log that is not followed if it broke off; return whether there is more of it."""
        while not self._complete:
            try:
                self._answer = self._open()
                return True
            except ClientError as error:
                if error.http_status not in PASSING or time.monotonic() - self._moved_at > PATIENCE_S:
                    raise _broken_off(str(last["sentence"]) if last else error.sentence) from error
            self._rest()
        return False

    def _on(self) -> bool:
        """Go on with a log that is followed as long as its task goes on; return whether there is more of it."""
        told = ""
        if self._complete:
            self._rest()  # an end is on record only a moment later
        while True:
            try:
                word = segment(str(self.head.get("task") or self._word))
                task = self._transport.send(Request("GET", f"/v1/tasks/{word}", patience_s=0.0))
                if self._take_up(task):
                    return True
                sentence = _state_of(task)
                if task["state"] in ("completed", "failed"):
                    self._notice(sentence)
                    return False
                if sentence != told:
                    told = sentence
                    self._notice(sentence)
                self._rest()
            except ClientError as error:
                if error.code == "TASK_NOT_FOUND":
                    self._notice(f"{self.head.get('name') or self._word} was removed")
                    return False
                self._wait_out(error)

    def _take_up(self, task: Document) -> bool:
        """Ask for what follows, if there is something to ask for."""
        mine, present = self._attempt or 0, int(task["attempt"])
        over = task["state"] in ("completed", "failed")
        if mine == present:
            if not mine or (self._complete and task["state"] != "running"):
                return False
        elif mine > present:
            return False
        else:
            following = mine + 1 if mine else present
            if following == present and not task["container_id"] and not over:
                return False
            self._attempt, self._place, self._complete = following, LogPlace(), False
        try:
            self._answer = self._open()
        except ClientError as error:
            if error.code != "ATTEMPT_NOT_FOUND":
                raise
            self._complete = True  # it left nothing
            return self._attempt != present and self._take_up(task)
        return True

    def _wait_out(self, error: ClientError) -> None:
        """Say once that something is away and wait a little; raise what no wait can cure."""
        if error.http_status not in PASSING:
            raise error
        if self._away_since is None:
            self._away_since = time.monotonic()
            away = f"the deck at {self._transport.address} does not answer"
            self._notice(f"{away if error.http_status == 0 else error.sentence}, trying again")
        self._rest(error.retry_after_s)

    def _rest(self, at_least_s: float = 0.0) -> None:
        self._transport.pause(max(self._pause_s, min(at_least_s, 5.0)))
        self._pause_s = min(self._pause_s * 1.5, LONGEST_PAUSE_S)


def printed(batches: Iterable[list[Document]], *, timestamps: bool) -> Iterator[bytes]:
    """Yield lines as they were printed; `timestamps`: each with its time, where it is known."""
    inside = False
    for batch in batches:
        parts: list[str] = []
        for line in batch:
            parts.append(f"{line['at']} " if timestamps and line["at"] and not inside else "")
            inside = bool(line.get("more"))
            parts.append(line["text"] if inside else f"{line['text']}\n")
        yield "".join(parts).encode()


def _objects(answer: http.client.HTTPResponse) -> Iterator[list[Document]]:
    """Yield the objects of an answer, those together that came together, until it ends or breaks off."""
    held = b""
    try:
        while piece := answer.read1(65_536):
            *whole, held = (held + piece).split(b"\n")
            if whole:
                yield [json.loads(line) for line in whole]
    except (OSError, http.client.HTTPException):
        return  # whoever reads sees that the last object is missing
    finally:
        answer.close()


def _whose(head: Document) -> str:
    where = f" on {head['node']}" if head["node"] else ""
    return f"{head['name']}: attempt {head['attempt']}{where}" + ("" if head["live"] else ", the lines kept of it")


def _state_of(task: Document) -> str:
    reason = (task["reason"] or {}).get("sentence")
    where = f" on {task['node']}" if task["node"] and task["state"] != "pending" else ""
    return f"{task['name']} is {task['state']}{where}" + (f": {reason}" if reason else "")


def _broken_off(sentence: str) -> ClientError:
    return error_of(
        {
            "type": "/problems/broken_off",
            "title": "The answer broke off",
            "status": 0,
            "code": "BROKEN_OFF",
            "detail": f"the log broke off: {sentence}",
            "hint": "repeating the command is safe.",
        }
    )
