"""What `deck` and `sailor` share: supervise a few processes on a real host, and log plain lines."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ormen.cli.drawing import DataScreen, PlainScreen, clock, logged
from ormen.cli.errors import ended
from ormen.cli.render import cluster as screens
from ormen.cli.session import Session
from ormen.local.address import check_store, parse_url
from ormen.local.failure import TAKEN, WRONG_USE, LocalFailure
from ormen.local.logs import INFO, WARNING, Follower, last_words, parse, rotate
from ormen.local.processes import Program
from ormen.local.stage import Failure
from ormen.local.state import Process, Run, StateFolder
from ormen.local.supervisor import Died, GaveUp, Notice, Supervisor
from ormen.local.waker import Waker
from ormen.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOGS_EVERY_S, ROTATE_EVERY_S = 0.25, 10.0
SILENCE_EVERY_S = 10.0
"""How often it is said that Redis does not answer: every child notices by itself, and again at each try."""
SILENCE = re.compile(r"Redis at \S+ .*; waiting for it|.*(Cannot connect to redis|Connection error: ).*Trying again")
"""What children log of a Redis that is away, ours and Celery's own words."""


@dataclass(frozen=True, slots=True)
class Journal:
    """Where a service says what happens: lines on stderr under its name (``sailor node-4``), objects for programs."""

    session: Session
    name: str
    mark: str = ""

    def say(self, text: str, *, rank: int = WARNING) -> None:
        """Say it, with -q only if it is a warning or worse."""
        if self.session.structured:
            self.session.item(logged(self.name, text))
        elif rank >= WARNING or not self.session.quiet:
            print(f"{clock()} {self.name}{self.mark} {text}", file=sys.stderr, flush=True)


@dataclass
class Service:
    """A supervised part of a real cluster: where it speaks and what ended for good."""

    journal: Journal
    programs: Sequence[Program]
    store: Callable[[], bool]
    folder: StateFolder
    lost: list[GaveUp] = field(default_factory=list)
    silence_told: float = field(default_factory=time.monotonic)

    def run(self) -> int:
        """Supervise until a signal, then stop in reverse order; return the exit code.

        When every process has ended for good there is nothing left to supervise, and the last one's exit code, if
        it was an answer, is ours.
        """
        self.folder.write(Run(Process.of(os.getpid())))
        files = {program.name: program.log for program in self.programs}
        followers = {name: Follower(path, offset=_size(path)) for name, path in files.items()}
        supervisor = Supervisor(tell=self._hear, store_answers=self.store)
        rotated = time.monotonic()
        with Waker(SIGNALS) as waker:
            for program in self.programs:
                supervisor.start(program)
            while not waker.noted and supervisor.names():
                due = supervisor.step()
                self.relay(followers)
                if time.monotonic() - rotated > ROTATE_EVERY_S:
                    rotated = time.monotonic()
                    for path in files.values():
                        rotate(path)
                waker.wait(LOGS_EVERY_S if due is None else min(due, LOGS_EVERY_S))
            stopped = bool(waker.noted)
            supervisor.stop_all()
            self.relay(followers)
        self.folder.clear()
        if stopped:
            self.journal.say("stopped", rank=INFO)
            return 0
        return self._verdict()

    def _verdict(self) -> int:
        last = self.lost[-1]
        return last.end.exit_code or 1 if last.final else 1

    def _hear(self, notice: Notice) -> None:
        if isinstance(notice, Died):
            self.journal.say(screens.died(notice.program, notice.end, notice.pause_s))
        elif isinstance(notice, GaveUp):
            self.lost.append(notice)
            if not notice.final:
                words = last_words(notice.program.log, offset=notice.log_start)
                self.journal.say(f"{notice.program.role} dies at once, tried again once a minute: {notice.program.log}")
                for line in words:
                    self.journal.say(f"  {line}")

    def relay(self, followers: Mapping[str, Follower]) -> None:
        """Say what the children have logged since the last call."""
        for follower in followers.values():
            for raw in follower.lines():
                line = parse(raw)
                text = line.text
                if SILENCE.match(text.partition(": ")[2]) or SILENCE.match(text):
                    self._say_silence()
                elif text.strip():
                    self.journal.say(text, rank=INFO if line.rank is None else line.rank)

    def _say_silence(self) -> None:
        now = time.monotonic()
        if now - self.silence_told >= SILENCE_EVERY_S:
            self.silence_told = now
            self.journal.say("Redis does not answer; trying until it does")


def warn_of_silence(journal: Journal, url: str, *, insecure: bool) -> Callable[[], bool]:
    """Check the Redis URL, say so if nothing answers there yet, and return the question whether it answers.

    Raises `LocalFailure` only for a URL that may not be used: an unreachable Redis is waited for.
    """
    address = parse_url(url)
    check_store(address, insecure=insecure)
    answer = address.answer(timeout_s=5.0)
    if answer.startswith(("-NOAUTH", "-WRONGPASS")):
        journal.say(f"Redis at {address} refuses the login: {answer[1:]}")
    elif not answer:
        journal.say(f"Redis at {address} does not answer; trying until it does")
    return address.answers


def hold(folder: StateFolder, what: str, *, hint: str, code: str = "") -> None:
    """Hold a service's state folder; raise `LocalFailure` that says who already is what this one would be."""
    holder = folder.take_or_holder()
    if holder is not None:
        raise LocalFailure(f"{what} already runs on this host: {holder}", hint=hint, exit_code=TAKEN, code=code)


def settings_of_env() -> Settings:
    """Return the settings of the environment; raise `LocalFailure` that names a variable which cannot be read."""
    try:
        return Settings.from_env()
    except ValueError as error:
        raise LocalFailure(str(error), hint="correct the variable, or unset it", exit_code=WRONG_USE) from None


def fail(session: Session, error: LocalFailure) -> None:
    """Show a failure and end the command with its exit code."""
    (DataScreen if session.structured else PlainScreen)(session).tell(Failure.of(error))
    ended(error.exit_code)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
