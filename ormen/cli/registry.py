"""``ormen registry``: the logins with which every node pulls images."""

from __future__ import annotations

import sys

import click

from ormen.cli.completing import REGISTRY
from ormen.cli.errors import Failure
from ormen.cli.named import each, show_all
from ormen.cli.options import Command, Family, common, option, session_of
from ormen.cli.render import registries as render
from ormen.cli.session import Session, is_terminal
from ormen.registries import DOCKER_HUB
from ormen.transport import Request

CHECK_S = 30.0
"""How long the deck may take: a node asks the registry for up to fifteen seconds."""


@click.group(
    cls=Family,
    text="Log in to image registries, list the logins, log out. The login is kept by\n"
    "the cluster, so every node pulls with it from the next pull on. Without one a\n"
    "node uses its own, if somebody ran docker login there.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def registry() -> None:
    """Log in to image registries."""


@registry.command(
    cls=Command,
    usage=["[OPTIONS] [HOST]"],
    examples=[
        "ormen registry login registry.example.com",
        "ormen registry login ghcr.io -u ann --password-stdin < token",
    ],
)
@click.argument("host", metavar="[HOST]", required=False, default=DOCKER_HUB)
@option("-u", "--username", metavar="USER", default=None, help="Who pulls  [asked for on a terminal]")
@option("--password-stdin", is_flag=True, help="Read the password or token from stdin")
@option("--no-check", is_flag=True, help="Keep it without asking the registry")
@common
@click.pass_context
def login(ctx: click.Context, host: str, username: str | None, password_stdin: bool, no_check: bool) -> None:
    """Keep a login for a registry, Docker Hub where none is named.

    A node asks the registry first; what that refuses is not kept. The password
    is shown nowhere again.
    """
    session = session_of(ctx)
    user = username or _ask("Username", "say who pulls: --username USER.")
    body = {"host": host, "username": user, "password": _password(password_stdin), "check": not no_check}
    kept = session.transport().send(Request("POST", "/v1/registries", body=body, wait_s=CHECK_S))
    if session.structured:
        session.document(kept)
    elif session.output == "name":
        session.data(kept["host"])
    elif not session.quiet:
        session.data(render.kept(kept))
        session.say(render.remarks(kept, session.look(sys.stderr)))


@registry.command(name="ls", cls=Command, usage=["[OPTIONS]"], examples=["ormen registry ls"])
@common
@click.pass_context
def listed(ctx: click.Context) -> None:
    """List the logins; no password is shown."""
    show_all(
        session_of(ctx),
        "/v1/registries",
        render.listed,
        none="No logins. Make one: ormen registry login HOST",
        key="host",
    )


@registry.command(cls=Command, usage=["[OPTIONS] HOST..."], examples=["ormen registry logout ghcr.io"])
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True, shell_complete=REGISTRY)
@common
@click.pass_context
def logout(ctx: click.Context, hosts: tuple[str, ...]) -> None:
    """Forget logins: the next pull goes without one. Images stay."""
    session: Session = session_of(ctx)
    each(session, hosts, path="/v1/registries", done="is forgotten", key="host")


def _password(from_stdin: bool) -> str:
    """Return what was piped in, without the line end that echo adds, or what is typed unseen."""
    if from_stdin:
        password = sys.stdin.read().rstrip("\r\n")
        if not password:
            raise Failure("there is no password on stdin", hint="… --password-stdin < FILE", exit_code=2)
        return password
    return _ask("Password", "pipe it in with --password-stdin.", hidden=True)


def _ask(what: str, remedy: str, *, hidden: bool = False) -> str:
    if not is_terminal(sys.stdin):
        raise Failure(f"no {what.lower()} is given, and nobody is here to be asked", hint=remedy, exit_code=2)
    answer: str = click.prompt(what, hide_input=hidden, err=True)
    return answer
