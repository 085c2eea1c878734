"""Write docs/settings.md, docs/cli.md and the tables of docs/states.md from the program itself."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import click

from ormen import settings as settings_module
from ormen.cli.errors import MEANINGS
from ormen.cli.main import cli
from ormen.reasons import FINAL, SPENDS, Code
from ormen.settings import Settings
from ormen.task import TRANSITIONS, State

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDTH = 80


def settings_page() -> str:
    """Return the page of every setting: variable, default and the sentence under the field."""
    tree = ast.parse(inspect.getsource(settings_module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    sentences = {
        field.target.id: str(said.value.value)
        for field, said in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
    }
    lines = [
        "# Settings",
        "",
        "Every process reads them once, at its start, from variables. The flags of `up`, `deck` and `sailor` set the",
        "same variables for the processes they start. This page is made by `scripts/docs`.",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
    ]
    for field in fields(Settings):
        default = "none" if field.default in (None, "") else f"`{field.default}`"
        lines.append(f"| `ORMEN_{field.name.upper()}` | {default} | {' '.join(sentences[field.name].split())} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Return the page of every command's help, as it is printed at 80 columns."""
    parts = ["# Command line", "", "As `--help` prints it. This page is made by `scripts/docs`.", ""]
    parts += ["## Exit codes", "", "| code | means |", "| --- | --- |"]
    parts += [*(f"| {code} | {means} |" for code, means in MEANINGS.items()), ""]
    root = click.Context(
        cli, info_name="ormen", terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=["-h", "--help"]
    )
    parts += _help("ormen", cli, root)
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        if command is not None and not command.hidden:
            parts += _commands(f"ormen {name}", command, root, name)
    return "\n".join(parts) + "\n"


def _commands(title: str, command: click.Command, parent: click.Context, name: str) -> list[str]:
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    parts = _help(title, command, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            if child is not None and not child.hidden:
                parts += _commands(f"{title} {below}", child, context, below)
    return parts


def _help(title: str, command: click.Command, context: click.Context) -> list[str]:
    return [f"## {title}", "", "```", command.get_help(context).rstrip(), "```", ""]


def states_page() -> str:
    """Return the page of the states: the diagram and the table come from `TRANSITIONS`, the codes from `Code`."""
    arrows = "\n".join(
        f"    {source.value} --> {target.value}"
        for source in State
        for target in State
        if target in TRANSITIONS[source]
    )
    rows = "\n".join(
        f"| `{state.value}` | {state.number} | {', '.join(f'`{t.value}`' for t in State if t in TRANSITIONS[state])} |"
        for state in State
    )
    codes = "\n".join(
        f"| `{code.value}` | {'yes' if code in FINAL else ''} | {'yes' if code in SPENDS else ''} |" for code in Code
    )
    text = """\
        # States

        Made by `scripts/docs` from `ormen/task.py` and `ormen/reasons.py`.

        ```mermaid
        stateDiagram-v2
            [*] --> pending
        {arrows}
            completed --> [*]
            failed --> [*]
        ```

        | state | number | may become |
        | --- | --- | --- |
        {rows}

        - `pending`: waits for a node, or for the end of its back-off; says why and when it is tried next.
        - `scheduled`: a node has it and starts it; `detail` says how far that is.
        - `running`: its container runs. Whether it is also healthy stands beside the state.
        - `completed`: stopped because somebody asked, or exited with 0 by itself under a policy that lets it end.
        - `failed`: exited otherwise, and its restart policy has no try left.

        An exit that somebody else caused (a kill from outside, the engine stopping) is `INTERRUPTED`: a new attempt
        follows under any policy, and no try is spent. Only the codes marked below spend the restart policy.

        ## Reason codes

        | code | trying again cannot cure it | spends a try |
        | --- | --- | --- |
        {codes}
        """
    return textwrap.dedent(text).format(arrows=arrows, rows=rows, codes=codes)


PAGES = {"settings.md": settings_page, "cli.md": cli_page, "states.md": states_page}


def main() -> int:
    """Write the pages, or with ``--check`` compare them."""
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        print(f"docs/{', docs/'.join(stale)}: not as the program has it; run scripts/docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
