"""Every way a command can end other than well: the text on stderr and the exit code."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

import click

from ormen.cli.render.problem import failure, fault_text, faults, path_text, problem
from ormen.cli.session import Session
from ormen.errors import OrmenError
from ormen.local.failure import LocalFailure
from ormen.transport import EXIT_CODES, ClientError

INTERRUPTED, PIPE_CLOSED, TIMED_OUT, OURS = 130, 141, 124, 125

MEANINGS: Mapping[int, str] = {
    0: "what was asked is so",
    1: "it failed: a task did not come up, or something broke",
    2: "wrong use: arguments, a file or a spec have faults, each of them named",
    3: "what was named is not there",
    4: "it contradicts what is there: a name, an id or a place is taken, a task still runs",
    5: "something needed does not answer: the deck, Redis or Docker",
    6: "not allowed: a token, the policy, the access to Docker",
    TIMED_OUT: "the wait was too long; what was asked goes on",
    OURS: "exec, or run that stays: ormen itself failed; every other code is the container's own",
    INTERRUPTED: "Ctrl-C",
    PIPE_CLOSED: "whoever read the output has gone",
}
"""Every exit code of the command line, and what it says."""


_CODES: Mapping[int, str] = {
    2: "WRONG_USE", 3: "NOT_FOUND", 4: "TAKEN", 5: "OUT_OF_REACH", 6: "NOT_ALLOWED", TIMED_OUT: "TIMED_OUT"
}  # fmt: skip
"""What a failure of this program's own is called, by its exit code, where it has no code; any other is FAILED."""

_NO_NUMBER = re.compile(r"'(?P<word>.*)' is not a valid integer( range)?\.?", re.DOTALL)
"""How click says that a word is no number."""


class Failure(OrmenError):
    """A command cannot do what it should; `shown` says that the text is already on the screen."""

    def __init__(
        self,
        sentence: str,
        *,
        hint: str | None = None,
        exit_code: int = 1,
        code: str | None = None,
        shown: bool = False,
    ) -> None:
        super().__init__(sentence, hint=hint)
        self.exit_code = exit_code
        self.reason_code = code
        self.shown = shown


class Faulty(OrmenError):
    """Arguments or a file have faults: each row is where and what, all at once."""

    def __init__(self, title: str, rows: list[tuple[str, ...]], *, code: str | None = None) -> None:
        super().__init__(title)
        self.rows = rows
        self.reason_code = code


def ended(exit_code: int) -> NoReturn:
    """End the command with a code after its text has been printed."""
    raise Failure("", exit_code=exit_code, shown=True)


def exit_code_of(error: OrmenError) -> int:
    """Return what the command exits with for an error."""
    if isinstance(error, Failure | ClientError | LocalFailure):
        return error.exit_code
    return 2 if isinstance(error, Faulty) else EXIT_CODES.get(error.http_status, 1)


def show(error: OrmenError, session: Session, *, word: str = "", name: str = "") -> int:
    """Print an error to stderr and return the exit code. `word` is what the user called the task."""
    look = session.look(sys.stderr)
    if isinstance(error, Failure) and error.shown:
        return error.exit_code
    if session.structured:
        text = json.dumps(document_of(error), indent=2, ensure_ascii=False)
    elif isinstance(error, ClientError):
        text = _client_error(error, session, word=word, name=name)
    elif isinstance(error, Faulty):
        text = faults(error.sentence, error.rows, look, code=error.reason_code)
    elif isinstance(error, Failure):
        text = failure(error.sentence, look, code=error.reason_code, hint=error.hint)
    else:
        text = failure(error.sentence, look, code=error.code, hint=error.hint)
    print(text, file=sys.stderr, flush=True)
    return exit_code_of(error)


def document_of(error: OrmenError) -> Mapping[str, object]:
    """Return an error as a problem document: the deck's own, or one with status 0 for what it never saw.

    A fault of an argument is named as the deck names one of a query: the flag after a slash.
    """
    if isinstance(error, ClientError):
        return error.document
    local = isinstance(error, Failure | Faulty | LocalFailure)
    own = error.reason_code if isinstance(error, Failure | Faulty) else error.code
    code = own or _CODES.get(exit_code_of(error), "FAILED")
    document: dict[str, object] = {
        "type": f"/problems/{code.lower()}",
        "title": code.replace("_", " ").capitalize() if local else error.title,
        "status": 0,
        "code": code,
        "detail": error.sentence,
        "hint": error.hint,
    }
    if isinstance(error, LocalFailure) and error.evidence:
        document["evidence"] = list(error.evidence)
    if not isinstance(error, Faulty):
        return document
    return {**document, "errors": [{"pointer": f"/{row[0]}", "detail": row[-1]} for row in error.rows]}


def _client_error(error: ClientError, session: Session, *, word: str, name: str) -> str:
    look = session.look(sys.stderr)
    if has_rows(error):
        asked = error.code == "INVALID_QUERY"
        rows: list[tuple[str, ...]] = [
            (fault["pointer"].lstrip("/") if asked else path_text(fault["pointer"]), fault_text(fault))
            for fault in error.fault_documents
        ]
        return faults(str(error.document["detail"]), rows, look, code=error.code)
    address = str(session.client().address)
    return problem(error.document, look, address=address, word=word, name=name)


def has_rows(error: ClientError) -> bool:
    """Return whether the faults are told one a line; the sentence of a refusal by policy names them all itself."""
    return bool(error.faults) and error.code != "POLICY"


def guarded(call: Callable[[], int], session: Session) -> int:
    """Run a command and return its exit code; whatever it raises becomes a sentence on stderr."""
    try:
        return call()
    except OrmenError as error:
        return show(error, session)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        sentence, hint = usage(error)
        return show(Failure(sentence, hint=hint, exit_code=2), session)
    except click.ClickException as error:
        return show(Failure(error.format_message(), exit_code=error.exit_code), session)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED


def usage(error: click.UsageError) -> tuple[str, str | None]:
    """Return the sentence and the hint of wrong use, in our words."""
    if isinstance(error, click.NoSuchOption):
        guess = sorted(error.possibilities or ())
        hint = f"did you mean {' or '.join(guess[:3])}?" if guess else None
        return f"no option {error.option_name}", hint or _after_image(error)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        metavar = error.param.make_metavar(error.ctx) if error.ctx else error.param.name
        flag = f"{error.param.opts[0]} " if isinstance(error.param, click.Option) else ""
        return f"{flag}{metavar} is missing", None
    if isinstance(error, click.BadParameter) and (number := _NO_NUMBER.fullmatch(error.message)):
        flag = max(error.param.opts, key=len) if error.param else "this"
        return f'{flag}: "{number["word"]}" is not a whole number', None
    text = error.format_message().removesuffix(".")
    return text[:1].lower() + text[1:], None


def _after_image(error: click.UsageError) -> str | None:
    command = error.ctx.command.name if error.ctx else None
    return "put -- before options that belong to the container's command." if command in ("run", "exec") else None


def pipe_closed() -> NoReturn:
    """End silently; stdout is pointed at nothing, so that the interpreter's own flush at exit does not complain."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    ended(PIPE_CLOSED)
