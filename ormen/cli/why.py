"""``ormen why``: why a task waits, failed, moved, is slow or runs."""

from __future__ import annotations

import click

from ormen.cli.completing import NODE, TASK
from ormen.cli.errors import ended, show
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import why as render
from ormen.errors import OrmenError


@click.command(
    cls=Command,
    usage=["[OPTIONS] TASK..."],
    examples=["ormen why web", "ormen why web --node node-2", "ormen why web -o json"],
)
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@option("--node", metavar="NODE", help="Say why it is not on this node", shell_complete=NODE)
@option("-a", "--all", "every", is_flag=True, help="Every node in full, however many there are")
@option("--utc", is_flag=True, help="Times as RFC 3339 with Z")
@common
@click.pass_context
def why(ctx: click.Context, words: tuple[str, ...], node: str | None, every: bool, utc: bool) -> None:
    """Say why a task waits, failed, moved or is slow, and what helps.

    One sentence names the cause; under it stand the evidence and the remedies.
    With -q the sentence alone.
    """
    session = session_of(ctx)
    session.utc = utc
    client = session.client()
    found, code = [], 0
    for word in words:
        try:
            found.append(client.why(word, node=node, every=every))
        except OrmenError as error:
            failed = show(error, session, word=word)
            code = code or failed
    if session.structured and found:
        session.document(found[0] if len(words) == 1 else found)
    elif session.output == "name":
        session.data("\n".join(one["name"] for one in found))
    elif session.quiet:
        session.data("\n".join(one["sentence"] for one in found))
    else:
        session.data("\n\n".join(render.why(one, session.look()) for one in found))
    if code:
        ended(code)
