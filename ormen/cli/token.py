"""``ormen token``: access tokens, each with a name, a role and perhaps an end."""

from __future__ import annotations

import click

from ormen.cli.completing import TOKEN
from ormen.cli.named import each, show_all
from ormen.cli.options import DURATION, Command, Family, common, option, session_of
from ormen.cli.render import tokens as render
from ormen.transport import Request

ROLES = ("read", "operate", "admin")


@click.group(
    cls=Family,
    text="Create, list and remove access tokens. The deck's own token, given to it\n"
    "with ORMEN_TOKEN or --token-file, is an admin's and makes the first one.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def token() -> None:
    """Create, list and remove access tokens."""


@token.command(
    cls=Command,
    usage=["[OPTIONS] NAME"],
    examples=[
        "ormen token create ci --role operate --expires 720h",
        "ORMEN_TOKEN=$(ormen token create ann --role admin) ormen status",
    ],
)
@click.argument("name", metavar="NAME")
@option("--role", type=click.Choice(ROLES), default="read", metavar="ROLE", help="read, operate or admin  [read]")
@option("--expires", type=DURATION, default=None, metavar="TIME", help="Refuse it after this time  [never]")
@common
@click.pass_context
def create(ctx: click.Context, name: str, role: str, expires: float | None) -> None:
    """Make a token and print it, this once.

    read looks, also at logs; operate runs, stops and removes tasks, enters
    containers and drains nodes; admin may do everything.
    """
    session = session_of(ctx)
    body = {"name": name, "role": role, "expires_in": expires}
    made = session.transport().send(Request("POST", "/v1/tokens", body=body, repeatable=False))
    if session.structured:
        session.document(made)
        return
    session.data(made["token"])
    session.say(render.made(made, session.look()))


@token.command(name="ls", cls=Command, usage=["[OPTIONS]"], examples=["ormen token ls"])
@common
@click.pass_context
def listed(ctx: click.Context) -> None:
    """List tokens: who may do what, until when, and the last use."""
    show_all(session_of(ctx), "/v1/tokens", render.listed, none="No tokens beside the deck's own.")


@token.command(name="rm", cls=Command, usage=["[OPTIONS] NAME..."], examples=["ormen token rm ci"])
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=TOKEN)
@common
@click.pass_context
def remove(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Remove tokens; within three seconds nobody takes them any more."""
    session = session_of(ctx)
    each(session, names, path="/v1/tokens", done="is removed")
