"""`ormen context`: which deck a command asks, with which token, and how that is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_stub import UP, Result, deck, ormen, problem

from ormen.contexts import place

LIST = {"GET /v1/tasks": {"items": [UP], "next": None}}


def call(home: Path, *args: str, input: str = "", **env: str) -> Result:
    """Run the command with its file of contexts below `home`, and ORMEN_MANAGER not set."""
    return ormen(*args, env={"XDG_CONFIG_HOME": str(home), "ORMEN_MANAGER": "", **env}, input=input)


def test_a_context_is_asked_with_its_token(tmp_path: Path) -> None:
    """The first context is used at once; its token comes from stdin and goes to its deck."""
    with deck(LIST) as stub:
        added = call(tmp_path, "context", "add", "prod", "-m", stub.address, "--token-stdin", input="s3cret\n")
        assert added.stdout == f"prod is {stub.address}, with a token, and is used from now on\n"
        assert call(tmp_path, "status", "-q").returncode == 0
        assert stub.seen[0].headers["Authorization"] == "Bearer s3cret"


def test_the_flag_goes_before_the_variable_and_that_before_the_context(tmp_path: Path) -> None:
    """-m, then ORMEN_MANAGER, then ORMEN_CONTEXT, then the context in use."""
    with deck(LIST) as used, deck(LIST) as named, deck(LIST) as variable, deck(LIST) as flag:
        call(tmp_path, "context", "add", "one", "-m", used.address)
        call(tmp_path, "context", "add", "two", "-m", named.address)
        call(tmp_path, "status")
        call(tmp_path, "status", ORMEN_CONTEXT="two")
        call(tmp_path, "status", ORMEN_CONTEXT="two", ORMEN_MANAGER=variable.address)
        call(tmp_path, "status", "-m", flag.address, ORMEN_CONTEXT="two", ORMEN_MANAGER=variable.address)
        decks = (used, named, variable, flag)
        assert [{seen.path for seen in stub.seen} & {"/v1/tasks"} for stub in decks] == [{"/v1/tasks"}] * 4


def test_a_contexts_token_goes_to_no_other_deck(tmp_path: Path) -> None:
    """What -m names is asked without it; ORMEN_TOKEN goes before a context's own."""
    with deck(LIST) as mine, deck(LIST) as other:
        call(tmp_path, "context", "add", "prod", "-m", mine.address, "--token-stdin", input="s3cret")
        call(tmp_path, "status", "-m", other.address)
        call(tmp_path, "status", ORMEN_TOKEN="mine")
    assert "Authorization" not in other.seen[0].headers
    assert mine.seen[0].headers["Authorization"] == "Bearer mine"


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """0600 whatever the umask and the file's mode before; one that others can read is told."""
    file = place({"XDG_CONFIG_HOME": str(tmp_path)})
    with deck(LIST) as stub:
        call(tmp_path, "context", "add", "prod", "-m", stub.address, "--token-stdin", input="s3cret")
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        file.chmod(0o644)
        assert f"others can read the tokens in {file}: chmod 600" in call(tmp_path, "status").stderr
        call(tmp_path, "context", "use", "prod")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["contexts.json"]


def test_contexts_are_listed_without_their_tokens(tmp_path: Path) -> None:
    """Name, address, whether a token is kept, and which is in use."""
    call(tmp_path, "context", "add", "prod", "-m", "10.0.0.5:5555", "--token-stdin", input="s3cret")
    call(tmp_path, "context", "add", "test", "-m", "10.0.0.9", "--use")
    shown = call(tmp_path, "context", "ls")
    assert shown.stdout.split("\n")[:3] == [
        "NAME  MANAGER        TOKEN  CURRENT",
        "prod  10.0.0.5:5555  kept   -",
        "test  10.0.0.9       -      yes",
    ]
    assert [row["current"] for row in json.loads(call(tmp_path, "context", "ls", "-o", "json").stdout)] == [False, True]


def test_a_name_is_taken_once_and_given_back(tmp_path: Path) -> None:
    """A second of a name is exit 4 unless it is to replace the first; rm forgets it, and a wrong name is exit 3."""
    assert call(tmp_path, "context", "add", "prod", "-m", "a:1").returncode == 0
    taken = call(tmp_path, "context", "add", "prod", "-m", "b:1")
    assert (taken.returncode, "[CONTEXT_TAKEN]" in taken.stderr) == (4, True)
    assert call(tmp_path, "context", "add", "prod", "-m", "b:1", "--replace").returncode == 0
    assert call(tmp_path, "context", "rm", "prd").stderr.startswith('error: no context "prd"; did you mean prod?')
    assert call(tmp_path, "context", "rm", "prod").stdout == "prod is forgotten; no context is in use now\n"
    assert call(tmp_path, "status", ORMEN_CONTEXT="prod").returncode == 3


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["add", "prod"], "where is the deck of prod?"),
        (["add", "prod", "-m", "a:b"], "the port of"),
        (["add", "prod", "-m", "a:1", "--token-stdin"], "there is no token on stdin"),
    ],
)
def test_wrong_use_is_exit_2_and_writes_nothing(tmp_path: Path, args: list[str], said: str) -> None:
    """What is missing is asked for, and no file is made."""
    result = call(tmp_path, "context", *args)
    assert (result.returncode, said in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """Somebody edited it: the file and the remedy, no trace."""
    file = place({"XDG_CONFIG_HOME": str(tmp_path)})
    file.parent.mkdir(parents=True)
    file.write_text("[]")
    result = call(tmp_path, "status")
    assert result.returncode == 2
    assert f"the contexts in {file} cannot be read: it is not what ormen wrote" in " ".join(result.stderr.split())


def test_the_hint_of_a_missing_token_is_a_context(tmp_path: Path) -> None:
    """Whoever has no token learns both ways to have one."""
    with deck({"GET /v1/tasks": problem(401, "TOKEN_MISSING", "this deck wants a token")}) as stub:
        result = call(tmp_path, "status", "-m", stub.address)
    assert "hint:  set ORMEN_TOKEN, or ormen context add prod -m ADDR --token-stdin" in result.stderr


def test_a_variable_that_goes_before_is_told(tmp_path: Path) -> None:
    """Whoever chooses a context learns why it will not be asked."""
    call(tmp_path, "context", "add", "prod", "-m", "a:1")
    assert "ORMEN_MANAGER is set here" in call(tmp_path, "context", "use", "prod", ORMEN_MANAGER="b:1").stderr
