"""Write the pages that are made from the program itself: settings, fields, commands, states, reason codes."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from marshmallow import Schema
from marshmallow.fields import Field, Nested

from ormen import meanings
from ormen import settings as settings_module
from ormen.cli.errors import MEANINGS
from ormen.cli.main import cli
from ormen.policy import Policy
from ormen.policy_file import RULES
from ormen.reasons import FINAL, SPENDS, Code
from ormen.settings import Settings
from ormen.strict import Objects
from ormen.task import TRANSITIONS, State
from ormen.task_schema import TaskSchema

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
    return "\n".join(lines) + "\n" + policy_section()


def policy_section() -> str:
    """Return what a policy file may say, with the defaults."""
    text = """
        ## The policy

        `ormen deck --policy-file FILE` reads, once at its start, what specs may ask: YAML with these keys. What is
        left out keeps its default, a list that is given replaces the default's whole list, and without a file
        nothing is allowed that reaches beyond the container. A deck does not start with a faulty file, and names
        every fault of it. A spec that asks for more is refused with status 403, `POLICY`, every thing and every rule;
        what runs already is not asked again.

        | key | allows | default | example |
        | --- | --- | --- | --- |
        {rows}

        Images are compared as Docker reads them: `nginx` is `docker.io/library/nginx`. A rule with a tag allows no
        image that is named by its digest, since Docker then ignores the tag: allow it as `nginx@sha256:*`. Paths of
        `host_paths` and `devices` are compared as they are written; a symbolic link inside an allowed folder is the
        business of whoever may write there. `examples/policy.yaml` is a file to begin with.
        """
    default = Policy()
    rows = "\n".join(
        f"| `{key}` | {rule.says} | {_rule(getattr(default, key))} | `{key}: {rule.example}` |"
        for key, rule in RULES.items()
    )
    return textwrap.dedent(text).format(rows=rows)


def _rule(value: str | tuple[str, ...]) -> str:
    words = [value] if isinstance(value, str) else value
    return ", ".join(f"`{word}`" for word in words) or "none"


def spec_page() -> str:
    """Return the page of every field of a task: type, default and sentence, as the schema has them."""
    lines = [
        "# The fields of a task",
        "",
        "One schema for `POST /v1/tasks`, `ormen run -f` and Python. Only `image` is required, an unknown field is a",
        "fault, `null` is the same as leaving a field out. Sizes are bytes, or text with a binary unit (`512MiB`,",
        "`1g`); durations are seconds, or text such as `1m30s`. *By policy*: only as far as the deck's",
        "[policy](settings.md#the-policy) allows it. This page is made by `scripts/docs`.",
        "",
        *_fields(TaskSchema()),
    ]
    for title, schema in _parts(TaskSchema()):
        lines += ["", f"## {title}", "", *_fields(schema)]
    return "\n".join(lines) + "\n"


def _fields(schema: Schema) -> list[str]:
    lines = ["| field | type | default | meaning | example |", "| --- | --- | --- | --- | --- |"]
    for name, field in schema.fields.items():
        shown = field.metadata
        below = _schema_of(field)
        says = shown.get("description") or (inspect.getdoc(type(below)) if below else "") or ""
        default = "required" if field.required else f"`{_json(shown['default'])}`" if "default" in shown else ""
        example = f"`{_json({name: shown['example']})[1:-1]}`" if "example" in shown else ""
        kind = f"[{'list of objects' if isinstance(field, Objects) else 'object'}](#{name})" if below else _kind(shown)
        lines.append(f"| `{name}` | {kind} | {default} | {says} | {example} |")
    return lines


def _kind(shown: Mapping[str, Any]) -> str:
    if "x-unit" in shown and shown["x-unit"] in ("bytes", "seconds"):
        return {"bytes": "size", "seconds": "duration"}[shown["x-unit"]]
    if "enum" in shown:
        return ", ".join(f"`{word}`" for word in shown["enum"] if word is not None)
    kinds = [_word(choice) for choice in shown.get("anyOf", [shown]) if choice.get("type") != "null"]
    return " or ".join(dict.fromkeys(kinds))


def _word(shown: Mapping[str, Any]) -> str:
    kinds = shown["type"] if isinstance(shown["type"], list) else [shown["type"]]
    words = {"array": "list of strings", "object": "map", "integer": "whole number"}
    return " or ".join(words.get(kind, kind) for kind in kinds if kind != "null")


def _parts(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for name, field in schema.fields.items():
        if (below := _schema_of(field)) is not None:
            yield name, below


def _schema_of(field: Field[Any]) -> Schema | None:
    inner = field.inner if isinstance(field, Objects) else field
    return inner.schema if isinstance(inner, Nested) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


FOR_PROGRAMS = """## For programs

Every command knows `-o json` and `-o yaml`. A list is an array, one thing an object with the fields of the
[API](api.md). What goes on for a while (`logs`, `events -f`, `status -w`, and the commands that start a cluster or a
part of it: `up`, `down`, `deck`, `sailor`) is one object after the other, a line of JSON or a YAML document each. A
failure is a problem document on stderr, with the exit code that the text has. `-o name` prints names, one a line; `-q`
ids of a list, and of an action nothing but what went wrong.

```
id=$(ormen run -d -o json nginx | jq -r '.[0].id')
ormen up -d -o json | jq -r 'select(.kind == "result") | .manager'
```
"""


def cli_page() -> str:
    """Return the page of every command's help, as it is printed at 80 columns."""
    parts = ["# Command line", "", "As `--help` prints it. This page is made by `scripts/docs`.", ""]
    parts += ["## Exit codes", "", "| code | means |", "| --- | --- |"]
    parts += [*(f"| {code} | {means} |" for code, means in MEANINGS.items()), ""]
    parts += [*FOR_PROGRAMS.splitlines(), ""]
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
        f"| [`{code.value}`](reasons/{code.value}.md) | {meanings.MEANINGS[code].says}"
        f" | {'yes' if code in FINAL else ''} | {'yes' if code in SPENDS else ''} |"
        for code in Code
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
        - `failed`: exited otherwise, and its restart policy has no try left; or its deadline was over.

        An exit that somebody else caused (a kill from outside, the engine stopping) is `INTERRUPTED`: a new attempt
        follows under any policy, and no try is spent. Only the codes marked below spend the restart policy.

        ## Reason codes

        Each has [a page](reasons/index.md) with what ormen does about it and what you can do.

        | code | means | trying again cannot cure it | spends a try |
        | --- | --- | --- | --- |
        {codes}
        """
    return textwrap.dedent(text).format(arrows=arrows, rows=rows, codes=codes)


def reasons_page() -> str:
    """Return the list of the pages of the reason codes, with meaning and remedy of each."""
    lines = [
        "# Reason codes",
        "",
        "Why a task or a node is as it is, is said by a code and a sentence with amounts and names. A code never",
        "changes its meaning. Each has a page: how ormen knows, what happens next by itself, what to do, an example.",
        "What requests are refused with stands on [a page of its own](requests.md). `ormen why TASK` tells the case of",
        "one task, and names the page. Made by `scripts/docs`.",
        "",
        "| code | means | remedy |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| [`{code.value}`]({code.value}.md) | {about.says} | {about.hint} |"
        for code, about in meanings.MEANINGS.items()
    ]
    return "\n".join(lines) + "\n"


PAGES = {
    "settings.md": settings_page,
    "spec.md": spec_page,
    "cli.md": cli_page,
    "states.md": states_page,
    "reasons/index.md": reasons_page,
}


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
