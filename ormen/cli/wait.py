"""``ormen wait``: return once tasks are as one needs them, or cannot come to it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from ormen.cli.completing import TASK
from ormen.cli.errors import TIMED_OUT, Failure, ended, show
from ormen.cli.feed import Feed
from ormen.cli.options import DURATION, Command, common, option, session_of
from ormen.cli.render import wait as render
from ormen.cli.session import Session
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.outcome import Reach, reach
from ormen.transport import ClientError, Document

REFRESH_S = 1.0
"""How often records are read again even if no event has named them."""

GOALS = ("running", "completed", "failed", "ended")


@click.command(
    cls=Command,
    usage=["[OPTIONS] TASK..."],
    examples=["ormen wait import && ormen run -f next.yaml", "ormen wait --for running --timeout 2m web db"],
)
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@option(
    "--for", "goal", type=click.Choice(GOALS), default="completed", metavar="STATE",
    help="running (and healthy, if it has a check), completed, failed, or ended: either of these  [completed]",
)  # fmt: skip
@option("--timeout", type=DURATION, default=None, metavar="TIME", help="Longest wait  [none]")
@common
@click.pass_context
def wait(ctx: click.Context, words: tuple[str, ...], goal: str, timeout: float | None) -> None:
    """Wait until tasks reach a state.

    Exit code 0: all are there; 1: one of them cannot come to it any more;
    124: the time is over.
    """
    session = session_of(ctx)
    client = session.client()
    found, code = _find(session, client, words)
    vigil = Vigil(session, client, found, goal=goal)
    late = not vigil.until(None if timeout is None else time.monotonic() + timeout)
    if session.structured and found:
        session.document(vigil.tasks)
    code = code or vigil.code
    if late:
        for task in vigil.waiting:
            late_one = Failure(render.late(task, goal, timeout or 0.0), hint=render.advice(task), exit_code=TIMED_OUT)
            show(late_one, session)
    if code or late:
        ended(code or TIMED_OUT)


def _find(session: Session, client: Client, words: Sequence[str]) -> tuple[list[Document], int]:
    found: list[Document] = []
    code = 0
    for word in words:
        try:
            found.append(client.task(word))
        except OrmenError as error:
            failed = show(error, session, word=word)
            code = code or failed
    return found, code


class Vigil:
    """Tasks that are waited for. `code` is the exit code of the first that cannot reach the goal, else 0."""

    def __init__(self, session: Session, client: Client, tasks: Sequence[Document], *, goal: str) -> None:
        """Say at once what is so already."""
        self.code = 0
        self._over = False
        self._session, self._client, self._goal = session, client, goal
        self._known = {task["id"]: task for task in tasks}
        self._open = dict.fromkeys(self._known)
        self._began = time.monotonic()
        for task in tasks:
            self._look(task)

    @property
    def tasks(self) -> list[Document]:
        """Return the latest records, in the order in which they were named."""
        return list(self._known.values())

    @property
    def waiting(self) -> list[Document]:
        """Return the records of those that are not there yet."""
        return [self._known[task_id] for task_id in self._open]

    def until(self, deadline: float | None) -> bool:
        """Return True once nothing is waited for any more, False when the time is over first."""
        if not self._open:
            return True
        feed, read_at = Feed(self._client, notice=self._notice), 0.0
        while self._open:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                self._over = True
                return False
            heard = {event.get("task") for event in feed.burst(min(REFRESH_S, max(0.0, (deadline or now + 9) - now)))}
            if time.monotonic() - read_at >= REFRESH_S:
                read_at, heard = time.monotonic(), set(self._open)
            for task_id in [task_id for task_id in self._open if task_id in heard]:
                self._read(task_id)
        return True

    def _notice(self, text: str) -> None:
        if self._open and not self._over:
            self._session.say(f"! {text}")

    def _read(self, task_id: str) -> None:
        try:
            self._look(self._client.task(task_id))
        except ClientError as error:
            if error.http_status in (0, 503):
                return  # the feed says that the deck is away; it is asked again
            if error.http_status != 404:
                raise
            self._fail(self._known[task_id], f"{self._known[task_id]['name']} was removed while it was waited for")

    def _look(self, task: Document) -> None:
        self._known[task["id"]] = task
        found = reach(task, self._goal)
        if found is Reach.THERE:
            del self._open[task["id"]]
            self._tell(task)
        elif found is Reach.NEVER:
            self._fail(task, render.never(task, self._goal))

    def _fail(self, task: Document, sentence: str) -> None:
        del self._open[task["id"]]
        code = show(Failure(sentence, hint=render.advice(task)), self._session)
        self.code = self.code or code

    def _tell(self, task: Document) -> None:
        if self._session.output == "name":
            self._session.data(str(task["name"]))
        elif not self._session.structured and not self._session.quiet:
            self._session.data(render.there(task, time.monotonic() - self._began))
