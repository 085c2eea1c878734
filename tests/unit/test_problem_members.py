"""What refusals say beside their sentence is described: a client made from the description meets no surprise."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from manager_api.problem_documents import ProblemDocument
from ormen import errors

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {
    name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, errors.OrmenError)
}


def members() -> Iterator[tuple[str, str]]:
    """Where an error is made, and each member that it is given beside its hint."""
    for path in sorted((*(ROOT / "ormen").rglob("*.py"), *(ROOT / "manager_api").rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield from ((place, str(word.arg)) for word in node.keywords if word.arg not in ("hint", None))


def test_every_member_of_a_refusal_is_described() -> None:
    """The problem document allows no other members, so each that is ever given has its field."""
    found = list(members())
    assert len(found) > 10
    assert [(place, word) for place, word in found if word not in ProblemDocument().fields] == []
