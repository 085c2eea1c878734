"""``ormen version``: of this program and of the deck."""

from __future__ import annotations

import click

from ormen import __version__
from ormen.cli.options import Command, common, session_of
from ormen.errors import OrmenError


@click.command(cls=Command)
@common
@click.pass_context
def version(ctx: click.Context) -> None:
    """Print the versions of this program and of the deck."""
    session = session_of(ctx)
    client = session.client()
    if not session.structured:
        session.data(f"ormen  {__version__}")
    try:
        deck = client.version()
    except OrmenError:
        if session.structured:
            session.document({"ormen": __version__, "deck": None, "address": str(client.address)})
        raise
    if session.structured:
        session.document({"ormen": __version__, "deck": deck, "address": str(client.address)})
    else:
        session.data(f"deck   {deck} at {client.address}")
