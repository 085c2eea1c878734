"""Starting the command: what it imports, how long it takes, what its help says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_golden import fits, golden
from cli_stub import UP, deck, ormen, program, variables

from ormen.cli.main import ALIASES, CATALOGUE, ELSEWHERE, FIRST_STEPS, cli, exists

FORBIDDEN = ("rich", "requests", "celery", "flask", "docker", "redis", "marshmallow", "kombu", "numpy", "yaml")
COMMANDS = [name for group in CATALOGUE.values() for name in group]
MINE = [name for name in COMMANDS if name not in ("up", "down", "deck", "sailor")]


@pytest.mark.parametrize("args", [["status"], [], ["--help"]])
def test_looking_imports_nothing_heavy(args: list[str]) -> None:
    """`status`, no arguments and --help need no package but click, so that the answer comes at once."""
    code = (
        "import sys; from ormen.cli.main import run; code = run(sys.argv[1:]); "
        f"print(sorted(set(sys.modules) & set({FORBIDDEN!r})), code, file=sys.stderr)"
    )
    with deck({"GET /v1/tasks": {"items": [UP], "next": None}}) as stub:
        command = [sys.executable, "-c", code, *args]
        result = subprocess.run(
            command, capture_output=True, text=True, env=variables(stub.address, None), timeout=60, check=False
        )
    assert result.stderr.splitlines()[-1] == "[] 0"


def test_no_arguments_print_the_first_steps() -> None:
    """`ormen` alone is short help and no error."""
    result = program()
    assert result.returncode == 0
    golden("help_short", result.stdout.rstrip("\n"))


def test_help_lists_what_exists_in_groups() -> None:
    """The groups stand in the order of the help; what does not exist is not listed."""
    golden("help", ormen("--help").stdout.rstrip("\n"))


@pytest.mark.parametrize("name", MINE)
def test_every_command_has_help_within_80_columns(name: str) -> None:
    """-h and --help print the same: usage, what it does, options."""
    short, long = ormen(name, "-h"), ormen(name, "--help")
    assert short == long
    assert short.returncode == 0
    assert short.stdout.startswith(f"Usage: ormen {name}")
    assert fits(short.stdout, 80)


def test_run_help_is_the_sketch() -> None:
    """The options of run stand in their groups."""
    golden("help_run", ormen("run", "--help").stdout.rstrip("\n"))


def test_every_alias_is_a_command() -> None:
    """Other names lead to commands that the catalogue has."""
    assert set(ALIASES.values()) <= set(COMMANDS)
    assert {command for command, _, _ in FIRST_STEPS} <= set(COMMANDS)
    assert cli.name == "ormen"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    """The script names the function and the variable that ask ormen itself."""
    result = ormen("completion", shell)
    assert result.returncode == 0
    assert "_ORMEN_COMPLETE" in result.stdout


def test_completion_offers_commands() -> None:
    """What the script asks for is answered with the commands that begin so."""
    result = program(env={"_ORMEN_COMPLETE": "bash_complete", "COMP_WORDS": "ormen st", "COMP_CWORD": "1"})
    assert "plain,status" in result.stdout.split()
    assert "plain,stop" in result.stdout.split()


def test_version_option_needs_no_deck() -> None:
    """--version prints this program's version only."""
    from ormen import __version__

    assert ormen("--version").stdout == f"ormen {__version__}\n"


def test_ctrl_c_while_the_command_loads_ends_silently(tmp_path: Path) -> None:
    """A Ctrl-C that comes before the command is there is exit code 130 without a trace."""
    # A shell's background job is born with SIGINT ignored, and so are the tests that it runs.
    heeded = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    (tmp_path / "click.py").write_text(f"import os, signal\n{heeded}\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", "ormen.cli", "status"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("word", ELSEWHERE)
def test_a_word_of_another_tool_is_answered_with_ours(word: str) -> None:
    """Whoever types what docker, kubectl or nomad call it reads the command that does it, and that one exists."""
    result = ormen(word, "x")
    ours = ELSEWHERE[word]
    assert (result.returncode, result.stderr) == (2, f'error: no command "{word}"; here it is ormen {ours}.\n')
    assert ours == "--help" or ormen(ours.split()[0], "--help").returncode == 0
    assert not exists(word)
