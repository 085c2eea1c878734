"""The tree keeps its own rules: sizes, heads of scripts, names of keys, words."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from ormen.node import NodeState
from ormen.store import keys
from ormen.store.scripts import SHARED, VERBS, WRITING
from ormen.task import State, Wanted

ROOT = Path(__file__).resolve().parents[2]
LUA = ROOT / "ormen" / "store" / "lua"
PACKAGES = ("ormen", "manager_api", "worker_agent")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MODULE_LINES, TEST_LINES, FUNCTION_LINES = 320, 450, 45
ONE_TEST_LINES, A_JOURNEYS_LINES = 20, 25
"""A test with real engines or whole programs has to clean up behind itself and may be longer by that."""
SCRIPT_LINES, SHARED_LINES = 60, 160

OUR_KEY = re.compile(r"P \.\. '([^']+)'((?:\s*\.\.\s*[\w.]+(?:\([^)]*\))?(?:\s*\.\.\s*'[^']+')?)?)")


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


def length(node: ast.FunctionDef) -> int:
    """How many lines a function has, its decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def head_of(script: str) -> str:
    """The comment at the top of a script."""
    lines = (LUA / f"{script}.lua").read_text().splitlines()
    end = next(place for place, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:end])


def normal(key: str) -> str:
    """A key with its variable parts as ``<>``."""
    return re.sub(r"<[^>]*>", "<>", key)


def test_every_verb_is_a_file_and_every_file_a_verb() -> None:
    """The list in scripts.py names the Lua files, besides what they share."""
    assert {path.stem for path in LUA.glob("*.lua")} == {*VERBS, *WRITING, *chain(*SHARED.values())}
    assert list(VERBS) == sorted(VERBS)


def test_no_two_test_files_have_one_name() -> None:
    """Collected together, pytest would take the second for the first."""
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("verb", VERBS)
def test_a_script_is_short_and_says_what_it_does(verb: str) -> None:
    """Under 60 lines, headed by its purpose, its arguments and its replies."""
    head = head_of(verb)
    assert len((LUA / f"{verb}.lua").read_text().splitlines()) < SCRIPT_LINES
    assert re.match(r"-- [A-Z]", head), "the first line states the purpose"
    assert "ARGV:" in head
    assert "Replies:" in head


def test_a_scripts_head_names_its_arguments() -> None:
    """Whatever a script reads of its arguments stands in its head, and nothing that it does not read."""
    for verb in VERBS:
        used = set(re.findall(r"\bA\.(\w+)", (LUA / f"{verb}.lua").read_text()))
        named = head_of(verb).partition("ARGV:")[2].partition("Replies:")[0]
        assert {word for word in used if not re.search(rf"\b{word}\b", named)} == set(), verb


def test_what_scripts_share_stays_readable() -> None:
    """The common part has its own limit."""
    assert len((LUA / "common.lua").read_text().splitlines()) <= SHARED_LINES


def test_a_tasks_events_are_written_where_its_record_names_them() -> None:
    """No verb emits an event of a task but by `happened`: what the record does not name, nobody finds."""
    others = {path.name: path.read_text() for path in LUA.glob("*.lua") if path.name != "events.lua"}
    assert [name for name, text in others.items() if re.search(r"emit\('task\.|emit\([^\n]*task = ", text)] == []


def test_every_key_a_script_names_is_in_the_table() -> None:
    """keys.py's table is the one place that lists what is in Redis."""
    table = {normal(row.split()[0]) for row in (keys.__doc__ or "").splitlines() if re.match(r"[a-z][\w:<>]*  ", row)}
    found = set()
    for path in LUA.glob("*.lua"):
        for first, rest in OUR_KEY.findall(path.read_text()):
            found.add(first + ("<>" + "".join(re.findall(r"'([^']+)'", rest)) if first.endswith(":") else ""))
    assert found
    assert found - table == set()


def test_every_key_of_keys_py_is_in_its_table() -> None:
    """A method that makes a name has its row."""
    table = {normal(row.split()[0]) for row in (keys.__doc__ or "").splitlines() if re.match(r"[a-z][\w:<>]*  ", row)}
    made = set(re.findall(r'return f"\{self\.prefix\}([^"]+)"', Path(keys.__file__).read_text()))
    assert {re.sub(r"\{[^}]*\}", "<>", name) for name in made} - table == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_no_longer_than_one_can_read(path: Path) -> None:
    """At most 320 lines a module and 45 a function."""
    assert len(path.read_text().splitlines()) <= MODULE_LINES
    assert [f"{node.name}: {length(node)}" for node in functions(path) if length(node) > FUNCTION_LINES] == []


def test_tests_are_short_and_say_their_rule() -> None:
    """Every test has a docstring and at most 20 lines; a file of them at most 450."""
    long = [str(path.relative_to(ROOT)) for path in TESTS if len(path.read_text().splitlines()) > TEST_LINES]
    silent, wordy = [], []
    for path in TESTS:
        most = A_JOURNEYS_LINES if {"cluster", "acceptance", "integration"} & set(path.parts) else ONE_TEST_LINES
        for node in functions(path):
            if node.name.startswith("test_"):
                silent += [] if ast.get_docstring(node) else [f"{path.name}::{node.name}"]
                wordy += [f"{path.name}::{node.name}"] if length(node) > most else []
    assert (long, silent, wordy) == ([], [], [])


def test_the_words_of_the_nomenclature_are_used() -> None:
    """A word that stands in no code, text or comment is no word of ours."""
    page = (ROOT / "docs" / "nomenclature.md").read_text()
    words = re.findall(r"^\| ([a-z-]+) \|", page, re.MULTILINE)
    everything = "\n".join(path.read_text() for path in [*SOURCES, *LUA.glob("*.lua")]).lower()
    assert len(words) > 20
    assert [word for word in words if word != "word" and word not in everything] == []


def test_every_state_is_explained() -> None:
    """States of tasks, of nodes, and what can be wanted: each has its word in the nomenclature."""
    page = (ROOT / "docs" / "nomenclature.md").read_text()
    assert [word.value for word in (*State, *NodeState, *Wanted) if word.value not in page] == []


def test_every_guard_to_be_broken_is_where_its_row_says() -> None:
    """The text of each row of scripts/guards.py stands once in its file, so that `scripts/mutate` can take it away."""
    guards = runpy.run_path(str(ROOT / "scripts" / "guards.py"))["GUARDS"]
    assert len(guards) > 30
    assert [guard.name for guard in guards if (ROOT / guard.path).read_text().count(guard.text) != 1] == []
