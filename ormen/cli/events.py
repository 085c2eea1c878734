"""``ormen events``: what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from ormen.cli.completing import NODE, TASK_OR_NODE
from ormen.cli.errors import Failure
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import events as render
from ormen.cli.session import Session
from ormen.client import Client
from ormen.transport import ClientError, Document


@click.command(
    cls=Command,
    usage=["[OPTIONS] [TASK|NODE]"],
    examples=["ormen events -f", "ormen events web", "ormen events node-2", "ormen events --node node-2 --since 1h"],
)
@click.argument("word", metavar="[TASK|NODE]", required=False, shell_complete=TASK_OR_NODE)
@option("-f", "--follow", is_flag=True, help="Stay and show what happens")
@option("--node", metavar="NODE", help="Only events of this node", shell_complete=NODE)
@option("--since", metavar="TIME", help="From then on: 10m ago, or an RFC 3339 time")
@option("--utc", is_flag=True, help="Times as RFC 3339 with Z")
@common
@click.pass_context
def events(ctx: click.Context, word: str | None, follow: bool, node: str | None, since: str | None, utc: bool) -> None:
    """Show what happened, oldest first; of one task or node with the gaps between.

    --node shows what happened there, also to tasks; NODE alone what became of
    the node itself.
    """
    session = session_of(ctx)
    session.utc = utc
    if session.output == "name":
        raise Failure("events have no names", hint="-q prints their ids.", exit_code=2)
    client = session.client()
    chosen, own = (None, None) if word is None else _meant(client, word)
    past = [] if follow and since is None else client.events(task=chosen, node=own or node, since=since)
    past = [event for event in past if _about(event, own)]
    if session.structured and not follow:
        session.document(past)
        return
    if (chosen or own) and not (follow or session.quiet):
        session.data(render.history(past, session.look()))
        return
    wide = render.width(past)
    for event in past:
        wide = _print(session, event, wide)
    if follow:
        after = past[-1]["id"] if past else None
        followed = client.follow_events(task=chosen, node=own or node, after=after, notice=_notice(session))
        _follow(session, (event for event in followed if _about(event, own)), wide)


def _meant(client: Client, word: str) -> tuple[str | None, str | None]:
    """Return the id of the task that a word means, or else the node of that name."""
    try:
        return str(client.task(word)["id"]), None
    except ClientError as error:
        if error.code != "TASK_NOT_FOUND":
            raise
        try:
            return None, str(client.node(word)["name"])
        except ClientError as second:
            if second.code == "NODE_NOT_FOUND":
                raise error from second
            raise


def _about(event: Document, own: str | None) -> bool:
    """Return whether an event is to be shown: of a node alone those of the node itself."""
    return own is None or str(event["type"]).startswith(("node.", "gap"))


def _notice(session: Session) -> Callable[[str], None]:
    return lambda text: session.say(f"! {text}")


def _print(session: Session, event: Document, wide: int) -> int:
    """Print one event and return the width that names have taken so far."""
    if session.structured:
        session.item(event)
    elif session.quiet:
        session.data(str(event["id"]))
    else:
        wide = max(wide, len(render.what(event)))
        session.data(render.line(event, session.look(), wide=wide))
    return wide


def _follow(session: Session, happening: Iterable[Document], wide: int) -> None:
    for event in happening:
        if event["type"] == "gap" and not session.structured:
            session.say(f"! {event.get('sentence') or 'some events are forgotten'}")
            continue
        wide = _print(session, event, wide)
