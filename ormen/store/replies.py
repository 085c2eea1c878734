"""What decks ask of agents, and the answers: parts in a stream that goes when nobody reads it.

Either side may go away at any moment. A reader shows by a key of its own that it is there, and an agent whose reader
is gone ends its work. A reader that is slow leaves parts unread; an agent that heeds their number slows with it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ormen.store.redis import RedisStore, answering
from ormen.task import Task

REPLY_TTL_S = 60
"""How long a request waits to be claimed, and an answer to be read after its last part."""

READER_TTL_S = 10
"""How long an agent goes on answering a reader that shows no sign of life."""

REPLY_PARTS = 10_000
"""How many parts of an answer Redis keeps for a reader that forgets none of what it has read."""

ATTEMPT_OVER = "ATTEMPT_OVER"
"""The code of an agent's refusal: the attempt that was asked about is not the task's last any more."""

AT_ONCE = 16
"""How many parts are read at once where those that were read are forgotten."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A part of an agent's answer: `kind` is ``data``, ``end`` or ``error``; an error may have a stable `code`.

    A log's first part has in `at` the host's time at which it was asked for, RFC 3339.
    """

    id: str
    kind: str
    data: str
    code: str = ""
    at: str = ""


class Asker(RedisStore):
    """The deck's side."""

    def ask(self, task: Task, kind: str, options: Mapping[str, Any]) -> str | None:
        """Ask the agent of a task's node something; return the request's id, None if the node is lost.

        The caller rings the node.
        """
        node = task.node or ""
        return self.ask_nodes(kind, {node: options}, task=task.id).get(node)

    @answering
    def ask_nodes(self, kind: str, wanted: Mapping[str, Mapping[str, Any]], *, task: str = "") -> dict[str, str]:
        """Ask the agents of these nodes something, each with its options; return the request's id of each.

        A node that is lost is not asked and is missing. The caller rings the others.
        """
        requests = {node: uuid.uuid4().hex for node in wanted}
        rest = {"kind": kind, "task": task, "ttl": str(REPLY_TTL_S), "reader": str(READER_TTL_S)}
        asked = self.run_each(
            "ask",
            [
                {"request": requests[node], "node": node, "options": json.dumps(dict(options)), **rest}
                for node, options in wanted.items()
            ],
        )
        return {node: requests[node] for node, done in zip(wanted, asked, strict=True) if done}

    @answering
    def replies(self, requests: Sequence[str]) -> dict[str, list[Reply]]:
        """Return what has come of each answer, from its first part on; says that somebody still reads."""
        with self.client.pipeline(transaction=False) as pipe:
            for request in requests:
                pipe.set(self.keys.reader(request), "1", ex=READER_TTL_S)
            for request in requests:
                pipe.xrange(self.keys.reply(request))
            found = pipe.execute()[len(requests) :] if requests else []
        return {request: _parts(rows) for request, rows in zip(requests, found, strict=True)}

    @answering
    def read_on(self, request: str, *, after: str) -> list[Reply]:
        """Return a few parts after `after`, if there are some, and forget those before: there is room for more.

        It is no sign that somebody reads: `still_reading` is.
        """
        key = self.keys.reply(request)
        with self.client.pipeline(transaction=False) as pipe:
            pipe.xtrim(key, minid=_next(after), approximate=False)
            pipe.xread({key: after}, count=AT_ONCE)
            answer = pipe.execute()[1]
        return _parts(answer[0][1] if answer else ())

    @answering
    def still_reading(self, requests: Iterable[str]) -> None:
        """Say that somebody still reads the answers to these requests."""
        with self.client.pipeline(transaction=False) as pipe:
            for request in requests:
                pipe.set(self.keys.reader(request), "1", ex=READER_TTL_S)
            pipe.execute()

    @answering
    def hang_up(self, *requests: str) -> None:
        """Say that nobody reads the answers to these requests any more."""
        if requests:
            self.client.delete(*map(self.keys.reader, requests), *map(self.keys.reply, requests))


class Answerer(RedisStore):
    """The agent's side."""

    @answering
    def claim(self, request: str) -> bool:
        """Return true to the first caller only, and only while somebody waits for the answer.

        So a request whose ring is doubled is done once, and one that waited too long not at all.
        """
        key = self.keys.request(request)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.exists(self.keys.reader(request))
            pipe.hsetnx(key, "claimed", "1")
            # The request may have run out since it was taken: the mark must not outlive it.
            pipe.expire(key, REPLY_TTL_S)
            read, first, _ = pipe.execute()
        return bool(read and first)

    def answer(self, request: str, kind: str, data: str, *, code: str = "") -> bool:
        """Add a part (``data``, ``end`` or ``error``) to an answer; False when nobody reads it any more."""
        return self.pass_on(request, data, kind=kind, code=code) is not None

    @answering
    def pass_on(self, request: str, data: str, *, kind: str = "data", code: str = "", at: str = "") -> int | None:
        """Add a part to an answer and return how many are unread, this one among them; None when nobody reads."""
        key = self.keys.reply(request)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.exists(self.keys.reader(request))
            more = {"code": code, "at": at}
            part = {"kind": kind, "data": data, **{name: value for name, value in more.items() if value}}
            pipe.xadd(key, part, maxlen=REPLY_PARTS, approximate=True)
            pipe.expire(key, REPLY_TTL_S)
            pipe.xlen(key)
            read, _, _, unread = pipe.execute()
        return int(unread) if read else None

    @answering
    def unread(self, request: str) -> int | None:
        """Return how many parts of an answer are unread, None when nobody reads; the answer is kept meanwhile."""
        key = self.keys.reply(request)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.exists(self.keys.reader(request))
            pipe.expire(key, REPLY_TTL_S)
            pipe.xlen(key)
            read, _, unread = pipe.execute()
        return int(unread) if read else None


def _parts(rows: Iterable[tuple[str, Mapping[str, str]]]) -> list[Reply]:
    return [
        Reply(row_id, fields["kind"], fields["data"], fields.get("code", ""), fields.get("at", ""))
        for row_id, fields in rows
    ]


def _next(entry: str) -> str:
    """Return the smallest id that is later than a stream's entry."""
    ms, _, number = entry.partition("-")
    return f"{ms}-{int(number or 0) + 1}"
