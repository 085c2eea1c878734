"""``ormen mast``: the nodes, and what they are used for."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ormen.cli.completing import NODE
from ormen.cli.errors import Failure, ended, show
from ormen.cli.options import DURATION, Command, columned, common, help_of, listing, names_of, option, session_of
from ormen.cli.render import nodes as render
from ormen.cli.render.text import clean
from ormen.cli.session import Session
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.node import strange
from ormen.transport import Document

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


NAMES = click.Argument(["names"], nargs=-1)
"""What may stand in a command's place."""


class Mast(click.Group):
    """A group whose first word may also be a node's name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the named command; any other word is a node to show."""
        name = {"uncordon": "activate"}.get(args[0], args[0])
        command = self.get_command(ctx, name)
        return (name, command, args[1:]) if command else ("show", show_node, list(args))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands, and the names of nodes, which may stand in their place."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name) for name in NODE(ctx, NAMES, incomplete)]
        return [*super().shell_complete(ctx, incomplete), *named]

    def get_help(self, ctx: click.Context) -> str:
        """Return the forms of use and what each does."""
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        rows = [(names_of(param), help_of(param)) for param in params]
        lines = ["Usage: ormen mast [OPTIONS] [NODE]", "       ormen mast COMMAND NODE...", ""]
        lines += ["  List nodes, or show one.", "", "Commands:"]
        lines += [f"  {name:<10}  {(command.help or '').removesuffix('.')}" for name, command in self.commands.items()]
        return "\n".join([*lines, "", "Options:", *columned(rows)])


