"""``ormen completion``: the script that lets a shell complete commands and options."""

from __future__ import annotations

import os

import click

from ormen.cli.errors import Failure
from ormen.cli.options import Command, common, session_of

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    usage=["[OPTIONS] [bash|zsh|fish]"],
    examples=['eval "$(ormen completion bash)"', "ormen completion fish > ~/.config/fish/completions/ormen.fish"],
)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@common
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print the completion script of your shell."""
    from click.shell_completion import get_completion_class

    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    kind = get_completion_class(name) if name in SHELLS else None
    if kind is None:
        raise Failure("the shell is not known", hint=f"name it: ormen completion {'|'.join(SHELLS)}", exit_code=2)
    root = ctx.find_root().command
    script, session = _source(kind(root, {}, "ormen", "_ORMEN_COMPLETE")), session_of(ctx)
    if session.structured:
        session.document({"shell": name, "script": script})
    elif session.output == "name":
        session.data(name)
    else:
        session.data(script)


def _source(kind: object) -> str:
    """Return the script; bash's is not asked for its version, a script may be made on another host."""
    values = kind.func_name, kind.complete_var, kind.prog_name  # type: ignore[attr-defined]
    template: str = kind.source_template  # type: ignore[attr-defined]
    return template % {"complete_func": values[0], "complete_var": values[1], "prog_name": values[2]}
