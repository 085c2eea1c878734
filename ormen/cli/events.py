"""``ormen events``: what happened."""

from __future__ import annotations

import click

from ormen.cli.completing import NODE, TASK
from ormen.cli.errors import Failure
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import events as render
from ormen.cli.session import Session, json_line
from ormen.client import Client
from ormen.transport import Document


@click.command(
    cls=Command,
    usage=["[OPTIONS] [TASK]"],
    examples=["ormen events -f", "ormen events web", "ormen events --node node-2 --since 1h"],
)
@click.argument("task", metavar="[TASK]", required=False, shell_complete=TASK)
@option("-f", "--follow", is_flag=True, help="Stay and show what happens")
@option("--node", metavar="NODE", help="Only events of this node", shell_complete=NODE)
@option("--since", metavar="TIME", help="From then on: 10m ago, or an RFC 3339 time")
@option("--utc", is_flag=True, help="Times as RFC 3339 with Z")
@common
@click.pass_context
def events(ctx: click.Context, task: str | None, follow: bool, node: str | None, since: str | None, utc: bool) -> None:
    """Show what happened, oldest first; of one task with the gaps between."""
    session = session_of(ctx)
    session.utc = utc
    if session.output == "name":
        raise Failure("events have no names", hint="-q prints their ids.", exit_code=2)
    client = session.client()
    chosen = None if task is None else client.task(task)["id"]
    past = [] if follow and since is None else client.events(task=chosen, node=node, since=since)
    if session.structured and not follow:
        session.document(past)
        return
    if chosen and not follow:
        session.data(render.history(past, session.look()) if not session.quiet else "")
        return
    wide = render.width(past)
    for event in past:
        wide = _print(session, event, wide)
    if follow:
        _follow(session, client, chosen, node, past[-1]["id"] if past else None, wide)


def _print(session: Session, event: Document, wide: int) -> int:
    """Print one event and return the width that names have taken so far."""
    if session.structured:
        session.data(json_line(event))
    elif session.quiet:
        session.data(str(event["id"]))
    else:
        wide = max(wide, len(render.what(event)))
        session.data(render.line(event, session.look(), wide=wide))
    return wide


def _follow(session: Session, client: Client, task: str | None, node: str | None, after: str | None, wide: int) -> None:
    for event in client.follow_events(task=task, node=node, after=after, notice=lambda text: session.say(f"! {text}")):
        if event["type"] == "gap" and not session.structured:
            session.say(f"! {event.get('sentence') or 'some events are forgotten'}")
            continue
        wide = _print(session, event, wide)