@click.group(cls=Mast, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@listing
@common
@click.pass_context
def mast(ctx: click.Context) -> None:
    """List nodes, or show one."""
    if ctx.invoked_subcommand is not None:
        return
    session = session_of(ctx)
    client = session.client()
    fleet = client.fleet()
    found, strangers = fleet["items"], say_strangers(session, fleet)
    if print_nodes(session, found):
        return
    look = session.look()
    session.data(render.mast(found, look, wide=session.output == "wide") if found or look.width is None else "")
    if any((node.get("state_reason") or {}).get("code") == "BRAKE" for node in found):
        session.say(render.braked(client.brake()))
    if not found and not strangers:
        session.say("No nodes. Start an agent on a host with: ormen sailor --redis-url URL")


def say_strangers(session: Session, fleet: Document) -> bool:
    """Say on stderr whose agents call here though they have joined another cluster; return whether there are any."""
    names = [clean(stranger["name"]) for stranger in fleet.get("strangers") or ()]
    if names:
        session.say(strange(names))
    return bool(names)


def print_nodes(session: Session, found: list[Document]) -> bool:
    """Print names, JSON or YAML if that is asked for; return whether it was."""
    if session.structured:
        session.document(found)
    elif session.output == "name" or session.quiet:
        session.data("\n".join(node["name"] for node in found))
    else:
        return False
    return True


@click.command(name="show", cls=Command, hidden=True)
@click.argument("names", nargs=-1, shell_complete=NODE)
@listing
@common
@click.pass_context
def show_node(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show nodes in full."""
    session = session_of(ctx)
    client = session.client()
    found: list[Document] = []

    def detail(name: str) -> str:
        node = client.node(name)
        found.append(node)
        if session.structured or session.quiet or session.output == "name":
            return ""
        tasks = [task["name"] for task in client.tasks(states=["scheduled", "running"], node=node["name"])]
        return render.detail(node, tasks, session.look())

    code = _each(session, names, detail)
    if found and (session.structured or session.quiet or session.output == "name"):
        print_nodes(session, found)
    if code:
        ended(code)


def _each(session: Session, names: tuple[str, ...], act: Callable[[str], str]) -> int:
    """Do one thing to each node, print what it says, return the first failure's code."""
    code = 0
    for name in names:
        try:
            session.data(act(name))
        except OrmenError as error:
            failed = show(error, session)
            code = code or failed
    return code


def _act(
    ctx: click.Context,
    names: tuple[str, ...],
    act: Callable[[Client, str], Document | None],
    done: str | Callable[[], str],
) -> None:
    session = session_of(ctx)
    client = session.client()
    found: list[Document] = []

    def line(name: str) -> str:
        found.append(act(client, name) or {"name": name})
        if session.output == "name":
            return name
        return "" if session.quiet or session.structured else f"{name} {done if isinstance(done, str) else done()}"

    code = _each(session, names, line)
    if session.structured and (found or not code):
        session.document(found)
    if code:
        ended(code)


_NAMES = click.argument("names", metavar="NODE...", nargs=-1, required=True, shell_complete=NODE)
_REASON = option("--reason", metavar="TEXT", help="Why, for those who look later")


@mast.command(cls=Command, usage=["[OPTIONS] NODE"])
@click.argument("name", metavar="NODE", shell_complete=NODE)
@_REASON
@option("--wait/--no-wait", default=True, help="Return once it is empty, or at once  [wait]")
@option("--timeout", type=DURATION, default=600.0, metavar="TIME", help="Longest wait  [10m]")
@common
@click.pass_context
def drain(ctx: click.Context, name: str, reason: str | None, wait: bool, timeout: float) -> None:
    """Take no new tasks and move those it has."""
    from ormen.cli.drain import drain_node

    drain_node(session_of(ctx), name, reason, wait_s=timeout if wait else 0)


@mast.command(cls=Command, usage=["[OPTIONS] NODE..."])
@_NAMES
@_REASON
@common
@click.pass_context
def cordon(ctx: click.Context, names: tuple[str, ...], reason: str | None) -> None:
    """Take no new tasks."""
    _act(ctx, names, lambda client, name: client.cordon(name, why=reason, by=user()), "takes no new tasks")


@mast.command(cls=Command, usage=["[OPTIONS] NODE..."])
@_NAMES
@common
@click.pass_context
def activate(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Take tasks again; uncordon is the same."""
    _act(ctx, names, lambda client, name: client.activate(name, by=user()), "takes tasks again")


@mast.command(
    cls=Command, usage=["[OPTIONS] NODE KEY=VALUE... KEY-..."], examples=["ormen mast label node-1 disk=ssd zone-"]
)
@click.argument("name", metavar="NODE", shell_complete=NODE)
@click.argument("labels", metavar="KEY=VALUE...", nargs=-1, required=True)
@common
@click.pass_context
def label(ctx: click.Context, name: str, labels: tuple[str, ...]) -> None:
    """Set labels; KEY- removes one."""
    wanted: dict[str, str | None] = {}
    for word in labels:
        key, equals, value = word.partition("=")
        if not key or not (equals or word.endswith("-")):
            raise Failure(f'"{word}" is neither KEY=VALUE nor KEY-', exit_code=2)
        wanted[key if equals else word[:-1]] = value if equals else None
    absent: list[str] = []

    def change(client: Client, node: str) -> Document:
        gone = [key for key, value in wanted.items() if value is None]
        had = client.node(node)["labels"] if gone else {}
        absent.extend(key for key in gone if key not in had)
        return client.label(node, wanted)

    def outcome() -> str:
        done = [word for word in labels if "=" in word or word[:-1] not in absent]
        said = [f"is labelled: {' '.join(done)}"] if done else []
        return "; ".join([*said, *(f"had no label {key}" for key in absent)])

    _act(ctx, (name,), change, outcome)


@mast.command(name="rm", cls=Command, usage=["[OPTIONS] NODE..."])
@_NAMES
@common
@click.pass_context
def forget(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Forget nodes that are lost or have no tasks."""
    speaks: list[bool] = []

    def remove(client: Client, name: str) -> None:
        speaks.append(client.node(name)["state"] != "lost")
        client.remove_node(name)

    rejoins = "is forgotten; its agent still runs, and joins again: end it on its host"
    _act(ctx, names, remove, lambda: rejoins if speaks[-1] else "is forgotten")


@mast.command(cls=Command, usage=["[OPTIONS]"])
@_REASON
@common
@click.pass_context
def release(ctx: click.Context, reason: str | None) -> None:
    """Place anew what the brake holds after a mass loss."""
    session = session_of(ctx)
    held = session.client().release_brake(why=reason, by=user())
    if session.structured:
        session.document(held)
    elif not session.quiet:
        session.data(render.released(held))


def user() -> str:
    """Return who asks, as this host knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
