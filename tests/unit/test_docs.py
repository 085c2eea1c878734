"""What the pages say is so: commands, flags, settings, codes, routes, files and examples exist."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from uuid import uuid4

import click
import pytest

from manager_api.app import create_app
from ormen import errors
from ormen.cli.errors import INTERRUPTED, MEANINGS, OURS, PIPE_CLOSED, TIMED_OUT
from ormen.cli.main import cli
from ormen.cli.options import Command
from ormen.cli.run import RunCommand, command_place
from ormen.client import Client
from ormen.files import read_tasks
from ormen.local.failure import FAILED, NOT_ALLOWED, OUT_OF_REACH, TAKEN, WRONG_USE
from ormen.policy import Policy
from ormen.policy_file import RULES, load_policy
from ormen.reasons import Code
from ormen.schema import load_submission
from ormen.settings import Settings
from ormen.transport import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
MADE = {"cli.md", "settings.md", "spec.md", "states.md"}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted(
    path for path in (ROOT / "examples").iterdir() if path.suffix in (".yaml", ".json") and path.name != "policy.yaml"
)
OF_THE_CLIENT = {"ORMEN_MANAGER", "ORMEN_CONTEXT", "ORMEN_SWEEP", "ORMEN_DEPTH", "ORMEN_KILLS"}
"""Variables that are no setting of a process: of the command line, of the tests' guard, and of their depth."""

FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")


def segments(line: str) -> Iterator[list[str]]:
    """The simple commands of a shell line, as words, without prompt, comment and variables in front."""
    line = re.sub(r"(^|\s)#\s.*", "", line)
    for part in re.split(r"\$\(|\)|;|&&|\|", line):
        try:
            words = shlex.split(part)
        except ValueError:
            continue
        while words and (re.fullmatch(r"\w*\$|\w+=\S*", words[0]) or words[0] == "export"):
            words = words[1:]
        if words:
            yield words


def spoken(page: Path) -> Iterator[list[str]]:
    """Every command of ours that a page tells its reader to type."""
    text = page.read_text()
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
    lines += [span for span in SPAN.findall(FENCE.sub("", text)) if span.startswith("ormen ")]
    for line in lines:
        for words in segments(line.strip()):
            if words[0].removeprefix(".venv/bin/") == "ormen":
                yield words[1:]


def context_of(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """A context as a real call makes it: click keeps the first one's help option for every later call."""
    return click.Context(command, parent=parent, info_name=name, **command.context_settings)


def commands(command: click.Command, context: click.Context) -> Iterator[click.Command]:
    """A command and all below it."""
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, context_of(below, name, context))


def check(words: list[str]) -> None:
    """Read a command line as click does, without running it; raises what click would say."""
    command: click.Command = cli
    context = context_of(cli, "ormen")
    while True:
        place = command_place(words, _takes(command, context)) if isinstance(command, RunCommand) else None
        words = words if place is None else [*words[:place], "--", *words[place:]]
        _, rest, _ = command.make_parser(context).parse_args(args=list(words))
        if not isinstance(command, click.Group) or not rest:
            return
        name, below, words = command.resolve_command(context, rest)
        assert below is not None, f"no command {rest[0]}"
        command, context = below, context_of(below, name, context)


def _takes(command: click.Command, context: click.Context) -> dict[str, bool]:
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    return {name: not (param.is_flag or param.count) for param in options for name in param.opts}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in MADE], ids=lambda page: page.name)
def test_every_command_of_a_page_exists(page: Path) -> None:
    """Whatever a page tells to type is a command with flags that exist."""
    for words in spoken(page):
        try:
            check(words)
        except click.UsageError as fault:
            pytest.fail(f"{page.name}: ormen {shlex.join(words)}: {fault.format_message()}")


def test_commands_are_found_in_the_pages() -> None:
    """The rule above would hold for no command at all; the tour alone has a dozen."""
    assert len(list(spoken(ROOT / "README.md"))) >= 10
    with pytest.raises(click.NoSuchOption):
        check(["run", "--publihs", "80", "nginx"])
    with pytest.raises(click.UsageError):
        check(["statsu"])


def test_every_example_of_a_help_is_a_command() -> None:
    """The examples under --help can be typed as they stand."""
    examples = [
        example
        for command in commands(cli, context_of(cli, "ormen"))
        if isinstance(command, Command)
        for example in command.examples
    ]
    lines = [words for example in examples for words in segments(example) if words[0] == "ormen"]
    assert len(lines) >= 20
    for words in lines:
        check(words[1:])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_file_is_right(path: Path) -> None:
    """Every example is read by ``ormen run -f`` and accepted by the deck, and says itself how it is run."""
    text = path.read_text()
    tasks, _ = read_tasks(text, path.name)
    assert load_submission(tasks, policy=Policy(()), new_id=lambda: str(uuid4())).items
    said = re.findall(r"^# ormen (.+)$", text, re.MULTILINE)
    assert path.suffix == ".json" or said == [f"run -f examples/{path.name}"]


