"""The client as mypy sees it from outside: examples and pages are clean under --strict, and mistakes are found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

from ormen.spec_fields import HealthCheck, Mount, PortObject, SpecFields
from ormen.task_schema import TaskSchema

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

WRONG = """
from ormen import AsyncClient, Client

Client().run("nginx", prots={80: 8080})
Client().run("nginx", pull="sometimes")
Client().run("nginx").wait("finished")
Client().run("nginx", count=3)
async def main() -> None:
    AsyncClient().run("nginx").wait()
    await AsyncClient().stop("web", wait=3)
    await AsyncClient().update("web", cpus=3)
    AsyncClient().stop("web")
    async for line in AsyncClient().logs("web", folow=True):
        line.decode()
"""


def blocks(page: str) -> str:
    """The Python of a page, as one program."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL))


def mypy(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Check files as a user does, who has ormen installed and no settings of ours."""
    cache = ROOT / ".cache" / "mypy-users"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def test_examples_and_page_are_clean_under_strict(tmp_path: Path) -> None:
    """Whoever copies them into a typed program has no complaint to silence."""
    page = tmp_path / "client_page.py"
    page.write_text(blocks("client.md"))
    assert len(EXAMPLES) >= 3
    done = mypy(page, *EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mistakes_are_found_before_they_run(tmp_path: Path) -> None:
    """An unknown field, a word that is no choice, and an await that was forgotten are errors of type."""
    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    found = re.findall(r"wrong\.py:(\d+): error", mypy(file).stdout)
    assert {int(line) for line in found} == {4, 5, 6, 7, 9, 10, 11, 12, 13}


def test_every_field_of_the_schema_has_its_type() -> None:
    """A field of the spec that the types do not know could not be given by a typed program, and the other way round."""
    known = set(get_type_hints(SpecFields)) | {"image", "ports", "count"}
    assert known == set(TaskSchema().declared_fields)
    for types, field in ((PortObject, "ports"), (Mount, "volumes")):
        inner = TaskSchema().declared_fields[field].inner.nested  # type: ignore[attr-defined]
        assert set(get_type_hints(types)) == set(inner().declared_fields)
    health = TaskSchema().declared_fields["health"].nested  # type: ignore[attr-defined]
    assert set(get_type_hints(HealthCheck)) == set(health().declared_fields)


def test_the_choices_of_the_types_are_the_schemas() -> None:
    """A word that the deck takes is a word that the type takes."""
    from ormen.task_schema import PULLS, STRATEGIES

    def choices(field: str) -> set[str]:
        literal = next(part for part in get_args(get_type_hints(SpecFields)[field]) if get_args(part))
        return set(get_args(literal))

    assert (choices("pull"), choices("strategy")) == (set(PULLS), set(STRATEGIES))
