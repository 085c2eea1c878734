"""Talks in the store: opened and read by a deck, claimed and answered by an agent, forgotten soon after their end.

Each direction is a stream. What was read is trimmed, and who writes waits while a mebibyte is unread, so a talk costs
Redis a bounded amount however much goes through it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ormen.errors import Conflict, IdTaken, NotRunning, TalkNotFound
from ormen.store.redis import RedisStore, answering
from ormen.talk import LAST, READER_S, WINDOW, Frame
from ormen.task import Task

TTL_S = 120
"""How long a talk is kept after its last frame."""

SILENT_MS = 15_000
"""An agent that has not been at a talk for so long is not there any more."""

MOST_READ = 64
"""Frames of one reading."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks of a task's container: ``exec``, ``attach`` or ``copy``, and its options.

    `states` are those of the task in which it makes sense.
    """

    kind: str
    options: Mapping[str, Any]
    by: str = ""
    states: Sequence[str] = ("running",)


@dataclass(frozen=True, slots=True)
class Known:
    """A talk as the store knows it. `state` is asked, claimed, withdrawn or over; `silent` that its agent has gone."""

    id: str
    task: str
    node: str
    attempt: int
    kind: str
    by: str
    state: str
    silent: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What came from the node: frames, the id of the last, and whether it was the talk's last."""

    frames: tuple[Frame, ...]
    next: str

    @property
    def ended(self) -> bool:
        """Return whether nothing comes after it."""
        return any(frame.kind in LAST for frame in self.frames)


@dataclass(frozen=True, slots=True)
class Picked:
    """A talk that this agent has claimed."""

    id: str
    kind: str
    task: str
    attempt: int
    options: Mapping[str, Any]


