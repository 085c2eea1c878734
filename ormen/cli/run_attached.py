"""``ormen run -it``, ``--attach``, ``--rm``: stay with the container, hand it signals, exit with its code."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import NoReturn

from ormen.cli.errors import OURS, TIMED_OUT, ended, show
from ormen.cli.render import run as render
from ormen.cli.run import Stay
from ormen.cli.session import Session
from ormen.cli.talking import Gone, converse, leaving
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.outcome import Verdict, code_of, judge, sentence_of
from ormen.reasons import Code
from ormen.transport import ClientError, Document

LOOK_S, LONGEST_LOOK_S = 0.1, 0.5
QUIET_S = 1.0
"""A start that takes no longer is not talked about."""
REMOVE_S = 30.0
NOT_FOUND = 127
BEGUN = ("running", "completed", "failed")


def stay_with(session: Session, task: Document, stay: Stay, *, timeout_s: float) -> NoReturn:
    """Attach to a task that was just submitted, once it has started; end the command as its container ends."""
    client, code = session.client(), OURS
    try:
        # From the first moment, so that no signal ends this process before it has said good-bye.
        with leaving():
            try:
                code = _stayed(session, client, task, stay, timeout_s=timeout_s)
            finally:
                if stay.remove:
                    remove(session, client, task)
    except Gone as gone:
        code = gone.code
    ended(code)


def _stayed(session: Session, client: Client, task: Document, stay: Stay, *, timeout_s: float) -> int:
    """Return what the container ended with, or what this command is to say of itself."""
    try:
        started = until_started(session, client, task, timeout_s=timeout_s)
        talk = client.attach(started["id"])
        # A terminal hands Ctrl-C over as a key; whoever ends this process by a signal wants to leave.
        return converse(session, talk, stdin=stay.stdin, tty=stay.tty, forward=not (stay.stdin and stay.tty))
    except Gone as gone:
        if not stay.remove:
            session.say(f"Left: {task['name']} goes on by itself. See: ormen status {task['name']}")
        return gone.code
    except NotStarted as vain:
        return vain.code
    except OrmenError as error:
        show(error, session, word=task["name"])
        return OURS


class NotStarted(Exception):
    """It did not start, and that was said; `code` is what the command exits with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def until_started(session: Session, client: Client, task: Document, *, timeout_s: float) -> Document:
    """Return the record once the container has run; raise NotStarted, having said why, where it will not."""
    began, pause_s, told = time.monotonic(), LOOK_S, ""
    while task["state"] not in BEGUN:
        waited_s = time.monotonic() - began
        if judge(task) is not Verdict.WAITING or waited_s > timeout_s:
            _say_why(session, client, task, waited_s=waited_s)
        word = sentence_of(task) or task.get("detail") or ""
        if word != told and waited_s > QUIET_S:
            session.say(f"{task['name']}: {word}")
            told = word
        client.pause(pause_s)
        pause_s = min(pause_s * 1.2, LONGEST_LOOK_S)
        task = client.task(task["id"])
    return task


def _say_why(session: Session, client: Client, task: Document, *, waited_s: float) -> NoReturn:
    attempts: list[Document] = []
    with contextlib.suppress(ClientError):
        attempts = client.attempts(task["id"])
    late = judge(task) is Verdict.WAITING
    look = session.look(sys.stderr)
    print(render.not_up(task, attempts, look, waited_s=waited_s if late else None), file=sys.stderr)
    raise NotStarted(TIMED_OUT if late else NOT_FOUND if code_of(task) == Code.COMMAND_NOT_FOUND else OURS)


def remove(session: Session, client: Client, task: Document) -> None:
    """Remove the task, and its container if it still runs; say so where that cannot be done."""
    try:
        client.remove(task["id"], force=True, wait_s=REMOVE_S)
    except OrmenError as error:
        show(error, session, word=task["name"])