def test_the_example_of_a_policy_is_right() -> None:
    """The deck reads it, and it has every key."""
    path = ROOT / "examples" / "policy.yaml"
    assert load_policy(str(path)).privileged == "never"
    assert set(re.findall(r"^(\w+):", path.read_text(), re.MULTILINE)) == set(RULES)


def test_the_made_pages_are_as_the_program_has_it() -> None:
    """settings.md, spec.md, cli.md and states.md are what scripts/docs writes."""
    made = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr


def test_every_setting_and_every_code_has_its_row() -> None:
    """A setting or a reason that no page explains is a riddle to whoever meets it."""
    settings = (ROOT / "docs" / "settings.md").read_text()
    states = (ROOT / "docs" / "states.md").read_text()
    assert [item.name for item in fields(Settings) if f"`ORMEN_{item.name.upper()}`" not in settings] == []
    assert [code.value for code in Code if f"`{code.value}`" not in states] == []


def test_every_problem_has_its_row() -> None:
    """Each class of error that a client may see is in the API's page with its status."""
    page = (ROOT / "docs" / "api.md").read_text()
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.OrmenError)]
    leaves = [kind for kind in kinds if "code" in vars(kind) and kind.code not in ("INTERNAL", "NODE_REFUSED")]
    assert [k.code for k in leaves if not re.search(rf"`{k.code}`[^\n]*\| {k.http_status} \|", page)] == []


def test_every_variable_of_a_page_is_a_setting() -> None:
    """A page does not tell of variables that nobody reads."""
    known = {f"ORMEN_{item.name.upper()}" for item in fields(Settings)} | OF_THE_CLIENT
    said = {word for page in PAGES for word in re.findall(r"\bORMEN_[A-Z_]+\b", page.read_text())}
    assert said - known == set()


def test_every_route_of_the_api_page_is_served() -> None:
    """The table's routes are routes of the program, with those methods."""
    app = create_app(replace(Settings(), redis_url="redis://127.0.0.1:1/0"))
    served = {
        (method, re.sub(r"<[^>]*>", "{}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    page = (ROOT / "docs" / "api.md").read_text()
    said = re.findall(r"`(GET|POST|PATCH|DELETE) (/v1/[\w/{}]+)", page)
    assert len(said) >= 8
    assert {(method, re.sub(r"\{\w+\}", "{}", route)) for method, route in said} - served == set()


def test_every_file_a_page_names_is_there() -> None:
    """Paths in code spans lead to files of the checkout."""
    places = [
        ROOT,
        *(ROOT / part for part in ("ormen", "ormen/store", "worker_agent", "manager_api", "ormen/scheduler")),
    ]
    for page in PAGES:
        for span in SPAN.findall(page.read_text()):
            if re.fullmatch(r"[\w./-]+\.(py|lua|md|yml|yaml|svg|txt)", span) and "constraints" not in span:
                assert any((place / span).exists() for place in places), f"{page.name}: {span}"


def test_the_python_of_the_readme_calls_what_exists() -> None:
    """The snippet's call has the form of the client's own method."""
    snippet = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert snippet is not None
    calls = [node for node in ast.walk(ast.parse(snippet[1])) if isinstance(node, ast.Call)]
    run = next(call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "run")
    named = {word.arg: None for word in run.keywords if word.arg}
    inspect.signature(Client.run).bind(None, *run.args, **named)


def test_the_json_of_a_page_is_json() -> None:
    """What is shown as a body can be sent as it stands."""
    bodies = [body for page in PAGES for body in re.findall(r"-d '(\{.*?\})'", page.read_text())]
    assert bodies
    for body in bodies:
        assert load_submission(json.loads(body), policy=Policy(()), new_id=lambda: str(uuid4())).items


def refusals(cls: type[errors.OrmenError]) -> Iterator[type[errors.OrmenError]]:
    """Every kind of refusal that the deck's modules know, with a code of its own."""
    for below in cls.__subclasses__():
        yield from refusals(below)
        if "code" in vars(below) and below.__module__.startswith(("ormen.errors", "manager_api")):
            yield below


def test_every_problem_of_the_api_is_listed() -> None:
    """The page of the API has each code that a problem document can carry, with its status."""
    page = (ROOT / "docs" / "api.md").read_text()
    unseen = {errors.NodeRefused}
    for kind in set(refusals(errors.OrmenError)) - unseen:
        assert f"| `{kind.code}` | {kind.http_status} |" in page


def test_every_exit_code_is_explained() -> None:
    """Each code that the command line ends with has its meaning, and the page shows it."""
    known = {
        0,
        1,
        *EXIT_CODES.values(),
        INTERRUPTED,
        PIPE_CLOSED,
        TIMED_OUT,
        OURS,
        WRONG_USE,
        FAILED,
        TAKEN,
        NOT_ALLOWED,
    }
    assert known | {OUT_OF_REACH} == set(MEANINGS)
    page = (ROOT / "docs" / "cli.md").read_text()
    assert all(f"| {code} | {means} |" in page for code, means in MEANINGS.items())
