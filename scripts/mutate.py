"""Break each guard of `guards.py` once and run the tests that are to notice; the walks of `tests/properties` come last.

With ``--examples`` the walks, which take longest, are left out. The tree is copied, so nothing here can leave a broken
guard behind. Exits with 1 if a guard was missed by every test, or if its text is not where it was.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest
from guards import AGENT, GUARDS, STORE, Guard

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("ormen", "manager_api", "worker_agent", "scripts", "tests", "pyproject.toml", "setup.cfg")
LIBRARIES = (
    "celery",
    "docker",
    "flask_smorest",
    "kombu",
    "marshmallow",
    "numpy",
    "psutil",
    "redis",
)
WALKS = ("tests/properties/test_store_machine.py", "tests/properties/test_agent_machine.py")


def main(words: list[str]) -> int:
    """Print a row a guard; return the exit code."""
    walks = () if "--examples" in words else (WALKS,)
    words = [word for word in words if word != "--examples"]
    chosen = [guard for guard in GUARDS if not words or any(word in guard.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="ormen-mutate-") as folder:
        tree = copied(Path(folder))
        for library in LIBRARIES:
            importlib.import_module(library)
        # A few words are for working on a test: then nobody waits for the others.
        red = (
            None
            if words
            else next(
                (
                    red
                    for tests in {tests for guard in chosen for tests in (*stages(guard), *walks)}
                    if (red := first_red(tree, tests))
                ),
                None,
            )
        )
        if red:
            raise SystemExit(f"{red} is red with every guard in its place")
        missed = [guard.name for guard in chosen if not noticed(tree, guard, walks)]
    print(f"\n{len(chosen) - len(missed)} of {len(chosen)} guards are held by a test", *missed, sep="\n  missed: ")
    return 1 if missed else 0


def copied(folder: Path) -> Path:
    """Return a copy of what tests need."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def noticed(tree: Path, guard: Guard, walks: tuple[tuple[str, ...], ...]) -> bool:
    """Break the guard, say which test went red first, and put it back."""
    path = tree / guard.path
    text = path.read_text()
    began = time.monotonic()
    if text.count(guard.text) != 1:
        print(f"{guard.name:45} | its text stands {text.count(guard.text)} times in {guard.path}", flush=True)
        return False
    path.write_text(text.replace(guard.text, guard.broken))
    try:
        red = next((red for tests in (*stages(guard), *walks) if (red := first_red(tree, tests))), None)
    finally:
        path.write_text(text)
    print(f"{guard.name:45} | {red or 'MISSED'} | {time.monotonic() - began:.0f}s", flush=True)
    return red is not None


def stages(guard: Guard) -> tuple[tuple[str, ...], ...]:
    """Return the files of examples to run, those first that are likely to notice."""
    if guard.tests not in (AGENT, STORE):
        return (guard.tests,)
    units = tuple(sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit").glob("test_agent_*.py")))
    return (units if guard.tests is AGENT else ("tests/store",)), ("tests/fundamentals",)


def first_red(tree: Path, tests: tuple[str, ...]) -> str | None:
    """Return the first test that fails, None if all pass."""
    said = tree / "said"
    child = multiprocessing.get_context("fork").Process(target=run_pytest, args=(tree, tests, said))
    child.start()
    child.join()
    text = said.read_text()
    if child.exitcode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    if child.exitcode != 1 or found is None:
        raise SystemExit(f"pytest ended with {child.exitcode}:\n{text[-4000:]}")
    return found[1].replace("tests/", "", 1)


def run_pytest(tree: Path, tests: tuple[str, ...], said: Path) -> None:
    """Run the tests in this process, a child that has all libraries loaded already and none of our modules."""
    os.chdir(tree)
    sys.path[:] = [str(tree), *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "scripts")]
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(out, 2)
    sys.exit(pytest.main(["-q", "-x", "-p", "no:randomly", "--show-capture=no", "--tb=no", "-m", "not alone", *tests]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
