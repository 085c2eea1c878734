"""``ormen status``: what runs, where, and what waits for what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from ormen.cli.completing import NODE, TASK
from ormen.cli.errors import ended, show
from ormen.cli.options import Command, common, listing, option, session_of
from ormen.cli.render import tasks as render
from ormen.cli.render.nodes import braked
from ormen.cli.session import Session, is_terminal
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.transport import ClientError, Document

if TYPE_CHECKING:
    from ormen.cli.feed import Feed

MOST_ROWS = 100
"""Rows of a list on a terminal, without -a."""

REDRAW_S = 0.5
"""A watched list is drawn at most twice a second."""


@click.command(
    cls=Command,
    usage=["[OPTIONS]", "[OPTIONS] TASK..."],
    examples=["ormen status -l app=shop", "ormen status -q --state failed | xargs ormen retry", "ormen status web"],
)
@click.argument("words", metavar="[TASK]...", nargs=-1, shell_complete=TASK)
@option("--state", multiple=True, metavar="STATE", help="Only this state; more with commas")
@option("--node", metavar="NODE", help="Only tasks on this node", shell_complete=NODE)
@option("-l", "--label", multiple=True, metavar="EXPR", help="Only tasks with it: app=web,tier!=db")
@option("-a", "--all", "every", is_flag=True, help="All rows, not the 100 newest")
@option("-w", "--watch", is_flag=True, help="Draw anew at each event; in a pipe a row each")
@option("--utc", is_flag=True, help="Times as RFC 3339 with Z")
@listing
@common
@click.pass_context
def status(
    ctx: click.Context,
    words: tuple[str, ...],
    state: tuple[str, ...],
    node: str | None,
    label: tuple[str, ...],
    every: bool,
    watch: bool,
    utc: bool,
) -> None:
    """List tasks, newest first, or show some in full."""
    session = session_of(ctx)
    session.utc = utc
    client = session.client()
    if words:
        _details(session, client, words)
        return

    chosen = Selection(client, _split(state), node, _split(label))
    if watch:
        _watch(session, chosen)
    else:
        _list(session, chosen, every=every)


class Selection:
    """Which tasks a list shows."""

    def __init__(self, client: Client, states: list[str], node: str | None, labels: list[str]) -> None:
        """Remember the filters."""
        self.client, self.states, self.node, self.labels = client, states, node, labels

    @property
    def filtered(self) -> bool:
        """Return whether only some tasks are asked for."""
        return bool(self.states or self.node or self.labels)

    def read(self, most: int | None) -> list[Document]:
        """Return the tasks that fit, at most so many."""
        found = self.client.tasks(states=self.states, node=self.node, labels=self.labels)
        return list(islice(found, most))


def _split(values: Sequence[str]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]


def _list(session: Session, chosen: Selection, *, every: bool) -> None:
    look = session.look()
    cut = look.width is not None and not every and not session.structured
    found = chosen.read(MOST_ROWS + 1 if cut else None)
    shown = found[:MOST_ROWS] if cut else found
    if print_tasks(session, shown):
        return
    brake = brake_of(chosen.client, shown)
    wide = session.output == "wide"
    table = render.status(shown, look, wide=wide, held=brake["nodes"]) if shown or look.width is None else ""
    session.data(table)
    session.say(render.summary(shown))
    session.say(braked(brake))
    if not found and not chosen.filtered:
        from ormen.cli.mast import say_strangers

        # An emptied Redis shows nothing at all: whoever looks for the tasks must learn why.
        say_strangers(session, chosen.client.fleet())
    if len(found) > len(shown):
        session.say(render.summary(shown, shown=MOST_ROWS))


def brake_of(client: Client, tasks: Sequence[Document]) -> Document:
    """Return what a mass loss holds back; it is asked for only where a task may be on a node."""
    nothing: Document = {"on": False, "nodes": []}
    if not any(task["state"] in ("running", "scheduled") for task in tasks):
        return nothing
    try:
        return client.brake()
    except ClientError:
        return nothing  # the list stands without it


def print_tasks(session: Session, found: Sequence[Document]) -> bool:
    """Print ids, names, JSON or YAML if that is asked for; return whether it was."""
    if session.structured:
        session.document(list(found))
    elif session.output == "name":
        session.data("\n".join(task["name"] for task in found))
    elif session.quiet:
        session.data("\n".join(task["id"] for task in found))
    else:
        return False
    return True


def _details(session: Session, client: Client, words: Sequence[str]) -> None:
    code, documents, first = 0, [], True
    for word in words:
        try:
            task = client.task(word)
            attempts = [] if session.structured else client.attempts(task["id"])
            held = [] if session.structured else brake_of(client, [task])["nodes"]
        except OrmenError as error:
            failed = show(error, session, word=word)
            code = code or failed
            continue
        documents.append(task)
        if not (session.structured or session.quiet or session.output == "name"):
            session.data(("" if first else "\n") + render.detail(task, attempts, session.look(), held=held))
            first = False
    if documents and (session.structured or session.quiet or session.output == "name"):
        print_tasks(session, documents)
    if code:
        ended(code)


def _watch(session: Session, chosen: Selection) -> None:
    import sys

    from ormen.cli.feed import Feed

    if is_terminal(sys.stdout) and session.output in ("table", "wide") and not session.quiet:
        # What is drawn says by itself that the deck is away; a line over it would spoil the screen.
        _redraw(session, chosen, Feed(chosen.client, notice=lambda _: None))
        return
    feed = Feed(chosen.client, notice=lambda text: session.say(f"! {text}"))
    for task in reversed(chosen.read(None)):
        _row(session, task)
    while True:
        for event in feed.burst(60.0):
            if event.get("to") or str(event["type"]) in ("task.healthy", "task.failing"):
                _row_of(session, chosen, event)


def _row_of(session: Session, chosen: Selection, event: Document) -> None:
    known = {task["id"]: task for task in chosen.read(None)} if event.get("task") else {}
    if event.get("task") in known:
        _row(session, known[event["task"]])


def _row(session: Session, task: Document) -> None:
    if session.structured:
        session.item(task)
    elif session.output == "name":
        session.data(task["name"])
    elif session.quiet:
        session.data(task["id"])
    else:
        session.data(render.status([task], session.look()).split("\n")[1])


def _redraw(session: Session, chosen: Selection, feed: Feed) -> None:
    from ormen.cli.live import watch

    def draw() -> str:
        found = chosen.read(MOST_ROWS)
        brake = brake_of(chosen.client, found)
        text = render.status(found, session.look(), wide=session.output == "wide", held=brake["nodes"])
        return "\n".join(filter(None, [text, render.summary(found), braked(brake)]))

    def pause() -> None:
        drawn = time.monotonic()
        list(feed.burst(1.0))
        time.sleep(max(0.0, REDRAW_S - (time.monotonic() - drawn)))

    watch(draw, pause=pause)
