"""``ormen logs``: what tasks print, also what ended attempts have printed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import click

from ormen.cli.completing import TASK
from ormen.cli.errors import Failure, ended, show
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import logs as render
from ormen.cli.session import Session, item
from ormen.errors import OrmenError
from ormen.log_reader import Wish
from ormen.transport import Document


@click.command(
    cls=Command,
    usage=["[OPTIONS] TASK..."],
    examples=["ormen logs -f web", "ormen logs web-1 web-2 -n 2 -t", "ormen logs api --previous"],
)
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@option("-f", "--follow", is_flag=True, help="Stay and show what comes, also of the next attempts")
@option("-n", "--tail", type=click.IntRange(0, 1_000_000), metavar="N", help="Only the last N lines")
@option("--since", metavar="TIME", help="From then on: 10m ago, or an RFC 3339 time")
@option("--until", metavar="TIME", help="Up to then: 10m ago, or an RFC 3339 time")
@option("-t", "--timestamps", is_flag=True, help="Each line with its time")
@option("-p", "--previous", is_flag=True, help="The lines kept of the attempt before")
@option("--attempt", type=click.IntRange(1), metavar="N", help="Attempt N; of an ended one the lines kept")
@common
@click.pass_context
def logs(
    ctx: click.Context,
    words: tuple[str, ...],
    follow: bool,
    tail: int | None,
    since: str | None,
    until: str | None,
    timestamps: bool,
    previous: bool,
    attempt: int | None,
) -> None:
    """Show or follow what tasks print. One task: raw lines; several: with names.

    What is followed goes on with the task's next attempts, and across a
    restart of the deck, until the task has ended.
    """
    if follow and (previous or attempt is not None or until is not None):
        others = "--previous, --attempt and --until"
        raise Failure("--follow shows the present attempt from here on", hint=f"leave out {others}.", exit_code=2)
    reading = Reading(session_of(ctx), Wish(tail, since, until, follow, attempt), previous, timestamps)
    if len(words) == 1:
        for piece in reading.of(words[0]):
            reading.write(piece)
        return
    code = _prefixed(reading, words)
    if code:
        ended(code)


class Reading:
    """What is read of each task, and how it is shown."""

    def __init__(self, session: Session, wish: Wish, previous: bool, timestamps: bool) -> None:
        self.session = session
        self.wish = wish
        self._client = session.client()
        self._previous = previous
        self._timestamps = timestamps

    def of(self, word: str) -> Iterator[bytes]:
        """Return the log of a task in pieces, after saying whose it is if it has ended."""
        client, wish = self._client, self.wish
        task = client.task(word)
        present = task["attempt"] if task["state"] in ("running", "scheduled") else None
        if self._previous or wish.attempt is not None:
            wish = replace(wish, attempt=self._chosen(task, present)["attempt"])
        elif present is None and (attempts := client.attempts(task["id"])):
            last = max(attempts, key=lambda one: int(one["attempt"]))
            self.session.say(render.ended(task, last, self.session.look(sys.stderr)))
        if self.session.structured:
            lines = client.log_lines(task["id"], wish, notice=self._notice)
            output = self.session.output
            return (f"{item({'task': task['name'], **line}, output)}\n".encode() for line in lines)
        return client.logs(
            task["id"],
            tail=wish.tail,
            since=wish.since,
            until=wish.until,
            follow=wish.follow,
            attempt=wish.attempt,
            timestamps=self._timestamps,
            notice=self._notice,
        )

    def write(self, piece: bytes) -> None:
        """Print a piece untouched."""
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    def _chosen(self, task: Document, present: int | None) -> Document:
        """Return the attempt that was asked for: that number, or the last one that has ended."""
        number = self.wish.attempt
        known = [one for one in self._client.attempts(task["id"]) if number is not None or one["attempt"] != present]
        found = [one for one in known if number in (None, one["attempt"])]
        if not found and present is not None and number == present:
            return {"attempt": present}
        if not found:
            which = f"attempt {number}" if number else "ended attempt"
            hint = render.known([int(one["attempt"]) for one in known])
            raise Failure(f"{task['name']} has no {which} on record", hint=hint, exit_code=3)
        return max(found, key=lambda one: int(one["attempt"]))

    def _notice(self, sentence: str) -> None:
        self.session.say(f"! {sentence}")


def _prefixed(reading: Reading, words: Sequence[str]) -> int:
    """Print several logs with names before the lines, side by side if they are followed; return the exit code."""
    wide = 0 if reading.session.structured else max(len(word) for word in words)
    lock = threading.Lock()
    codes: list[int] = []

    def copy(word: str) -> None:
        prefix = word.ljust(wide).encode() + b" | " if wide else b""
        try:
            for line in render.lines(reading.of(word)):
                with lock:
                    reading.write(prefix + line + b"\n")
        except OrmenError as error:
            with lock:
                codes.append(show(error, reading.session, word=word))

    _each(copy, words, together=reading.wish.follow)
    return codes[0] if codes else 0


def _each(copy: Callable[[str], None], words: Sequence[str], *, together: bool) -> None:
    if not together:
        for word in words:
            copy(word)
        return
    threads = [threading.Thread(target=copy, args=(word,), daemon=True) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
