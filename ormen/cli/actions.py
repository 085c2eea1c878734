"""``ormen stop``, ``restart``, ``retry``, ``rm``: each operand is tried, each gets its line."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeAlias

import click

from ormen.cli.completing import TASK
from ormen.cli.errors import TIMED_OUT, ended, show
from ormen.cli.options import DURATION, Command, common, option, session_of
from ormen.cli.render import actions as render
from ormen.cli.session import Session
from ormen.errors import OrmenError
from ormen.outcome import Verdict, judge
from ormen.transport import Document

WAIT_S = 60.0
"""How long an action waits for its end without --timeout."""

Act = Callable[[str], Document | None]
Going: TypeAlias = "Future[tuple[Document | None, float]]"
"""The record that comes of an action, and how many seconds it took."""


AT_ONCE = 16
"""So many tasks are acted on side by side: each may take its whole grace."""


def each(session: Session, words: Sequence[str], act: Act, *, line: Callable[[Document, float], str]) -> list[Document]:
    """Do one thing to each task and say how it went, in their order; the first failure's code ends the command."""
    code, records = 0, []
    for word, going in _side_by_side(words, act):
        try:
            record, took_s = going.result()
        except OrmenError as error:
            failed = show(error, session, word=word)
            code = code or failed
            continue
        shown = record if record is not None else {"name": word}
        records.append(shown)
        if session.output == "name":
            session.data(str(shown["name"]))
        elif not session.structured and not session.quiet:
            session.data(line(shown, took_s))
    if session.structured and (records or not code):
        session.document(records)
    if code:
        ended(code)
    return records


def _side_by_side(words: Sequence[str], act: Act) -> list[tuple[str, Going]]:
    """Begin to do one thing to each task, a few at a time; return what becomes of it.

    In threads that end with the program: nobody waits for them after Ctrl-C.
    """
    goings: list[tuple[str, Going]] = [(word, Future()) for word in words]
    waiting = deque(goings)

    def work() -> None:
        with suppress(IndexError):
            while True:
                word, going = waiting.popleft()
                began = time.monotonic()
                try:
                    going.set_result((act(word), time.monotonic() - began))
                except Exception as error:
                    going.set_exception(error)

    for _ in range(min(AT_ONCE, len(words))):
        threading.Thread(target=work, daemon=True).start()
    return goings


def _timeout_ends(records: Sequence[Document], done: Callable[[Document], bool]) -> None:
    if any(not done(record) for record in records):
        ended(TIMED_OUT)


waited = option("--wait/--no-wait", default=True, help="Return once it is so, or at once  [wait]")
_TIMEOUT = option("--timeout", type=DURATION, default=WAIT_S, metavar="TIME", help="Longest wait  [1m]")


@click.command(cls=Command, usage=["[OPTIONS] TASK..."], examples=["ormen stop web worker-1"])
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@waited
@_TIMEOUT
@common
@click.pass_context
def stop(ctx: click.Context, words: tuple[str, ...], wait: bool, timeout: float) -> None:
    """Stop tasks and keep their record. TASK is a name, an id or its beginning."""
    session = session_of(ctx)
    client = session.client()
    records = each(session, words, lambda word: client.stop(word, wait_s=timeout if wait else 0), line=render.stopped)
    if wait:
        _timeout_ends(records, lambda record: record["state"] in ("completed", "failed"))


def _again(ctx: click.Context, words: tuple[str, ...], *, verb: str, wait_s: float) -> None:
    session = session_of(ctx)
    client = session.client()
    act = client.restart if verb == "restart" else client.retry
    records = each(session, words, lambda word: act(word, wait_s=wait_s), line=render.started_again)
    if not wait_s:
        return
    verdicts = [judge(record) for record in records]
    if any(verdict not in (Verdict.UP, Verdict.DONE, Verdict.WAITING) for verdict in verdicts):
        ended(1)
    if Verdict.WAITING in verdicts:
        ended(TIMED_OUT)


@click.command(cls=Command, usage=["[OPTIONS] TASK..."], examples=["ormen restart web"])
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@waited
@_TIMEOUT
@common
@click.pass_context
def restart(ctx: click.Context, words: tuple[str, ...], wait: bool, timeout: float) -> None:
    """Stop tasks and start them again, also ended ones."""
    _again(ctx, words, verb="restart", wait_s=timeout if wait else 0)


@click.command(
    cls=Command, usage=["[OPTIONS] TASK..."], examples=["ormen status -q --state failed | xargs ormen retry"]
)
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@waited
@_TIMEOUT
@common
@click.pass_context
def retry(ctx: click.Context, words: tuple[str, ...], wait: bool, timeout: float) -> None:
    """Try waiting or failed tasks now."""
    _again(ctx, words, verb="retry", wait_s=timeout if wait else 0)


@click.command(cls=Command, usage=["[OPTIONS] TASK..."], examples=["ormen rm old-job", "ormen rm --force web"])
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@option("-f", "--force", is_flag=True, help="Stop them first if they still run")
@waited
@_TIMEOUT
@common
@click.pass_context
def rm(ctx: click.Context, words: tuple[str, ...], force: bool, wait: bool, timeout: float) -> None:
    """Remove ended tasks and their records."""
    session = session_of(ctx)
    client = session.client()

    def remove(word: str) -> Document:
        left = client.remove(word, force=force, wait_s=timeout if wait else 0)
        return {"name": word, "left_on": left["node"] if left else None}

    records = each(session, words, remove, line=lambda record, _: render.removed(record))
    _timeout_ends(records, lambda record: record["left_on"] is None)
