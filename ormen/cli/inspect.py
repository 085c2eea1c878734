"""``ormen inspect``: everything known about a task or a node, as the API has it."""

from __future__ import annotations

import click

from ormen.cli.completing import TASK_OR_NODE
from ormen.cli.errors import ended, show
from ormen.cli.options import Command, common, session_of
from ormen.cli.session import serialized
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.transport import ClientError, Document


@click.command(
    cls=Command, usage=["[OPTIONS] TASK|NODE..."], examples=["ormen inspect web", "ormen inspect web -o yaml"]
)
@click.argument("words", metavar="TASK|NODE...", nargs=-1, required=True, shell_complete=TASK_OR_NODE)
@common
@click.pass_context
def inspect(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print everything known about tasks and nodes: one object, several as a list.

    JSON, unless YAML is asked for; -q and -o name say which they are.
    """
    session = session_of(ctx)
    client = session.client()
    found, code = [], 0
    for word in words:
        try:
            found.append(everything(client, word))
        except OrmenError as error:
            failed = show(error, session, word=word)
            code = code or failed
    if session.output == "name":
        session.data("\n".join(one["name"] for one in found))
    elif session.quiet and not session.structured:
        session.data("\n".join(one.get("id") or one["name"] for one in found))
    elif found:
        session.data(serialized(found[0] if len(words) == 1 else found, session.output))
    if code:
        ended(code)


def everything(client: Client, word: str) -> Document:
    """Return a task with its attempts, else the node of that name; raise what the search for a task raised."""
    try:
        task = client.task(word)
    except ClientError as error:
        if error.code != "TASK_NOT_FOUND":
            raise
        try:
            return client.node(word)
        except ClientError as second:
            if second.code == "NODE_NOT_FOUND":
                raise error from second
            raise
    return {**task, "attempts": client.attempts(task["id"])}
