"""``ormen top``: nodes and tasks with their real use, the busiest first."""

from __future__ import annotations

import click

from ormen.cli.options import Command, common, listing, option, session_of
from ormen.cli.render import stats as render
from ormen.cli.stats import for_programs, print_items, show

MOST_ROWS = 40
"""Tasks shown on a terminal."""


@click.command(cls=Command, usage=["[OPTIONS]"], examples=["ormen top", "ormen top --sort memory --no-stream"])
@option(
    "--sort", type=click.Choice(["cpu", "memory", "name"]), default="cpu", metavar="WORD",
    help="Tasks by cpu, memory or name  [cpu]",
)  # fmt: skip
@option("--no-stream", "once", is_flag=True, help="Show it once; so do a pipe and -o")
@listing
@common
@click.pass_context
def top(ctx: click.Context, sort: str, once: bool) -> None:
    """Show nodes and tasks with their real use beside what is reserved.

    The busiest tasks come first. -o json is an array of the tasks, in that
    order; ormen mast -o json has the nodes with their use. With -o the exit
    code is 1 where a node says nothing.
    """
    session = session_of(ctx)
    client = session.client()
    keys = {
        "cpu": lambda item: -(item["cpu"] or 0.0),
        "memory": lambda item: -item["memory_bytes"],
        "name": lambda item: item["name"],
    }
    if for_programs(session):
        found = client.stats()
        print_items(session, {**found, "items": sorted(found["items"], key=keys[sort])})
        return

    def draw() -> str:
        nodes, answer, look = client.nodes(), client.stats(), session.look()
        items = sorted(answer["items"], key=keys[sort])
        shown = items if look.width is None else items[:MOST_ROWS]
        lines = [render.headline(nodes), "", render.nodes(nodes, look), "", render.tasks(shown, look)]
        return "\n".join([*lines, *render.silent(answer["nodes"])])

    show(session, draw, once=once)
