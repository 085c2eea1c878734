"""``ormen stats``: what tasks really use."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from ormen.cli.completing import NODE, TASK
from ormen.cli.errors import Failure, ended
from ormen.cli.options import Command, common, listing, option, session_of
from ormen.cli.render import stats as render
from ormen.cli.session import Session, is_terminal
from ormen.transport import Document

EVERY_S = 2.0
"""How often what a person looks at is drawn anew."""


@click.command(
    cls=Command,
    usage=["[OPTIONS] [TASK]..."],
    examples=["ormen stats", "ormen stats web db --no-stream", "ormen stats --node node-2 -o json"],
)
@click.argument("words", metavar="[TASK]...", nargs=-1, shell_complete=TASK)
@option("--node", metavar="NODE", help="Only tasks on this node", shell_complete=NODE)
@option("--no-stream", "once", is_flag=True, help="Show it once; so do a pipe and -o")
@listing
@common
@click.pass_context
def stats(ctx: click.Context, words: tuple[str, ...], node: str | None, once: bool) -> None:
    """Show what tasks really use: cores, memory, network, disk, processes.

    On a terminal it is drawn anew every two seconds. The nodes look only when
    they are asked. -o json is an array of the tasks; a node that says nothing
    is named on stderr, and the exit code is 1.
    """
    if words and node:
        raise Failure("tasks and --node cannot be asked for together", hint="leave out one of them.", exit_code=2)
    session = session_of(ctx)
    client = session.client()
    if for_programs(session):
        print_items(session, client.stats(words, node=node))
        return

    def draw() -> str:
        answer = client.stats(words, node=node)
        return "\n".join([render.tasks(answer["items"], session.look()), *render.silent(answer["nodes"])])

    show(session, draw, once=once)


def for_programs(session: Session) -> bool:
    """Return whether ids, names, JSON or YAML are asked for, which are printed once."""
    return session.structured or session.quiet or session.output == "name"


def print_items(session: Session, found: Document) -> None:
    """Print the tasks for a program, JSON as a bare array; end with 1 where a node said nothing, which stderr tells."""
    items = found["items"]
    if session.structured:
        session.document(items)
    else:
        session.data("\n".join(item["task" if session.quiet else "name"] for item in items))
    silent = render.silent(found["nodes"])
    for line in silent:
        session.say(line)
    if silent:
        ended(1)


def show(session: Session, draw: Callable[[], str], *, once: bool) -> None:
    """Print what `draw` returns; on a terminal draw it anew until Ctrl-C, also across a deck that is away."""
    if once or not is_terminal(sys.stdout):
        session.data(draw())
        return
    from ormen.cli.live import watch

    watch(draw, pause=lambda: time.sleep(EVERY_S))
