"""``ormen prune``: remove what has ended, and what nothing needs."""

from __future__ import annotations

import sys
from typing import Any

import click

from ormen.cli.errors import Failure, ended
from ormen.cli.options import DURATION, Command, common, option, session_of
from ormen.cli.render import prune as render
from ormen.cli.session import Session, is_terminal
from ormen.client import Client

KINDS = ("images", "volumes", "orphans")


@click.command(
    cls=Command,
    usage=["[OPTIONS]"],
    examples=[
        "ormen prune --dry-run",
        "ormen prune --older-than 24h",
        "ormen prune --images --volumes -y",
    ],
)
@option("--older-than", type=DURATION, default=0.0, metavar="TIME", help="Only what ended or was last used so long ago")
@option("--images", is_flag=True, help="Also images that ormen pulled and nothing needs")
@option("--volumes", is_flag=True, help="Also volumes without a name that containers have left")
@option("--orphans", is_flag=True, help="Also containers without a record; those that run are stopped")
@option("--dry-run", is_flag=True, help="Say what would go, and remove nothing")
@option("-y", "--yes", is_flag=True, help="Do not ask back")
@common
@click.pass_context
def prune(
    ctx: click.Context,
    older_than: float,
    images: bool,
    volumes: bool,
    orphans: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove ended tasks with their records and containers, and what else is named."""
    session = session_of(ctx)
    client = session.client()
    kinds = [kind for kind, chosen in zip(KINDS, (images, volumes, orphans), strict=True) if chosen]
    if dry_run:
        found = client.prune(older_than=older_than, kinds=kinds, dry_run=True)
        _show(session, found)
        return
    if not yes:
        _ask(session, client, older_than=older_than, kinds=kinds)
    gone = client.prune(older_than=older_than, kinds=kinds)
    _show(session, gone)
    if any(node["error"] for node in gone["nodes"] if kinds):
        ended(1)


def _ask(session: Session, client: Client, *, older_than: float, kinds: list[str]) -> None:
    """Show what would go and ask back; go no further where nobody can answer, or where nothing would go."""
    if not is_terminal(sys.stdin):
        hint = "say so with -y, or look with --dry-run."
        raise Failure("prune removes records for ever and asks before it does", hint=hint, exit_code=2)
    found = client.prune(older_than=older_than, kinds=kinds, dry_run=True)
    session.say(render.pruned(found, session.look(sys.stderr)))
    if render.is_empty(found):
        ended(0)
    if not click.confirm("Remove them?", err=True):
        raise click.Abort


def _show(session: Session, found: dict[str, Any]) -> None:
    if session.structured:
        session.document(found)
    elif session.output == "name":
        session.data("\n".join(found["names"]))
    elif not session.quiet:
        session.data(render.pruned(found, session.look()))
        session.say(render.hints(found))
