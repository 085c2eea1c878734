"""``ormen plan``: what would go where, and why, without doing it."""

from __future__ import annotations

import click

from ormen.cli.errors import ended
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import plan as render
from ormen.cli.run import send_file


@click.command(
    cls=Command,
    usage=["[OPTIONS] -f FILE"],
    examples=["ormen plan -f shop.yaml", "ormen plan -f shop.yaml && ormen run -f shop.yaml"],
)
@option(
    "-f", "--file", "--filename", "file", metavar="FILE", required=True,
    help="JSON or YAML, one task or many; - is stdin",
)  # fmt: skip
@common
@click.pass_context
def plan(ctx: click.Context, file: str) -> None:
    """Say what would go where, and change nothing.

    Exit code 1 says that something would wait. -o json is an array of the tasks.
    """
    session = session_of(ctx)
    found = send_file(session, file, session.client().plan)
    if session.structured:
        session.document(found["items"])
    elif session.output == "name":
        session.data("\n".join(row["name"] for row in found["items"]))
    elif not session.quiet:
        session.data(render.planned(found, session.look()))
        session.say(render.summary(found))
    if found["wait"]:
        ended(1)
