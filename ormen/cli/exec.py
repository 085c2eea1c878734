"""``ormen exec``: a command in the container of a running task, on whatever node it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import click

from ormen.cli import run_values as read
from ormen.cli.completing import TASK
from ormen.cli.errors import OURS, Failure, Faulty, ended, show
from ormen.cli.options import common, option, session_of
from ormen.cli.render.problem import fault_title
from ormen.cli.run import RunCommand
from ormen.cli.session import Session
from ormen.client_talk import Talk, gathered
from ormen.errors import OrmenError


@click.command(
    cls=RunCommand,
    name="exec",
    help="Run a command in the container of a running task, and exit with its code:\n"
    "126 if it cannot be run, 127 if there is no such program, 125 if ormen failed.\n"
    "Leaving it early, also by Ctrl-C, ends it.",
    usage=["[OPTIONS] TASK COMMAND [ARG]..."],
    examples=[
        "ormen exec web nginx -t",
        "ormen exec -it web sh",
        "ormen exec -i db psql -U postgres < dump.sql",
        "ormen exec -u root -w /srv web ls -l",
    ],
)
@click.argument("word", metavar="TASK", shell_complete=TASK)
@click.argument("command", metavar="COMMAND [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
@option("-i", "--interactive", is_flag=True, help="Pass stdin on to it")
@option("-t", "--tty", is_flag=True, help="Give it a terminal")
@option("-e", "--env", multiple=True, metavar="KEY[=VALUE]", help="Variable; without a value, taken from here")
@option("--env-file", multiple=True, metavar="FILE", help="Variables, one a line")
@option("-u", "--user", metavar="USER[:GROUP]", help="Run it as this user")
@option("-w", "--workdir", metavar="DIR", help="Run it in this folder of the container")
@common
@click.pass_context
def exec(
    ctx: click.Context,
    word: str,
    command: tuple[str, ...],
    interactive: bool,
    tty: bool,
    env: tuple[str, ...],
    env_file: tuple[str, ...],
    user: str | None,
    workdir: str | None,
) -> None:
    """Begin the command; pass its streams on."""
    from ormen.cli import talking

    session = session_of(ctx)
    if tty and interactive and not talking.has_terminal():
        raise Failure("stdin is no terminal", hint="leave out -t.", exit_code=2)
    variables = _variables(env, env_file)
    try:
        # From the first moment: what was begun is ended, too, whenever this process is told to end.
        with talking.leaving():
            talk = session.client().talk(
                word, command, tty=tty, stdin=interactive, env=variables, user=user, workdir=workdir
            )
            if session.structured:
                code = _document(session, talk, interactive=interactive)
            else:
                code = talking.converse(session, talk, stdin=interactive, tty=tty)
    except OrmenError as error:
        show(error, session, word=word)
        code = OURS
    except talking.Gone as gone:
        code = gone.code
    ended(code)


def _variables(env: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Return all variables, those given one by one over those of files; raise Faulty with all that is wrong."""
    rows: list[tuple[str, ...]] = []
    found: dict[str, str] = {}
    sources: list[tuple[str, Callable[[], dict[str, str]]]] = [
        *(("--env-file", partial(read.env_file, path)) for path in files),
        ("--env", partial(read.variables, env)),
    ]
    for flag, get in sources:
        try:
            found |= get()
        except read.Wrong as error:
            rows += [(flag, sentence) for sentence in read.sentences_of(error)]
    if rows:
        raise Faulty(fault_title("", len(rows)), rows)
    return found


def _document(session: Session, talk: Talk, *, interactive: bool) -> int:
    """Print code and outputs as one document at the end; return the code."""
    from ormen.cli import talking

    try:
        if interactive:
            talking.Told(talk).input()
        done = gathered(talk.frames())
    finally:
        talk.hang_up()
    printed = {"stdout": done.text, "stderr": done.stderr.decode(errors="replace")}
    session.document({"exit_code": done.exit_code, **printed})
    return done.exit_code
