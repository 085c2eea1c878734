"""A task in a program's hand: what the deck last said of it, and what can be asked of it."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from ormen.client_errors import Document, TaskFailed, WaitedTooLong
from ormen.outcome import Reach, code_of, is_up, reach, sentence_of
from ormen.spec_fields import ChangeFields

if TYPE_CHECKING:
    from ormen.client import Client

Goal = Literal["running", "completed", "failed", "ended"]
"""What can be waited for; running means healthy too where there is a check, ended is completed or failed."""

FIRST_LOOK_S, LONGEST_LOOK_S = 0.1, 1.0
"""The pause between two looks at a task that is waited for: it grows by half each time."""


class TaskView:
    """What a record says, by name. `record` is the API's whole JSON object."""

    def __init__(self, record: Document) -> None:
        self.record = record

    def __repr__(self) -> str:
        where = f" on {self.node}" if self.node else ""
        return f"<{type(self).__name__} {self.name} {self.id[:8]}: {self.state}{where}>"

    @property
    def id(self) -> str:
        """Return the task's id, which this program chose."""
        return str(self.record["id"])

    @property
    def name(self) -> str:
        """Return the task's name."""
        return str(self.record["name"])

    @property
    def state(self) -> str:
        """Return pending, scheduled, running, completed or failed."""
        return str(self.record["state"])

    @property
    def health(self) -> str | None:
        """Return starting, healthy or failing; None without a check, or while it does not run."""
        found: str | None = self.record["health"]
        return found

    @property
    def node(self) -> str | None:
        """Return the node that has it, None while none does."""
        found: str | None = self.record["node"]
        return found

    @property
    def attempt(self) -> int:
        """Return the number of the latest attempt, 0 before the first."""
        return int(self.record["attempt"])

    @property
    def exit_code(self) -> int | None:
        """Return the code of the latest exit, None before one."""
        found: int | None = self.record["exit_code"]
        return found

    @property
    def reason_code(self) -> str | None:
        """Return the stable code of why it is not as wanted (FIT_MEMORY, EXIT …), None if it is."""
        return code_of(self.record)

    @property
    def sentence(self) -> str:
        """Return why it is not as wanted, for people; empty if it is."""
        return sentence_of(self.record)

    @property
    def is_up(self) -> bool:
        """Return whether it runs, and is healthy if it has a check."""
        return is_up(self.record)

    @property
    def ports(self) -> list[dict[str, Any]]:
        """Return its published ports: container, host, protocol, address."""
        return list(self.record["ports"])

    def address(self, port: int | None = None) -> str:
        """Return ``host:port`` where a container port is reached (None: the first); raise KeyError if none is."""
        for each in self.ports:
            if port in (None, each["container"]):
                return f"{each['address']}:{each['host']}"
        raise KeyError(port)


class TaskHandle(TaskView):
    """A task of one deck. What it knows is as old as the last call; `refresh` asks anew."""

    def __init__(self, client: Client, record: Document) -> None:
        super().__init__(record)
        self._client = client

    def refresh(self) -> Self:
        """Ask the deck for the record as it is now."""
        self.record = self._client.task(self.id)
        return self

    def wait(self, until: Goal = "running", *, timeout: float = 300.0) -> Self:
        """Return once the task is there; raise TaskFailed where it cannot come to it, WaitedTooLong when time is over.

        A deck that goes away meanwhile is waited for as `Client(patience=…)` says.
        """
        deadline, pause_s = time.monotonic() + timeout, FIRST_LOOK_S
        while not arrived(self.refresh().record, until):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise too_long(self.record, until, timeout)
            self._client.pause(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, LONGEST_LOOK_S)
        return self

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        timestamps: bool = False,
    ) -> Iterator[str]:
        """Yield what its container prints, line by line, without line ends; with `follow` until the task has ended."""
        pieces = self._client.logs(self.id, tail=tail, since=since, until=until, follow=follow, timestamps=timestamps)
        return lines(pieces)

    def events(self, *, follow: bool = False) -> Iterator[Document]:
        """Yield what happened to it, oldest first; with `follow` go on for ever, also across restarts of the deck."""
        if follow:
            return self._client.follow_events(task=self.id, after=before(self.record))
        return self._client.task_events(self.id)

    def attempts(self) -> list[Document]:
        """Return its attempts on record, at most ten."""
        return self._client.attempts(self.id)

    def stop(self, *, wait_s: float = 30.0) -> Self:
        """Stop it; return once its container is gone, or after `wait_s`."""
        self.record = self._client.stop(self.id, wait_s=wait_s)
        return self

    def restart(self, *, wait_s: float = 0) -> Self:
        """Want a new attempt. Not repeated by itself when the line drops: a second would end what the first began."""
        self.record = self._client.restart(self.id, wait_s=wait_s)
        return self

    def retry(self, *, wait_s: float = 0) -> Self:
        """Try it now, if it waits or has failed."""
        self.record = self._client.retry(self.id, wait_s=wait_s)
        return self

    def update(self, *, wait_s: float = 30.0, **fields: Unpack[ChangeFields]) -> Self:
        """Change its name, labels or resources; return once its container has new limits, or after `wait_s`."""
        self.record = self._client.update(self.id, wait_s=wait_s, **fields)
        return self

    def remove(self, *, force: bool = False, wait_s: float = 30.0) -> None:
        """Remove its record; with `force` stop it first. Return once its container is gone, or after `wait_s`."""
        self._client.remove(self.id, force=force, wait_s=wait_s)


def arrived(record: Document, until: Goal) -> bool:
    """Return whether a task is where it is waited for; raise TaskFailed if it cannot come there."""
    found = reach(record, until)
    if found is Reach.NEVER:
        why = sentence_of(record) or f"it is {record['state']}"
        raise TaskFailed(record, f"{record['name']}: {why}")
    return found is Reach.THERE


def too_long(record: Document, until: Goal, timeout_s: float) -> WaitedTooLong:
    """Return the error of a wait whose time is over."""
    goal = "up" if until == "running" else until
    why = sentence_of(record) or f"it is {record['state']}"
    return WaitedTooLong(record, f"{record['name']} is not {goal} within {timeout_s:g}s: {why}")


def before(record: Document) -> str:
    """Return the id after which a task's events begin."""
    from datetime import datetime

    return f"{int(datetime.fromisoformat(record['created_at']).timestamp() * 1000) - 1}-0"


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text that comes in pieces; the last one may lack its end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + decoder.decode(piece)).split("\n")
        yield from (line.removesuffix("\r") for line in whole)
    if rest:
        yield rest
