"""``ormen logs``: what tasks print, also what ended attempts have printed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import click

from ormen.cli.completing import TASK
from ormen.cli.errors import Failure, ended, show
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import logs as render
from ormen.cli.session import Session
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.transport import Document


@click.command(
    cls=Command,
    usage=["[OPTIONS] TASK..."],
    examples=["ormen logs -f web", "ormen logs web-1 web-2 -n 2 -t", "ormen logs api --previous"],
)
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@option("-f", "--follow", is_flag=True, help="Stay and show what comes")
@option("-n", "--tail", type=click.IntRange(0, 1_000_000), metavar="N", help="Only the last N lines")
@option("--since", metavar="TIME", help="From then on: 10m ago, or an RFC 3339 time")
@option("-t", "--timestamps", is_flag=True, help="Each line with its time")
@option("-p", "--previous", is_flag=True, help="The lines kept of the attempt before")
@option("--attempt", type=click.IntRange(1), metavar="N", help="The lines kept of attempt N")
@common
@click.pass_context
def logs(
    ctx: click.Context,
    words: tuple[str, ...],
    follow: bool,
    tail: int | None,
    since: str | None,
    timestamps: bool,
    previous: bool,
    attempt: int | None,
) -> None:
    """Show or follow what tasks print. One task: raw lines; several: with names."""
    session = session_of(ctx)
    client = session.client()
    kept = previous or attempt is not None
    if kept and follow:
        raise Failure(
            "--follow shows the present attempt only", hint="leave out --previous and --attempt.", exit_code=2
        )

    def read(word: str) -> Iterator[bytes]:
        task = client.task(word)
        if kept:
            return iter([_kept(session, client, task, attempt=attempt, tail=tail)])
        if task["state"] not in ("running", "scheduled"):
            _say_ended(session, client, task)
        return client.logs(task["id"], tail=tail, since=since, follow=follow, timestamps=timestamps)

    if len(words) == 1:
        _copy(read(words[0]))
        return
    code = _prefixed(session, words, read, together=follow)
    if code:
        ended(code)


def _copy(pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _kept(session: Session, client: Client, task: Document, *, attempt: int | None, tail: int | None) -> bytes:
    """Return the last lines on record of an ended attempt, the one before the present by default."""
    present = task["attempt"] if task["state"] in ("running", "scheduled") else None
    ended_ones = [one for one in client.attempts(task["id"]) if one["attempt"] != present or attempt is not None]
    chosen = [one for one in ended_ones if attempt in (None, one["attempt"])]
    if not chosen:
        which = f"attempt {attempt}" if attempt else "ended attempt"
        known = render.known([int(one["attempt"]) for one in ended_ones])
        raise Failure(f"{task['name']} has no {which} on record", hint=known, exit_code=3)
    last = max(chosen, key=lambda one: int(one["attempt"]))
    session.say(render.kept(task, last, session.look(sys.stderr)))
    lines = last["log_tail"][-tail:] if tail else last["log_tail"] if tail is None else []
    return "".join(f"{line}\n" for line in lines).encode()


def _say_ended(session: Session, client: Client, task: Document) -> None:
    attempts = client.attempts(task["id"])
    if attempts:
        last = max(attempts, key=lambda one: int(one["attempt"]))
        session.say(render.kept(task, last, session.look(sys.stderr)))


def _prefixed(session: Session, words: Sequence[str], read: Callable[[str], Iterator[bytes]], *, together: bool) -> int:
    """Print several logs with names before the lines, side by side if they are followed; return the exit code."""
    wide = max(len(word) for word in words)
    lock = threading.Lock()
    codes: list[int] = []

    def copy(word: str) -> None:
        try:
            for line in render.lines(read(word)):
                with lock:
                    sys.stdout.buffer.write(word.ljust(wide).encode() + b" | " + line + b"\n")
                    sys.stdout.buffer.flush()
        except OrmenError as error:
            with lock:
                codes.append(show(error, session, word=word))

    if not together:
        for word in words:
            copy(word)
        return codes[0] if codes else 0
    threads = [threading.Thread(target=copy, args=(word,), daemon=True) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes[0] if codes else 0
