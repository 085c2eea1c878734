"""Reading tasks: one, by a word, or as pages; and what waits."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

from ormen.errors import Ambiguous, TaskNotFound
from ormen.messages import SENT
from ormen.reasons import WAITS_FOR_ROOM
from ormen.store.history import EventReader
from ormen.store.listing import TaskLister
from ormen.store.redis import answering
from ormen.task import State, Task, Wanted

SCAN = 1000
"""Waiting tasks that are looked at for one's place among them."""


class TaskReader(TaskLister, EventReader):
    """Reads tasks and events."""

    def task(self, task_id: str) -> Task | None:
        """Return the task with exactly this id, or None; a removed one is None."""
        task = self.read([task_id])[task_id]
        return None if task is None or task.wanted is Wanted.REMOVED else task

    @answering
    def find(self, word: str) -> Task:
        """Return the task a word means: the live task of that name, else the newest ended one, else by id or prefix.

        Raises TaskNotFound with `near` names, Ambiguous with `matches` when a prefix fits several tasks.
        """
        prefix = word.lower()
        with self.client.pipeline(transaction=False) as pipe:
            pipe.hget(self.keys.names, word)
            pipe.zrevrangebylex(self.keys.past, f"({word}\x01", f"[{word}\0", 0, 1)
            pipe.zrangebylex(self.keys.ids, f"[{prefix}", f"[{prefix}\xff", 0, 10 if prefix else 0)
            holder, past, ids = pipe.execute()
        named = self.task(holder or past[0].rsplit("\0", 1)[1]) if holder or past else None
        if named is not None:
            return named
        if len(ids) == 1 or (ids and ids[0] == prefix):
            task = self.task(ids[0])
            if task is not None:
                return task
        if len(ids) > 1:
            found = [task for task in self.read(ids).values() if task]
            raise Ambiguous(
                f'"{word}" fits {len(ids)} tasks' if len(ids) < 10 else f'"{word}" fits 10 tasks or more',
                hint="give more of the id, or the name",
                matches=[{"id": t.id, "name": t.name, "state": t.state.value, "node": t.node} for t in found],
            )
        near = self._near(word)
        hint = f"did you mean {_either(near)}?" if near else None
        raise TaskNotFound(f'no task "{word}"', hint=hint, near=near)

    def _near(self, word: str) -> list[str]:
        _, some = self.client.hscan(self.keys.names, count=1000)
        past = self.client.zrevrange(self.keys.past, 0, 200)
        names = sorted({*some, *(member.split("\0", 1)[0] for member in past)})
        close = difflib.get_close_matches(word, names, n=3)
        return close or [name for name in names if word and word in name][:3]

    @answering
    def claims(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[Task | None, str | None, str | None]]:
        """Return for each (id, name) the task that has the id, its content's digest, and who holds the name.

        Of a digest there are its first digits, at least.
        """
        found = self.read([task_id for task_id, _ in wanted])
        with self.client.pipeline(transaction=False) as pipe:
            for task_id, name in wanted:
                pipe.hget(self.keys.task(task_id), "digest")
                pipe.hget(self.keys.names, name)
            replies = pipe.execute() if wanted else []
        return [(found[task_id], *replies[2 * place : 2 * place + 2]) for place, (task_id, _) in enumerate(wanted)]

    @answering
    def counts(self) -> dict[State, int]:
        """Return how many tasks are in each state."""
        raw = self.client.hgetall(self.keys.counts)
        return {state: int(raw.get(state.value, 0)) for state in State}

    @answering
    def waiting(self) -> int:
        """Return how many tasks are pending."""
        return int(self.client.zcard(self.keys.pending))

    @answering
    def loops(self) -> dict[str, int]:
        """Return when each loop last succeeded, in ms of Redis's clock."""
        raw = self.client.hgetall(self.keys.loops)
        return {name: int(at) for name, at in raw.items() if ":" not in name and name != "since"}

    @answering
    def queue_lengths(self, names: Sequence[str]) -> dict[str, int]:
        """Return how many messages wait in each Celery queue."""
        with self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(name)
            return dict(zip(names, map(int, pipe.execute()), strict=True))

    @answering
    def oldest_messages(self, names: Sequence[str]) -> dict[str, int]:
        """Return when the message that has waited longest was sent, per queue that has one, by its sender's clock."""
        with self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.lindex(name, -1)
            rows = zip(names, pipe.execute() if names else [], strict=True)
        return {name: sent for name, raw in rows if raw and (sent := sent_ms(raw))}

    @answering
    def queue_of(self, task: Task) -> tuple[int, int] | None:
        """Return a task's place among those that wait for room, and how many these are: of the first 1,000 that wait.

        The order is that in which freed room is given: the highest priority first, then the oldest. None for a task
        that does not wait for room.
        """
        ids = self.client.zrange(self.keys.waiting, 0, SCAN - 1)
        with self.client.pipeline(transaction=False) as pipe:
            for task_id in ids:
                pipe.hget(self.keys.task(task_id), "code")
            codes = pipe.execute() if ids else []
        line = [task_id for task_id, code in zip(ids, codes, strict=True) if code in WAITS_FOR_ROOM]
        return (line.index(task.id) + 1, len(line)) if task.id in line else None

    @answering
    def waiting_near(self) -> list[Task]:
        """Return the tasks that have no node and are to be near another, of the first 1,000 that wait."""
        found = self.read(self.client.zrange(self.keys.waiting, 0, SCAN - 1))
        return [task for task in found.values() if task and task.seat is None and task.spec.get("near")]


def sent_ms(message: str) -> int | None:
    """Return when a message of Celery's was sent; None where it does not say so."""
    try:
        sent = json.loads(message)["headers"][SENT]
    except (ValueError, LookupError, TypeError):
        return None
    return sent if isinstance(sent, int) else None


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
