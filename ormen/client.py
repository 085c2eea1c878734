"""ormen from Python: ``Client("deck:5555").run("nginx", ports={80: 8080}).wait()``.

Answers are the API's JSON objects as plain dictionaries. The client chooses every task's id itself, so that a
request whose answer was lost can be repeated without starting anything twice.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Unpack

from ormen.client_base import granted
from ormen.client_copy import CopyCalls
from ormen.client_errors import BrokenOff, TaskFailed, Unreachable, WaitedTooLong
from ormen.handles import TaskHandle
from ormen.log_reader import LogReader, Wish, printed
from ormen.spec_fields import ChangeFields, Ports, SpecFields, port_objects
from ormen.sse import read_messages
from ormen.transport import ClientError, Document, Request, segment

__all__ = [
    "BrokenOff",
    "Client",
    "ClientError",
    "Document",
    "TaskFailed",
    "TaskHandle",
    "Unreachable",
    "WaitedTooLong",
]

EVENTS_IDLE_S = 40.0
"""A stream of events sends a comment every 15 s; silence beyond this is a dead connection."""

Notice = Callable[[str], None]
"""Is told a sentence for people."""


class Client(CopyCalls):
    """Talks to one deck. Safe to use from several threads."""

    # Tasks

    def run(self, image: str, *, ports: Ports | None = None, **fields: Unpack[SpecFields]) -> TaskHandle:
        """Submit one task and return at once; `ports` maps container port to host port (None: a free one).

        `fields` are the spec's other fields, for example ``name="web"`` or ``health={"http": "/"}``. A `ports` that is
        a list is the spec's own. Raises InvalidSpec with every fault, NameTaken and others of `ormen.errors`.
        """
        if "count" in fields:
            raise TypeError("run starts one task; give run_all a spec with count")
        return self.run_all([{"image": image, **port_objects(ports), **fields}])[0]

    def run_all(self, specs: Iterable[Mapping[str, Any]]) -> list[TaskHandle]:
        """Submit tasks together, all or none, and return at once; a spec with ``count`` gives that many handles."""
        return [TaskHandle(self, record) for record in self.submit(list(specs))]

    def run_file(self, path: str | PathLike[str]) -> list[TaskHandle]:
        """Submit the tasks of a JSON or YAML file, as ``ormen run -f`` does; raises FileFault, OSError."""
        from ormen.files import read_tasks

        with open(path, encoding="utf-8") as file:
            specs, _ = read_tasks(file.read(), str(path))
        return self.run_all(specs)

    def handle(self, word: str) -> TaskHandle:
        """Return a task by its name, id or a unique beginning of the id; raises TaskNotFound, Ambiguous."""
        return TaskHandle(self, self.task(word))

    def handles(
        self,
        *,
        states: Sequence[str] = (),
        node: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
    ) -> Iterator[TaskHandle]:
        """Yield the tasks that fit, newest first, as `tasks` does."""
        return (TaskHandle(self, record) for record in self.tasks(states=states, node=node, name=name, labels=labels))

    def submit(self, specs: Sequence[Mapping[str, Any]], *, wait_s: float = 0) -> list[Document]:
        """Submit tasks together and return their records; nothing is stored if one spec has a fault.

        A spec without an id gets one, so a repeat starts nothing twice. With `wait_s` the answer comes once all run,
        or after that time.
        """
        body = [{**spec, "id": spec.get("id") or str(uuid.uuid4())} for spec in specs]
        wait = {"wait": "running", "timeout": granted(wait_s)} if wait_s else {}
        records = self._transport.send(Request("POST", "/v1/tasks", wait, body, wait_s=wait_s))
        return list(records)

    def plan(self, specs: Sequence[Mapping[str, Any]]) -> Document:
        """Return where tasks would go and which would wait, with the reasons; nothing is changed."""
        return self._object("POST", "/v1/plan", list(specs))

    def task(self, word: str) -> Document:
        """Return one task by its name, id or a unique beginning of the id."""
        return self._object("GET", f"/v1/tasks/{segment(word)}")

    def why(self, word: str, *, node: str | None = None, every: bool = False) -> Document:
        """Return why a task waits, failed, moved, is slow or runs; with `node` why it is not there.

        Of more than twenty nodes the nearest to fitting are told, and the others in groups; `every` tells each.
        """
        query = {"node": node, **({"all": True} if every else {})}
        found: Document = self._transport.send(Request("GET", f"/v1/tasks/{segment(word)}/why", query))
        return found

    def attempts(self, word: str) -> list[Document]:
        """Return the attempts on record, at most ten."""
        return list(self._object("GET", f"/v1/tasks/{segment(word)}/attempts")["items"])

    def tasks(
        self,
        *,
        states: Sequence[str] = (),
        node: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
    ) -> Iterator[Document]:
        """Yield the tasks that fit, newest first; pages are fetched as they are needed."""
        query = {"state": list(states), "node": node, "name": name, "label": list(labels)}
        return self._pages("/v1/tasks", query)

    def stop(self, word: str, *, wait_s: float = 0) -> Document:
        """Ask for a task to be stopped; with `wait_s` return once its container is gone, or after that time."""
        return self._change(word, "stop", wait_s)

    def restart(self, word: str, *, wait_s: float = 0) -> Document:
        """Ask for a new attempt; with `wait_s` return once it is up, or after that time."""
        return self._change(word, "restart", wait_s)

    def retry(self, word: str, *, wait_s: float = 0) -> Document:
        """Try a waiting or failed task now."""
        return self._change(word, "retry", wait_s)

    def update(self, word: str, *, wait_s: float = 0, **fields: Unpack[ChangeFields]) -> Document:
        """Change a task's name, labels or resources; None is the default, and takes a label away.

        With `wait_s` return once a container that runs has its new limits, or after that time. Raises InvalidSpec,
        NameTaken, and NoRoom where its node cannot reserve so much; nothing is changed then.
        """
        query = {"wait": True, "timeout": granted(wait_s)} if wait_s else {}
        request = Request("PATCH", f"/v1/tasks/{segment(word)}", query, dict(fields), wait_s=wait_s)
        record: Document = self._transport.send(request)
        return record

    def remove(self, word: str, *, force: bool = False, wait_s: float = 0) -> Document | None:
        """Remove an ended task and its record; with `force` stop a running one first.

        With `wait_s` return None once its container is gone, too, or after that time the task and the node that
        has not said so.
        """
        query: Document = {"force": force, **({"wait": True, "timeout": granted(wait_s)} if wait_s else {})}
        left: Document | None = self._transport.send(
            Request("DELETE", f"/v1/tasks/{segment(word)}", query, wait_s=wait_s)
        )
        return left

    def logs(
        self,
        word: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        follow: bool = False,
        timestamps: bool = False,
        attempt: int | None = None,
        notice: Notice | None = None,
    ) -> Iterator[bytes]:
        """Yield what the task's container printed, in pieces as they arrive.

        A line that drops is taken up again where it was. With `follow` it goes on with the task's next attempts, until
        the task has ended; `notice` is told so, and when the deck is away. `attempt` begins with an earlier one.
        """
        wish = Wish(tail, since, until, follow, attempt)
        return printed(LogReader(self._transport, word, wish, notice).batches(), timestamps=timestamps)

    def log_lines(self, word: str, wish: Wish | None = None, *, notice: Notice | None = None) -> Iterator[Document]:
        """Yield the lines of a log as `logs` does, each with ``attempt``, ``at`` (None: not known) and ``text``.

        An object with ``more`` is the beginning of a line that goes on in the next.
        """
        reader = LogReader(self._transport, word, wish or Wish(), notice)
        return (line for batch in reader.batches() for line in batch)

    # Events and the deck itself

    def task_events(self, word: str) -> Iterator[Document]:
        """Yield what happened to one task, oldest first; pages are fetched as they are needed."""
        return self._pages(f"/v1/tasks/{segment(word)}/events", {})

    def events(self, *, task: str | None = None, node: str | None = None, since: str | None = None) -> list[Document]:
        """Return past events, oldest first."""
        return list(self._pages("/v1/events", {"task": task, "node": node, "since": since}))

    def follow_events(
        self,
        *,
        task: str | None = None,
        node: str | None = None,
        after: str | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> Iterator[Document]:
        """Yield events as they happen, with their ``id`` and ``type``, for ever.

        Begins after the event `after` (None: now). When the stream breaks it is taken up again where it ended,
        so nothing is missed; `notice` is told when the deck is away and when it is back. An event of type
        ``gap`` says that events were already forgotten.
        """
        away_since: float | None = None
        connected = False

        def begin(place: str) -> None:
            nonlocal after
            after = after or place

        while True:
            try:
                resume = {"Last-Event-ID": after} if after else {}
                query = {"follow": True, "task": task, "node": node}
                answer = self._transport.stream(
                    Request("GET", "/v1/events", query, headers=resume), idle_s=EVENTS_IDLE_S
                )
                if away_since is not None and notice:
                    notice(f"back after {time.monotonic() - away_since:.0f}s")
                away_since, connected = None, True
                with answer:
                    for message in read_messages(answer, at=begin):
                        after = message.id or after
                        yield {**json.loads(message.data), "id": message.id, "type": message.event}
            except ClientError as error:
                if error.http_status not in (0, 503) or not connected:
                    raise
            except (OSError, http.client.HTTPException):
                pass  # the stream was cut or fell silent: the next round takes it up again
            if away_since is None:
                away_since = time.monotonic()
                if notice:
                    notice(f"the deck at {self.address} does not answer, trying again")
            self._transport.pause(0.5)

    def version(self) -> str:
        """Return the deck's version."""
        return str(self._object("GET", "/v1/version")["version"])

    def _change(self, word: str, verb: str, wait_s: float) -> Document:
        query = {"wait": True, "timeout": granted(wait_s)} if wait_s else {}
        path = f"/v1/tasks/{segment(word)}/{verb}"
        # A second restart would end the attempt that the first one began; a second stop changes nothing.
        request = Request("POST", path, query, wait_s=wait_s, repeatable=verb == "stop")
        record: Document = self._transport.send(request)
        return record
