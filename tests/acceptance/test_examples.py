"""Every example of every help is run, word for word, on a machine where all that it names is there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from ormen.cli.errors import INTERRUPTED
from ormen.cli.main import cli
from ormen.cli.options import Command
from tests.acceptance.chapters import CHAPTERS, Example, Lasting, Line, Typed
from tests.acceptance.workstation import Workstation
from tests.integration.terminals import Terminal
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def workstation(echo_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    """The machine, for all chapters."""
    with Workstation("desk", 0, tmp_path_factory.mktemp("desk")) as found:
        yield found


@pytest.fixture
def desk(workstation: Workstation) -> Iterator[Workstation]:
    """The machine, on which a chapter leaves neither a cluster nor a context, also if it breaks off."""
    yield workstation
    workstation.type("rm -rf .config; ormen down --purge -y")


def examples(command: click.Command) -> Iterator[str]:
    """Return the examples of a command and of all below it."""
    if isinstance(command, Command):
        yield from command.examples
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from examples(below)


def test_every_example_of_a_help_has_its_place_in_a_chapter() -> None:
    """An example that nobody runs may be wrong, and one that no help has is no example."""
    run = Counter(line.line for lines in CHAPTERS.values() for line in lines if isinstance(line, Example))
    assert set(run) == set(examples(cli))
    assert [line for line, times in run.items() if times > 1] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_example_of_a_help_does_what_it_says(desk: Workstation, chapter: str) -> None:
    """Typed as it stands, in its turn, it ends well and prints what a reader expects of it."""
    with ExitStack() as staying:
        for line in CHAPTERS[chapter]:
            play(desk, line, staying)


def play(desk: Workstation, line: Line, staying: ExitStack) -> None:
    """Type a line as its kind asks, and assert that it ends well."""
    if isinstance(line, Typed):
        talk(desk, line)
    elif isinstance(line, Lasting):
        last(desk, line, staying)
    else:
        line = Example(line, "") if isinstance(line, str) else line
        done = desk.type(f"{line.line}\n{line.then}")
        assert (done.code, line.says in done.out + done.err) == (0, True), f"{line.line}: {done}"


def last(desk: Workstation, line: Lasting, staying: ExitStack) -> None:
    """Start what goes on by itself, wait until it says its words, and press Ctrl-C now or at the chapter's end."""
    output = desk.home / f"output-{len(line.line)}"
    process = desk.start(f"exec {line.line}", output)
    wait_until(lambda: said(desk, line, output) or process.poll() is not None, timeout_s=40, what=f"in {line.line}")
    if line.stays:
        staying.callback(interrupt, process, line)
    else:
        interrupt(process, line)
    assert line.says in output.read_text(), f"{line.line}: {output.read_text()}"


def said(desk: Workstation, line: Lasting, output: Path) -> bool:
    """Return whether it has said its words; if not, do in another shell what makes it speak."""
    if line.says not in output.read_text() and line.then:
        desk.type(line.then)
    return line.says in output.read_text()


def interrupt(process: subprocess.Popen[bytes], line: Lasting) -> None:
    """Press Ctrl-C, and assert that the command ends as one that was told to."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) in (0, INTERRUPTED), line.line


def talk(desk: Workstation, line: Typed) -> None:
    """Hold the conversation at a terminal."""
    with Terminal(desk.shell(line.line), rows=40, columns=120, env=desk.environment()) as terminal:
        for shown, typed in line.keys:
            terminal.until(shown)
            terminal.type(typed)
        if line.says:
            terminal.until(line.says)
        assert terminal.process.wait(30) in (0, INTERRUPTED), f"{line.line}: {terminal.shown}"
