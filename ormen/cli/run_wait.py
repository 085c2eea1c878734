"""Waiting for what was just submitted: events move the screen, records decide."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from ormen.cli.errors import INTERRUPTED, TIMED_OUT, ended
from ormen.cli.feed import Feed
from ormen.cli.render import run as render
from ormen.cli.render.text import epoch
from ormen.cli.session import Session, is_terminal
from ormen.client import Client
from ormen.outcome import Verdict, is_up, judge
from ormen.transport import ClientError, Document

REFRESH_S = 1.0
"""How often records are read again even if no event has named them."""

FRAME_S = 0.1
"""A spinner turns ten times a second."""

SPOKEN_PULL_S = 10.0
"""How often a pull speaks in a pipe."""

STEADY_S = 0.5
"""How long a task without a check must have been seen running before it is said to run: a program that cannot start
ends within this time, and its container was running for a moment, too."""

STEADY_AGAIN_S = 2.0
"""The same for a task that has already ended by its own fault."""

GOOD = (Verdict.UP, Verdict.DONE)


def wait_until_up(session: Session, tasks: Sequence[Document], *, timeout_s: float) -> None:
    """Show the way of the tasks until each is up or will not be; end the command with what came of it."""
    client = session.client()
    waiting = Waiting(session, client, tasks)
    try:
        with waiting:
            in_time = waiting.until(time.monotonic() + timeout_s)
    except KeyboardInterrupt:
        session.say(render.left(sum(is_up(task) for task in waiting.tasks), waiting.tasks))
        ended(INTERRUPTED)
    _conclude(session, client, waiting.tasks, late_s=None if in_time else timeout_s)


def _conclude(session: Session, client: Client, tasks: Sequence[Document], *, late_s: float | None) -> None:
    if session.structured:
        session.document(list(tasks))
    look = session.look(sys.stderr)
    bad = [task for task in tasks if judge(task) not in GOOD]
    if len(tasks) == 1 and not bad:
        line = render.runs(tasks[0], look)
        session.say(line if look.width is not None else line.replace(" runs on", ": runs on", 1))
    elif len(tasks) > 1:
        session.say(render.finished(tasks, len(tasks) - len(bad)))
    for task in bad:
        waited_s = late_s if judge(task) is Verdict.WAITING else None
        print(render.not_up(task, _attempts(client, task), look, waited_s=waited_s), file=sys.stderr)
    if any(judge(task) is not Verdict.WAITING for task in bad):
        ended(1)
    if bad:
        ended(TIMED_OUT)


def _attempts(client: Client, task: Document) -> list[Document]:
    """Return the attempts of a task that did not come up; none if they cannot be had, the error matters more."""
    try:
        return client.attempts(task["id"])
    except ClientError:
        return []


class Waiting:
    """The tasks that are waited for, and what is on the screen. Enter it to take the terminal."""

    def __init__(self, session: Session, client: Client, tasks: Sequence[Document]) -> None:
        """Begin to listen at the moment the first of them was created."""
        self._session, self._client = session, client
        self._known = {task["id"]: dict(task) for task in tasks}
        self._order = [task["id"] for task in tasks]
        self._events: dict[str, list[Document]] = {task_id: [] for task_id in self._order}
        self._took: dict[str, float] = {}
        self._up_since: dict[tuple[str, int], float] = {}
        self._spoke_at: dict[str, float] = {}
        self._read_at = time.monotonic()
        self._block: Any = None
        born = min(epoch(task["created_at"]) or time.time() for task in tasks)
        self._feed = Feed(client, after=f"{int(born * 1000) - 1}-0", notice=self._notice)
        self._live = is_terminal(sys.stderr) and not session.quiet

    @property
    def tasks(self) -> list[Document]:
        """Return the latest records, in the order of submission."""
        return [self._known[task_id] for task_id in self._order]

    def __enter__(self) -> Waiting:
        if self._live:
            from ormen.cli.live import Block

            self._block = Block()
        return self

    def __exit__(self, *_: object) -> None:
        if self._block is not None:
            self._draw()
            self._block.close()

    def until(self, deadline: float) -> bool:
        """Return True once every task's verdict stands, False when the time is over first."""
        self._settle()
        while Verdict.WAITING in self._verdicts():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._draw()
            heard = set()
            for event in self._feed.burst(min(left_s, FRAME_S if self._live else 0.5)):
                if event.get("task") in self._known:
                    self._note(event)
                    heard.add(event["task"])
            if time.monotonic() - self._read_at >= REFRESH_S:
                self._read_at = time.monotonic()
                heard |= {key for key, task in self._known.items() if judge(task) is Verdict.WAITING}
            self._read(sorted(heard))
        self._settle()
        return True

    def _verdicts(self) -> list[Verdict]:
        """Judge every task, also past one that waits: the half seconds of many run side by side."""
        return [self._judge(task) for task in self._known.values()]

    def _judge(self, task: Document) -> Verdict:
        """Return the verdict, and WAITING while a task without a check has only just begun to run."""
        verdict = judge(task)
        if verdict is not Verdict.UP or task.get("health"):
            return verdict
        now = time.monotonic()
        since = self._up_since.setdefault((task["id"], int(task["attempt"])), now)
        steady_s = STEADY_AGAIN_S if task.get("restarts") else STEADY_S
        return Verdict.UP if now - since >= steady_s else Verdict.WAITING

    def _settle(self) -> None:
        """Take in events that are already there, so that the steps on the screen are complete."""
        for event in self._feed.burst(0.3 if self._events else 0):
            if event.get("task") in self._known:
                self._note(event)
            if all(self._has_all(task) for task in self._known.values()):
                return

    def _has_all(self, task: Document) -> bool:
        kinds = {event["type"] for event in self._events[task["id"]]}
        last = "task.healthy" if task.get("health") == "healthy" else f"task.{task['state']}"
        return last in kinds or (task["state"] == "scheduled" and "task.placed" in kinds)

    def _read(self, ids: Sequence[str]) -> None:
        for task_id in ids:
            try:
                task = self._client.task(task_id)
            except ClientError as error:
                if error.http_status in (0, 503):
                    return  # the feed says that the deck is away; what is known stays on the screen
                raise
            self._known[task_id] = task
            if judge(task) in GOOD and task_id not in self._took:
                self._took[task_id] = max(0.0, time.time() - (epoch(task["created_at"]) or 0))

    def _note(self, event: Document) -> None:
        task_id = event["task"]
        before = self._events[task_id]
        if any(known["id"] == event["id"] for known in before):
            return
        before.append(event)
        if not self._live and not self._speaks_too_soon(event):
            task = self._known[task_id]
            done = render.steps(before, task["created_at"])
            took = done[-1].took_s if done else None
            self._session.say(render.piped(task["name"], event, took) or "")

    def _speaks_too_soon(self, event: Document) -> bool:
        if event["type"] != "task.pulling":
            return False
        last, now = self._spoke_at.get(event["task"]), time.monotonic()
        if last is not None and now - last < SPOKEN_PULL_S:
            return True
        self._spoke_at[event["task"]] = now
        return False

    def _draw(self) -> None:
        if self._block is None:
            return
        look, tasks = self._session.look(sys.stderr), self.tasks
        if len(tasks) == 1:
            done = render.steps(self._events[tasks[0]["id"]], tasks[0]["created_at"])
            self._block.show(render.block(tasks[0], done, look))
        else:
            self._block.show(render.many(tasks, self._took, look))

    def _notice(self, text: str) -> None:
        if not self._live:
            self._session.say(f"! {text}")
