"""The tasks that a measurement starts on a cluster: started, ended, replaced, timed, and removed whatever happens.

All times are of this process's one clock: from the moment before the request to the moment at which the deck's answer
or event was heard here. So the network between is in them, and no clock of another host.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ormen.cli.bench_figures import FAILOVER, OF_A_LIFE, START, STOP
from ormen.cli.feed import Feed
from ormen.cli.render.text import small
from ormen.client import Client
from ormen.client_errors import TaskFailed, WaitedTooLong
from ormen.errors import TaskNotFound
from ormen.handles import before, too_long
from ormen.outcome import sentence_of, waits_for_room
from ormen.talk import SIGNAL, Frame
from ormen.transport import ClientError, Document

LABEL = "ormen-bench"
"""The label of every task that a measurement starts; its value is the id of the measurement."""

CPU = 0.1
"""Cores that a task reserves, which are a task's default, too: said so that Docker is asked for the same share."""

WIDTH = 8
"""Removals under way at once."""

GONE_S = 30.0
"""How long the end of one task's container is waited for when it is removed."""

STEADY_S = 0.5
"""How long the first task must run to be taken for one that stays."""

ENDS = ("pending", "completed", "failed")
"""The states that an attempt leads to when it is over."""

KILLED = 137
"""The exit code of a program that had to be killed."""


class Tasks:
    """The tasks of one measurement. `clear` and, in the end, `close` remove all of them; nothing else does."""

    def __init__(self, client: Client, spec: Mapping[str, Any], *, timeout_s: float) -> None:
        """`spec` is what each task is, but for its id, name and label; `timeout_s` is the longest wait for one step."""
        self.id = uuid.uuid4().hex[:8]
        self.label = f"{LABEL}={self.id}"
        self.pulled = 0
        self.killed = 0
        self.nodes: set[str] = set()
        self._client, self._timeout_s = client, timeout_s
        self._spec = {"cpu": CPU, "restart": "on-failure", **spec, "labels": {LABEL: self.id}}
        self._names: dict[str, str] = {}
        self._count = 0
        self._feed: Feed | None = None
        # A request is never cut off in its middle: whoever is told to end waits for this thread's answer first.
        self._pool = ThreadPoolExecutor(WIDTH)

    def specs(self, count: int) -> list[Document]:
        """Return the specs of the next `count` tasks, with ids and names of their own."""
        numbers = range(self._count + 1, self._count + 1 + count)
        return [{**self._spec, "id": str(uuid.uuid4()), "name": f"bench-{self.id}-{number}"} for number in numbers]

    def start(self, count: int = 1) -> tuple[list[str], float]:
        """Start tasks by one request; return their ids, and the seconds until all of them run.

        Raises TaskFailed where one cannot run, WaitedTooLong when the time is over.
        """
        specs = self.specs(count)
        self._count += count
        self._names |= {spec["id"]: spec["name"] for spec in specs}
        began = time.monotonic()
        records = self._pool.submit(self._client.submit, specs).result()
        if self._feed is None:
            self._feed = Feed(self._client, after=before(records[0]), notice=lambda _: None)
        for record in records:
            if waits_for_room(record):
                raise TaskFailed(record, f"{record['name']} waits: {sentence_of(record)}")
        ids = [str(spec["id"]) for spec in specs]
        return ids, self._until_run(ids, attempt=1) - began

    def fail_over(self, task_id: str) -> float:
        """Kill the program of a task, which must run its first attempt; return the seconds until the second one runs.

        Only that container is concerned: its own node sends SIGKILL to its first process.
        """
        talk = self._client.attach(task_id)
        try:
            began = time.monotonic()
            talk.tell([Frame(SIGNAL, b"SIGKILL")])
            return self._until_run([task_id], attempt=2) - began
        finally:
            talk.hang_up()

    def stay(self, task_id: str) -> None:
        """Return once a task that runs has gone on to do so for STEADY_S; raise TaskFailed if its program ends."""
        deadline = time.monotonic() + STEADY_S
        while (event := self._next(deadline)) is not None:
            if event.get("task") == task_id and event.get("to") in ENDS:
                raise self._failed(event)

    def stop(self, task_id: str) -> float:
        """Stop a task; return the seconds until its container has ended."""
        began = time.monotonic()
        record = self._client.stop(task_id, wait_s=self._timeout_s)
        took_s = time.monotonic() - began
        if record["state"] not in ("completed", "failed"):
            raise too_long(record, "ended", self._timeout_s)
        self.killed += record["exit_code"] == KILLED
        return took_s

    def clear(self) -> None:
        """Remove every task, and return once their containers are gone; one that could not be is left to `close`."""
        ids = list(self._names)
        self._forget(ids, list(self._pool.map(self._remove, ids)))

    def close(self, client: Client) -> list[str]:
        """Remove every task, also one whose request was under way; return the names of those that may be left.

        `client` may be a more patient one. Raises ClientError where the deck cannot be asked.
        """
        self._pool.shutdown(cancel_futures=True)
        self._client = client
        ours = list(client.tasks(labels=[self.label]))
        self._names |= {str(task["id"]): str(task["name"]) for task in ours}
        ids, pool = list(self._names), ThreadPoolExecutor(WIDTH)
        try:
            self._forget(ids, list(pool.map(self._remove, ids)))
        except BaseException:
            client.close()  # whoever does not wait for the end is not kept by the threads either
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return sorted(self._names.values())

    def _forget(self, ids: Sequence[str], gone: Sequence[bool]) -> None:
        for task_id, is_gone in zip(ids, gone, strict=True):
            if is_gone:
                self._names.pop(task_id, None)

    def _remove(self, task_id: str) -> bool:
        try:
            return self._client.remove(task_id, force=True, wait_s=GONE_S) is None
        except TaskNotFound:
            return True
        except ClientError:
            return False

    def _until_run(self, ids: Sequence[str], *, attempt: int) -> float:
        """Return when the last of the tasks was heard to run, by the monotonic clock."""
        left, deadline = set(ids), time.monotonic() + self._timeout_s
        while True:
            event, now = self._next(deadline), time.monotonic()
            if event is None:
                raise self._late(next(iter(left)))
            if event.get("task") not in left or (event.get("attempt") or 0) < attempt:
                continue
            self.pulled += event["type"] == "task.pulled"
            if event["type"] == "task.running":
                left.discard(event["task"])
                self.nodes.add(str(event["node"]))
            elif event.get("to") in ENDS:
                raise self._failed(event)
            if not left:
                return now

    def _next(self, deadline: float) -> Document | None:
        assert self._feed is not None  # its first task has been accepted
        return self._feed.next(max(0.0, deadline - time.monotonic()))

    def _late(self, task_id: str) -> WaitedTooLong:
        return too_long(self._client.task(task_id), "running", self._timeout_s)

    def _failed(self, event: Document) -> TaskFailed:
        sentence = (event["reason"] or event)["sentence"]
        return TaskFailed({**event, "state": event["to"]}, f"{event['name']} does not run: {small(sentence)}")


def life(tasks: Tasks, wanted: Sequence[str]) -> dict[str, float]:
    """Start one task, let it go through what is `wanted` of `OF_A_LIFE`, and leave it to `clear`; return the seconds.

    A task that is not to be stopped runs on.
    """
    (task_id,), took_s = tasks.start()
    found = {START: took_s}
    if FAILOVER in wanted:
        found[FAILOVER] = tasks.fail_over(task_id)
    if STOP in wanted:
        found[STOP] = tasks.stop(task_id)
    return {name: found[name] for name in OF_A_LIFE if name in wanted}
