"""``ormen context``: several clusters by name, and which of them the other commands ask."""

from __future__ import annotations

import os
import sys

import click

from ormen import contexts
from ormen.cli.completing import CONTEXT
from ormen.cli.errors import Failure, ended, show
from ormen.cli.options import Command, Family, common, option, session_of
from ormen.cli.render.table import Column, Row, table
from ormen.cli.render.text import clean
from ormen.cli.session import Session
from ormen.contexts import Context, Contexts
from ormen.errors import OrmenError
from ormen.transport import Address

_COLUMNS = (Column("NAME"), Column("MANAGER"), Column("TOKEN"), Column("CURRENT"))


@click.group(
    cls=Family,
    text="Name several clusters and choose one. A command asks the deck that -m names,\n"
    "else ORMEN_MANAGER, else the context that ORMEN_CONTEXT names, else the one\n"
    "in use, else localhost:5555. ORMEN_TOKEN goes before a context's token, which\n"
    "is sent to that context's deck alone.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def context() -> None:
    """Name several clusters and choose one."""


@context.command(
    cls=Command,
    usage=["[OPTIONS] NAME -m ADDR"],
    examples=["ormen context add prod -m 10.0.0.5:5555 --token-stdin < prod.token"],
)
@click.argument("name", metavar="NAME")
@option("--token-stdin", is_flag=True, help="Read the token from stdin and keep it beside the address")
@option("--use", is_flag=True, help="Use it from now on; the first one is used anyway")
@option("--replace", "anew", is_flag=True, help="Change one that is there")
@common
@click.pass_context
def add(ctx: click.Context, name: str, token_stdin: bool, use: bool, anew: bool) -> None:
    """Keep a deck's address, and perhaps a token, under a name.

    The file can be read by its owner alone; a token stands in it as it is.
    """
    session = session_of(ctx)
    if session.manager is None:
        raise Failure(f"where is the deck of {name}?", hint=f"ormen context add {name} -m HOST:PORT", exit_code=2)
    try:
        Address.parse(session.manager)
    except ValueError as error:
        raise Failure(str(error), hint="write it as HOST:PORT, or as a URL.", exit_code=2) from None
    token = sys.stdin.read().strip() if token_stdin else None
    if token == "":
        raise Failure(
            "there is no token on stdin", hint="ormen context add NAME -m ADDR --token-stdin < FILE", exit_code=2
        )
    found = _read().added(name, Context(session.manager, token), anew=anew)
    found = found.using(name) if use else found
    _write(found)
    current = " and is used from now on" if name == found.current else ""
    said = f"{name} is {session.manager}{', with a token,' if token else ''}{current}"
    _tell(session, name, said, _document(name, found))
    _warn(session)


@context.command(name="ls", cls=Command, usage=["[OPTIONS]"], examples=["ormen context ls"])
@common
@click.pass_context
def listed(ctx: click.Context) -> None:
    """List contexts; no token is shown."""
    session, found = session_of(ctx), _read()
    current = os.environ.get("ORMEN_CONTEXT") or found.current
    rows = [_document(name, found, current=current) for name in found.known]
    if session.structured:
        session.document(rows)
    elif session.quiet or session.output == "name":
        session.data("\n".join(found.known))
    elif rows or session.look().width is None:
        session.data(_table(session, rows))
    else:
        session.say("No contexts. Add one: ormen context add NAME -m HOST:PORT")
    _warn(session)


def _table(session: Session, rows: list[dict[str, object]]) -> str:
    cells = [
        Row(
            {
                "NAME": clean(row["name"]),
                "MANAGER": clean(row["manager"]),
                "TOKEN": "kept" if row["token"] else "-",
                "CURRENT": "yes" if row["current"] else "-",
            }
        )
        for row in rows
    ]
    return table(_COLUMNS, cells, session.look(), remarks=False)


@context.command(cls=Command, usage=["[OPTIONS] NAME"], examples=["ormen context use prod"])
@click.argument("name", metavar="NAME", shell_complete=CONTEXT)
@common
@click.pass_context
def use(ctx: click.Context, name: str) -> None:
    """Ask this one's deck from now on, where nothing else is said."""
    session = session_of(ctx)
    found = _read().using(name)
    _write(found)
    _tell(session, name, f"{name} ({found.known[name].manager}) is used from now on", _document(name, found))
    _warn(session)


@context.command(name="rm", cls=Command, usage=["[OPTIONS] NAME..."], examples=["ormen context rm old"])
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=CONTEXT)
@common
@click.pass_context
def remove(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Forget contexts with their tokens. The clusters know nothing of it."""
    session, found, code = session_of(ctx), _read(), 0
    gone: list[dict[str, object]] = []
    for name in names:
        try:
            was, found = found.current, found.removed(name)
        except OrmenError as error:
            failed = show(error, session)
            code = code or failed
            continue
        _write(found)
        rest = "; no context is in use now" if was == name else ""
        gone.append({"name": name})
        _tell(session, name, f"{name} is forgotten{rest}")
    if session.structured and (gone or not code):
        session.document(gone)
    if code:
        ended(code)


def _read() -> Contexts:
    return contexts.load(contexts.place())


def _write(found: Contexts) -> None:
    path = contexts.place()
    try:
        contexts.save(path, found)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error


def _document(name: str, found: Contexts, *, current: str | None = None) -> dict[str, object]:
    """Return a context as JSON has it; its token is shown nowhere."""
    one = found.known[name]
    used = current or found.current
    return {"name": name, "manager": one.manager, "token": bool(one.token), "current": name == used}


def _tell(session: Session, name: str, said: str, document: dict[str, object] | None = None) -> None:
    """Say what was done, in the form that was asked for; without a document JSON is left to the caller."""
    if session.output == "name":
        session.data(name)
    elif session.structured and document is not None:
        session.document(document)
    elif not session.quiet and not session.structured:
        session.data(said)


def _warn(session: Session) -> None:
    for variable in ("ORMEN_MANAGER", "ORMEN_CONTEXT"):
        if os.environ.get(variable):
            session.say(f"! {variable} is set here and goes before the context in use")
