"""The ormen command itself: finds a command by name, imports only that one, and turns every end into an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import click

from ormen.cli.errors import PIPE_CLOSED, guarded, pipe_closed
from ormen.cli.options import FORMATS, columned, common, help_of, names_of, unknown_command
from ormen.cli.session import Session

CATALOGUE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Cluster": {
        "up": ("up", "Start a whole cluster on this machine"),
        "down": ("down", "Stop it and keep its state"),
        "deck": ("deck", "Run the manager: API and loops"),
        "sailor": ("sailor", "Run the agent of this host and join the cluster"),
        "mast": ("mast", "List nodes or show one; drain, cordon, activate, label, rm"),
        "doctor": ("doctor", "Find what is wrong with the cluster, and the fix"),
    },
    "Tasks": {
        "run": ("run", "Run an image, or the tasks of a file"),
        "plan": ("plan", "Say what would go where, and change nothing"),
        "status": ("status", "List tasks or show one"),
        "stop": ("actions", "Stop tasks and keep their record"),
        "restart": ("actions", "Stop tasks and start them again"),
        "retry": ("actions", "Try a waiting or failed task now"),
        "update": ("update", "Change labels, resources or the name of a task"),
        "wait": ("wait", "Wait until tasks reach a state"),
        "rm": ("actions", "Remove ended tasks and their records"),
        "prune": ("prune", "Remove all ended tasks, and what nothing needs"),
    },
    "Answers": {
        "why": ("why", "Say why a task waits, failed, moved or is slow"),
        "events": ("events", "Show or follow what happened"),
        "logs": ("logs", "Show or follow what tasks print, also of ended attempts"),
        "exec": ("exec", "Run a command in a task's container"),
        "cp": ("cp", "Copy files into and out of a task's container"),
        "top": ("top", "Show nodes and tasks with their real use"),
        "stats": ("stats", "Show what tasks really use"),
        "inspect": ("inspect", "Print everything known about a task or node"),
        "bench": ("bench", "Measure this cluster, beside plain Docker"),
    },
    "Settings": {
        "token": ("token", "Create, list and remove access tokens"),
        "registry": ("registry", "Log in to image registries for all nodes; list, log out"),
        "webhook": ("webhook", "Have a program told what happens, by HTTP"),
        "context": ("context", "Name several clusters and choose one"),
        "completion": ("completion", "Print the completion script of your shell"),
        "version": ("version", "Print the versions of this program and of the deck"),
    },
}
"""By group, in the order of the help: each command's module in `ormen.cli` and what it does."""

ALIASES: Mapping[str, str] = {"manager": "deck", "worker": "sailor", "node": "mast", "ps": "status"}
"""Other names of commands: those of the seed systems, and Docker's ps. Not listed."""

ELSEWHERE: Mapping[str, str] = {
    "get": "status", "ls": "status", "list": "status", "describe": "status TASK", "apply": "run -f FILE",
    "create": "run", "job": "run -f FILE", "start": "restart TASK", "kill": "stop TASK", "delete": "rm TASK",
    "images": "prune --images", "rmi": "prune --images", "nodes": "mast", "drain": "mast drain NODE",
    "cordon": "mast cordon NODE", "uncordon": "mast activate NODE", "login": "registry login",
    "logout": "registry logout", "init": "up", "config": "context", "info": "mast", "help": "--help",
}  # fmt: skip
"""Words of docker, kubectl and nomad for what has another name here."""

FIRST_STEPS: Sequence[tuple[str, str, str]] = (
    ("up", "ormen up", "start a cluster on this machine"),
    ("run", "ormen run nginx -p 8080:80", "run a container and wait until it is up"),
    ("status", "ormen status", "what runs, where, and what waits for what"),
    ("why", "ormen why TASK", "the reason, with amounts and names"),
    ("logs", "ormen logs -f TASK", "what it prints"),
)


def _modules() -> dict[str, str]:
    return {name: module for group in CATALOGUE.values() for name, (module, _) in group.items()}


def exists(name: str) -> bool:
    """Return whether a command's module is there; finding it imports nothing."""
    module = _modules().get(name)
    return module is not None and find_spec(f"ormen.cli.{module}") is not None


class Ormen(click.Group):
    """The group of all commands. It knows their names without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of what exists, in the order of the help."""
        return [name for name in _modules() if exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, None if there is none of that name."""
        name = ALIASES.get(cmd_name, cmd_name)
        if not exists(name):
            return None
        command: click.Command = getattr(importlib.import_module(f"ormen.cli.{_modules()[name]}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; a wrong name is answered with the nearest ones."""
        command = self.get_command(ctx, args[0])
        if command is None and args[0] in ELSEWHERE:
            raise click.UsageError(f'no command "{args[0]}"; here it is ormen {ELSEWHERE[args[0]]}', ctx)
        if command is None:
            raise unknown_command(ctx, args[0], self.list_commands(ctx))
        return command.name, command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would make exit code 1 of a closed pipe."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            pipe_closed()

    def get_help(self, ctx: click.Context) -> str:
        """Return the list of what exists, by group."""
        lines = ["Usage: ormen [OPTIONS] COMMAND [ARGS]...", ""]
        lines += ["  Run containers on many hosts: placed, watched, restarted, explained.", ""]
        for group, commands in CATALOGUE.items():
            found = [f"  {name:<10}  {text}" for name, (_, text) in commands.items() if exists(name)]
            lines += [f"{group}:", *found, ""]
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option) and not param.hidden]
        rows = [(names_of(one), help_of(one, help_text="Show this help, or that of a command")) for one in params]
        lines += ["Options:", *columned(rows), ""]
        lines.append("Variables: ORMEN_MANAGER, ORMEN_TOKEN, ORMEN_CONTEXT, NO_COLOR")
        return "\n".join(lines)


def first_help() -> str:
    """Return what `ormen` alone prints: the first steps, as far as they exist."""
    lines = ["ormen runs containers on your hosts, keeps them running, and says why not.", ""]
    lines += [f"  {example:<27}  {text}" for name, example, text in FIRST_STEPS if exists(name)]
    return "\n".join([*lines, "", "All commands: ormen --help"])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from ormen import __version__

        print(f"ormen {__version__}")
        ctx.exit()


@click.group(
    name="ormen", cls=Ormen, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@common
@click.option("--version", is_flag=True, is_eager=True, hidden=True, expose_value=False, callback=_print_version)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run containers on many hosts."""
    if ctx.invoked_subcommand is None:
        print(first_help())


def asked_output(arguments: Sequence[str]) -> str | None:
    """Return the output format that stands in arguments which cannot be parsed; None if there is none."""
    words = list(arguments)[: arguments.index("--")] if "--" in arguments else list(arguments)
    asked = [after for word, after in pairwise(words) if word in ("-o", "--output")]
    asked += [word.removeprefix("--output=") for word in words if word.startswith("--output=")]
    return next((word for word in reversed(asked) if word in FORMATS.choices), None)


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code."""
    session = Session()

    def call() -> int:
        try:
            code = cli.main(list(arguments), prog_name="ormen", standalone_mode=False, obj=session)
        except click.UsageError:
            # The fault may stand before -o, and then nobody has read it.
            session.output = asked_output(arguments) or session.output
            raise
        return code if isinstance(code, int) else 0

    return guarded(call, session)


def main() -> None:
    """Be the program: arguments from the command line, the exit code to the shell."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = PIPE_CLOSED
    sys.exit(code)
