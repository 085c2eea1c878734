"""``ormen mast drain``: a node is emptied, task by task, before the user's eyes."""

from __future__ import annotations

import sys
import time
from typing import Any

from ormen.cli.errors import INTERRUPTED, TIMED_OUT, ended
from ormen.cli.mast import user
from ormen.cli.render import drain as render
from ormen.cli.render.text import clock, rfc3339_now
from ormen.cli.session import Session, is_terminal
from ormen.client import Client
from ormen.outcome import is_up
from ormen.transport import ClientError, Document

POLL_S = 0.5


def drain_node(session: Session, name: str, reason: str | None, *, wait_s: float) -> None:
    """Drain a node; with `wait_s` show each task's move and return when the node is empty."""
    client = session.client()
    held = list(client.tasks(states=["scheduled", "running"], node=name))
    node = client.drain(name, why=reason, by=user())
    look = session.look(sys.stderr)
    session.say(f"{name} takes no new tasks (drained by you, {clock(rfc3339_now(look.now), look)})")
    if not wait_s:
        if session.structured:
            session.document(node)
        return
    moves = Moves(session, client, name, held)
    try:
        in_time = moves.until(time.monotonic() + wait_s)
    except KeyboardInterrupt:
        session.say(f"It goes on draining; undo: ormen mast activate {name}")
        ended(INTERRUPTED)
    finally:
        moves.close()
    if session.structured:
        session.document(client.node(name))
    if not in_time:
        session.say(render.left(moves.tasks, moves.took, look))
    session.say(render.outcome(name, moves.tasks, moves.took))
    if not in_time:
        ended(TIMED_OUT)


class Moves:
    """The tasks that a node held, and where each has come to."""

    def __init__(self, session: Session, client: Client, node: str, held: list[Document]) -> None:
        """Begin to watch these tasks leave `node`."""
        self._session, self._client, self._node = session, client, node
        self._known = {task["id"]: task for task in held}
        self._left_at: dict[str, float] = {}
        self.took: dict[str, float] = {}
        self._block: Any = None
        if held and is_terminal(sys.stderr) and not session.quiet:
            from ormen.cli.live import Block

            self._block = Block()

    @property
    def tasks(self) -> list[Document]:
        """Return the latest records."""
        return list(self._known.values())

    def until(self, deadline: float) -> bool:
        """Return True once all have moved or ended, False when the time is over first."""
        while True:
            for task_id in [key for key in self._known if key not in self.took]:
                self._look_at(task_id)
            left_s = deadline - time.monotonic()
            if self._block is not None:
                self._block.show(render.progress(self.tasks, self.took, self._session.look(sys.stderr), left_s=left_s))
            if len(self.took) == len(self._known):
                return True
            if left_s <= 0:
                return False
            time.sleep(min(POLL_S, left_s))

    def _look_at(self, task_id: str) -> None:
        try:
            task = self._client.task(task_id)
        except ClientError as error:
            if error.http_status != 404:
                return  # the deck is away; the node goes on draining by itself
            task = {**self._known[task_id], "state": "removed"}
        self._known[task_id] = task
        here = task.get("node") == self._node and task["state"] in ("running", "scheduled")
        if not here:
            self._left_at.setdefault(task_id, time.monotonic())
        if task["state"] in ("completed", "failed", "removed") or (not here and is_up(task)):
            self.took[task_id] = time.monotonic() - self._left_at[task_id]
            if self._block is None:
                self._session.say(render.moved(task, self.took[task_id]))

    def close(self) -> None:
        """Give the terminal back."""
        if self._block is not None:
            self._block.close()
