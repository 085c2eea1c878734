"""``ormen webhook``: who is told what happened, by HTTP."""

from __future__ import annotations

import sys

import click

from ormen.cli.completing import WEBHOOK
from ormen.cli.errors import Failure, ended
from ormen.cli.named import each, show_all
from ormen.cli.options import Command, Family, common, option, session_of
from ormen.cli.render import webhooks as render
from ormen.transport import Request, segment

PATIENCE_S = 30.0
"""For the answer to a try, which itself takes ten seconds at most."""


@click.group(
    cls=Family,
    text="Have a program told what happens: a signed POST for each event,\n"
    "sent again for 24 hours until it is taken. docs/webhooks.md has a receiver.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def webhook() -> None:
    """Add, list, try and remove webhooks."""


@webhook.command(
    cls=Command,
    usage=["[OPTIONS] URL"],
    examples=[
        "ormen webhook add https://ops.example.com/ormen --on task.failed,node.lost",
        "ormen webhook add http://10.0.0.9/hook --on node.lost --secret-stdin < secret",
    ],
)
@click.argument("url", metavar="URL")
@option("--on", "kinds", multiple=True, required=True, metavar="EVENTS", help="Which events; more with commas")
@option("--name", default=None, metavar="NAME", help="What to call it  [the URL's host]")
@option("--secret-stdin", is_flag=True, help="Read the secret (whsec_…) from stdin; else one is made")
@common
@click.pass_context
def add(ctx: click.Context, url: str, kinds: tuple[str, ...], name: str | None, secret_stdin: bool) -> None:
    """Have a URL told of events, and print the secret, this once.

    Events: task.failed, task.completed, task.pending (tried again),
    task.waiting, task.accepted, task.running, task.healthy, task.failing,
    task.updated, task.resize_refused, task.paused, task.unpaused,
    task.removed; node.lost, node.ready, node.suspect, node.joined,
    node.draining, node.cordoned, node.activated, node.removed; brake.on,
    brake.off, brake.released.
    """
    session = session_of(ctx)
    secret = sys.stdin.read().strip() if secret_stdin else None
    if secret == "":
        raise Failure("there is no secret on stdin", hint="ormen webhook add … --secret-stdin < FILE", exit_code=2)
    events = [kind.strip() for word in kinds for kind in word.split(",") if kind.strip()]
    body = {"url": url, "events": events, "name": name, "secret": secret}
    made = session.transport().send(Request("POST", "/v1/webhooks", body=body, repeatable=False))
    if session.structured:
        session.document(made)
        return
    if session.output == "name":
        session.data(made["name"])
    elif made.get("secret"):
        session.data(made["secret"])
    session.say(render.made(made))


@webhook.command(name="ls", cls=Command, usage=["[OPTIONS]"], examples=["ormen webhook ls"])
@common
@click.pass_context
def listed(ctx: click.Context) -> None:
    """List webhooks: of which events each is told, and how that goes."""
    show_all(
        session_of(ctx),
        "/v1/webhooks",
        render.listed,
        none="No webhooks. Add one: ormen webhook add URL --on task.failed,node.lost",
    )


@webhook.command(name="rm", cls=Command, usage=["[OPTIONS] NAME..."], examples=["ormen webhook rm ops.example.com"])
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=WEBHOOK)
@common
@click.pass_context
def remove(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Remove webhooks, and what still waits to be sent."""
    each(session_of(ctx), names, path="/v1/webhooks", done="is removed")


@webhook.command(name="test", cls=Command, usage=["[OPTIONS] NAME"], examples=["ormen webhook test ops.example.com"])
@click.argument("name", metavar="NAME", shell_complete=WEBHOOK)
@common
@click.pass_context
def test(ctx: click.Context, name: str) -> None:
    """Send one message, webhook.test, and say what came of it.

    The exit code is 1 if the receiver did not take it.
    """
    session = session_of(ctx)
    request = Request("POST", f"/v1/webhooks/{segment(name)}/test", repeatable=False)
    found = session.transport(timeout=PATIENCE_S).send(request)
    if session.structured:
        session.document(found)
    elif session.output == "name":
        session.data(name)
    elif found["ok"]:
        session.data(render.tried(name, found))
    else:
        session.say(render.tried(name, found))
    if not found["ok"]:
        ended(1)
