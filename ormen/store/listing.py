"""Lists of tasks, newest first, a page at a time: no request reads all tasks, however many have ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ormen.store.redis import RedisStore, answering
from ormen.task import State, Task, Wanted

SIFTED = 250
"""Tasks that one script looks at for a node or for labels, which takes it about a millisecond."""
LOOKED = 1000
"""Tasks that one request looks at for a node or for labels; its page is then as full as it is."""

Place = tuple[int, str]
"""Where a task stands in every list: its creation in ms, and its id."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a list is narrowed to; empty members do not narrow. `labels` are ``k=v``, ``k!=v`` or ``k``."""

    states: tuple[State, ...] = ()
    node: str | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()

    def admits(self, task: Task) -> bool:
        """Return whether the task belongs into the list."""
        labels = task.spec.get("labels") or {}
        return (
            (not self.states or task.state in self.states)
            and (self.node is None or task.node == self.node)
            and (self.name is None or task.name == self.name)
            and all(_label_admits(selector, labels) for selector in self.labels)
        )

    @property
    def sifts(self) -> bool:
        """Return whether no index leads to what is wanted."""
        return self.name is None and (self.node is not None or bool(self.labels))

    def texts(self) -> list[str]:
        """Return what the JSON of a spec contains if its labels are admitted: keys and values as they stand there."""
        wanted = [selector.partition("=") for selector in self.labels if "!=" not in selector]
        return [json.dumps(word) for key, given, value in wanted for word in ((key, value) if given else (key,))]


class TaskLister(RedisStore):
    """Reads pages of tasks."""

    @answering
    def tasks(
        self,
        *,
        states: Sequence[State] = (),
        node: str | None = None,
        name: str | None = None,
        labels: Sequence[str] = (),
        limit: int = 100,
        cursor: str | None = None,
    ) -> tuple[list[Task], str | None]:
        """Return a page of tasks, newest first, and the cursor of the next page or None.

        A cursor names a task (``<created>:<id>``), so tasks that come or go meanwhile neither repeat nor hide others.
        By state and by name there are indexes. For a node or labels at most `LOOKED` tasks are looked at, so such a
        page may hold fewer than `limit`, even none, and still have a next one. Raises ValueError for a cursor that
        is none.
        """
        wanted = TaskFilter(tuple(dict.fromkeys(states)), node, name, tuple(labels))
        found: list[Task] = []
        place, looked = _place(cursor), 0
        while looked < LOOKED:
            ids, last = self._after(wanted, place, limit + 1)
            for task in self._admitted(ids, wanted, limit + 1):
                found.append(task)
                if len(found) > limit:
                    return found[:limit], _cursor((found[limit - 1].created_ms, found[limit - 1].id))
            if last is None:
                return found, None
            place, looked = last, looked + (SIFTED if wanted.sifts else len(ids))
        return found, _cursor(place) if place else None

    def _admitted(self, ids: Sequence[str], wanted: TaskFilter, count: int) -> Iterator[Task]:
        """Yield those that belong into the list, reading `count` records at a time."""
        for start in range(0, len(ids), count):
            for task in self.read(ids[start : start + count]).values():
                if task is not None and task.wanted is not Wanted.REMOVED and wanted.admits(task):
                    yield task

    def _after(self, wanted: TaskFilter, place: Place | None, count: int) -> tuple[list[str], Place | None]:
        """Return ids that come after a place in the order newest first, and the last place; None at the end."""
        states = wanted.states or tuple(State)
        if wanted.sifts:
            return self._sifted(wanted, states, place)
        rows = self._in_states(states, place, count) if wanted.name is None else self._named(wanted.name, place, count)
        return [task_id for _, task_id in rows], rows[-1] if len(rows) == count else None

    def _sifted(
        self, wanted: TaskFilter, states: Sequence[State], place: Place | None
    ) -> tuple[list[str], Place | None]:
        """Return those of the next `SIFTED` tasks that may belong into the list."""
        arguments: dict[str, object] = {"states": [state.value for state in states], "texts": wanted.texts()}
        arguments |= {"node": wanted.node} if wanted.node is not None else {}
        arguments |= {"created": str(place[0]), "id": place[1]} if place else {}
        *ids, last = self.run("sieve", count=str(SIFTED), **arguments)
        return ids, _place(last or None)

    def _in_states(self, states: Sequence[State], place: Place | None, count: int) -> list[Place]:
        """Read the states' indexes in one transaction: a task that changes its state is in exactly one of them."""
        with self.client.pipeline(transaction=True) as pipe:
            for key in (self.keys.tasks(state.value) for state in states):
                if place is None:
                    pipe.zrevrange(key, 0, count - 1, withscores=True)
                else:
                    # Tasks of one list have one time: those that come later in it, then those that are older.
                    pipe.zrangebyscore(key, place[0], place[0], withscores=True)
                    pipe.zrevrangebyscore(key, f"({place[0]}", "-inf", 0, count, withscores=True)
            rows = [(int(created), task_id) for reply in pipe.execute() for task_id, created in reply]
        return sorted((row for row in rows if place is None or row < place), reverse=True)[:count]

    def _named(self, name: str, place: Place | None, count: int) -> list[Place]:
        """Return the one live task of a name and the ended ones, which stand in `past` by name and time."""
        last = f"({name}\x01" if place is None else f"({name}\0{place[0]}\0{place[1]}"
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hget(self.keys.names, name)
            pipe.zrevrangebylex(self.keys.past, last, f"[{name}\0", 0, count)
            holder, past = pipe.execute()
        rows = [(int(created), task_id) for _, created, task_id in (member.split("\0") for member in past)]
        created = self.client.hget(self.keys.task(holder), "created") if holder else None
        if created and (place is None or (int(created), holder) < place):
            rows.append((int(created), holder))
        return sorted(rows, reverse=True)[:count]


def _label_admits(selector: str, labels: dict[str, str]) -> bool:
    key, negated, value = selector.partition("!=")
    if negated:
        return labels.get(key) != value
    key, given, value = selector.partition("=")
    return labels.get(key) == value if given else key in labels


def _cursor(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    created, colon, member = cursor.partition(":")
    if not (colon and created.isdigit() and member):
        raise ValueError(f"{json.dumps(cursor)} is no cursor of a list")
    return int(created), member