class TalkStore(RedisStore):
    """The verbs of talks, of both sides."""

    # The deck's side

    @answering
    def open(self, talk_id: str, task: Task, wish: Wish) -> None:
        """Open a talk, once however often it is asked; raises NotRunning, or IdTaken for another talk's id."""
        code = self.run(
            "talk",
            talk=talk_id,
            id=task.id,
            node=task.node or "",
            attempt=str(task.attempt),
            states=list(wish.states),
            kind=wish.kind,
            options=json.dumps(dict(wish.options), sort_keys=True),
            by=wish.by,
            reader=str(READER_S),
            ttl=str(TTL_S),
        )
        if code == "OTHER":
            raise IdTaken(f"the id {talk_id} is another talk's", hint="choose a new id for each command")
        if code == "STATE":
            raise NotRunning(f"{task.name} is no longer where it was a moment ago; nothing was done", hint="ask again")

    @answering
    def withdraw(self, talk_id: str) -> bool:
        """Take back what no agent has claimed; False if one has, so that it may be under way."""
        return bool(self.run("withdraw", talk=talk_id, gone="0"))

    @answering
    def known(self, talk_id: str) -> Known:
        """Return a talk; raises TalkNotFound."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.hgetall(self.keys.talk(talk_id))
            pipe.time()
            found, clock = pipe.execute()
        if not found:
            raise TalkNotFound(f"no talk {talk_id[:40]}", hint="it may have ended more than two minutes ago")
        now_ms = int(clock[0]) * 1000 + int(clock[1]) // 1000
        silent = found["state"] == "claimed" and now_ms - int(found["beat"]) > SILENT_MS
        attempt = int(found["attempt"])
        return Known(talk_id, found["task"], found["node"], attempt, found["kind"], found["by"], found["state"], silent)

    @answering
    def hear(self, talk_id: str, *, after: str, block_ms: int) -> Heard:
        """Return what came after `after`, waiting for the first; what is up to it is forgotten.

        It is also the sign that somebody still reads.
        """
        key = self.keys.talk(talk_id)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.set(f"{key}:reader", "1", ex=READER_S)
            if after != "0-0":
                pipe.hset(key, "acked", after)
                pipe.expire(key, TTL_S)
                pipe.xtrim(f"{key}:out", minid=after, approximate=False)
            pipe.execute()
        return self._read(f"{key}:out", after, block_ms)

    @answering
    def tell(self, talk_id: str, seq: int, frames: Sequence[Frame]) -> int:
        """Tell the node frames, of which the first has the number `seq`; return the number that is due next.

        It is `seq` still where the node has not taken what was told before; frames told already are not told again.
        Raises TalkNotFound, Conflict where frames are missing before these.
        """
        packed = [[frame.kind, frame.pack()] for frame in frames]
        size = sum(len(text) for _, text in packed)
        reply = self.run(
            "tell",
            talk=talk_id,
            seq=str(seq),
            frames=packed,
            bytes=str(size),
            most=str(WINDOW * 4 // 3),
            ttl=str(TTL_S),
            reader=str(READER_S),
        )
        if reply["code"] in ("GONE", "OVER"):
            raise TalkNotFound(f"the talk {talk_id[:40]} is over")
        if reply["code"] == "GAP":
            raise Conflict(f"frame {reply['next']} is due, not {seq}", hint="send them in order")
        return int(reply["next"])

    @answering
    def hang_up(self, talk_id: str) -> None:
        """Say that nobody reads any more: the node ends what was begun."""
        self.run("withdraw", talk=talk_id, gone="1")

    @answering
    def forget(self, talk_id: str) -> None:
        """Forget a talk that was never begun."""
        key = self.keys.talk(talk_id)
        self.client.delete(key, f"{key}:in", f"{key}:out", f"{key}:reader", self.keys.request(talk_id))

    # The agent's side

    @answering
    def pick(self, talk_id: str, *, node: str, instance: str) -> Picked | str:
        """Claim a talk, or return the code of why it is not to be begun; LATE is for the reader to be told."""
        reply = self.run("pick", talk=talk_id, node=node, instance=instance, ttl=str(TTL_S))
        if reply["code"] != "OK":
            return str(reply["code"])
        options = json.loads(reply["options"])
        return Picked(talk_id, reply["kind"], reply["task"], int(reply["attempt"]), options)

    @answering
    def attend(self, talk_id: str) -> tuple[bool, str]:
        """Say that the agent is at the talk; return whether somebody reads, and the last id that was read."""
        reply = self.run("attend", talk=talk_id, ttl=str(TTL_S))
        return bool(reply["reader"]), str(reply["acked"])

    @answering
    def utter(self, talk_id: str, frame: Frame) -> str:
        """Tell the reader a frame; return its id."""
        key = self.keys.talk(talk_id)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.xadd(f"{key}:out", {"kind": frame.kind, "data": frame.pack()})
            pipe.expire(f"{key}:out", TTL_S)
            return str(pipe.execute()[0])

    @answering
    def conclude(self, talk_id: str, frame: Frame) -> None:
        """Tell the last frame."""
        key = self.keys.talk(talk_id)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.xadd(f"{key}:out", {"kind": frame.kind, "data": frame.pack()})
            pipe.hset(key, "state", "over")
            for part in ("", ":out", ":in"):
                pipe.expire(f"{key}{part}", TTL_S)
            pipe.execute()

    @answering
    def listen(self, talk_id: str, *, after: str, block_ms: int) -> Heard:
        """Return what the reader told after `after`, waiting for the first."""
        return self._read(f"{self.keys.talk(talk_id)}:in", after, block_ms)

    @answering
    def taken(self, talk_id: str, heard: Heard) -> None:
        """Say that what was heard has been passed on, so that more may come."""
        key = self.keys.talk(talk_id)
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hincrby(key, "unread", -sum(len(frame.pack()) for frame in heard.frames))
            pipe.expire(key, TTL_S)
            pipe.xtrim(f"{key}:in", minid=heard.next, approximate=False)
            pipe.execute()

    def _read(self, key: str, after: str, block_ms: int) -> Heard:
        reply: Any = self.client.xread({key: after}, count=MOST_READ, block=block_ms)
        rows = reply[0][1] if reply else []
        frames = tuple(Frame.read(fields["kind"], fields["data"]) for _, fields in rows)
        return Heard(frames, rows[-1][0] if rows else after)
