"""Task files, as ``ormen run -f`` reads them: JSON or YAML; one task, a list, or ``tasks:`` with a list.

A task is written in ormen's fields or in the seeds' dialect. What is right by its form comes back as it was
sent, for the deck to judge; a fault that the deck finds is then given its line by the `Finder`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from ormen.yaml_text import YamlFault, parse, places

MOST_BYTES = 8 * 1024**2
"""The largest file, as for the body of a request."""

Path = Sequence[str | int]


class FileFault(ValueError):
    """The file holds no tasks; `str(error)` is one sentence with the file's name and, where known, the place."""


def read_tasks(text: str, name: str) -> tuple[list[dict[str, Any]], Finder]:
    """Return the tasks of a file in ormen's fields, not yet validated, and the finder of lines.

    `name` is what the file is called in sentences. Raises FileFault.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise FileFault(f"{name} is larger than 8 MiB.")
    document, tree = _parsed(text, name)
    tasks, form = _tasks(document, name)
    seeds: set[int] = set()
    found: list[dict[str, Any]] = []
    for index, task in enumerate(tasks):
        where = Finder(form, frozenset(), tree).shown((index,)) or "the task"
        if not isinstance(task, dict):
            raise FileFault(f"{name}: {where} is not a map of fields.")
        if _is_seed(task):
            seeds.add(index)
            task = _translated(task, f"{name}: {where}")
        found.append(task)
    return found, Finder(form, frozenset(seeds), tree)


@dataclass(frozen=True)
class Finder:
    """Where in a file a fault is. Paths are those of `Fault`, with or without the index of the only task.

    `form` is ``one``, ``list`` or ``tasks``; `seeds` are the indexes of tasks in the seeds' dialect.
    """

    form: str
    seeds: frozenset[int]
    tree: Callable[[], yaml.Node | None]

    def __call__(self, path: Path) -> int | None:
        """Return the line, counted from 1, of the deepest part of `path` that the file has; None if unknown."""
        node = self._root
        if node is None:
            return None
        line = int(node.start_mark.line) + 1
        for part in self._in_file(path):
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line

    line = __call__

    def written(self, path: Path) -> str | None:
        """Return the word that stands at `path`, as it was written; None where no single word does."""
        node = self._root
        for part in self._in_file(path):
            found = _child(node, part) if node is not None else None
            node = found[1] if found else None
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def shown(self, path: Path) -> str:
        """Return the path as people read it: ``tasks[0].ports[1].host``, in a file of one task ``ports[1].host``."""
        index, rest = self._split(path)
        parts = [] if self.form == "one" else ["tasks", index]
        text = ""
        for part in [*parts, *self._translated(index, rest)]:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
        return text

    @cached_property
    def _root(self) -> yaml.Node | None:
        return self.tree()

    def _split(self, path: Path) -> tuple[int, Path]:
        """Return the index of the task and the path within it."""
        if path and isinstance(path[0], int):
            return path[0], path[1:]
        return 0, path

    def _translated(self, index: int, path: Path) -> Path:
        if index not in self.seeds or not path:
            return path
        from ormen.seed import FIELDS

        return (FIELDS.get(str(path[0]), path[0]),)

    def _in_file(self, path: Path) -> Path:
        index, rest = self._split(path)
        before: Path = {"one": (), "list": (index,)}.get(self.form, ("tasks", index))
        return (*before, *self._translated(index, rest))


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """Return the line and the node of a key or an index. An envelope of the seeds' is looked through."""
    if isinstance(part, int) and isinstance(node, yaml.SequenceNode):
        if part >= len(node.value):
            return None
        item = node.value[part]
        return item.start_mark.line + 1, item
    if not isinstance(node, yaml.MappingNode):
        return None
    # The last one counts: what a merge brings in stands before a mapping's own keys.
    for key, value in reversed(node.value):
        if key.value == str(part):
            return key.start_mark.line + 1, value
    for key, value in node.value:
        if key.value.lower() in ("sail", "task"):
            return _child(value, part)
    return next(((key.start_mark.line + 1, value) for key, value in node.value if _alike(key.value, part)), None)


def _alike(key: str, part: str | int) -> bool:
    # The seeds' keys match in any case. Ours never differ by case only, so this finds no other field.
    return key.lower() == str(part).lower()


def _parsed(text: str, name: str) -> tuple[Any, Callable[[], yaml.Node | None]]:
    """Return the document and what makes its tree of places, on demand for JSON: most files have no fault."""
    text = text.removeprefix("\ufeff")
    try:
        # JSON indents with tabs where YAML may not; inside its strings a raw tab cannot stand.
        return json.loads(text, object_pairs_hook=_object), lambda: places(text.replace("\t", " "))
    except RecursionError:
        raise FileFault(f"{name}: nested too deeply.") from None
    except _Double as error:
        raise FileFault(f"{name}: the key {error} stands twice in one object.") from None
    except json.JSONDecodeError as error:
        if name.endswith(".json"):
            said = error.msg[:1].lower() + error.msg[1:]
            raise FileFault(f"{name}, line {error.lineno}, column {error.colno}: {said}.") from error
    except ValueError as error:
        raise FileFault(f"{name}: a number is too long to be read.") from error
    try:
        document, node = parse(text)
    except YamlFault as error:
        place = f", line {error.line}" if error.line else ""
        place += f", column {error.column}" if error.column else ""
        raise FileFault(f"{name}{place}: {error}.") from error
    return document, lambda: node


class _Double(Exception):
    """A key of a JSON object stands twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Double(key[:60])
        found[key] = value
    return found


def _tasks(document: object, name: str) -> tuple[list[Any], str]:
    if document is None or document in ([], {}):
        raise FileFault(f"{name} holds no task.")
    if isinstance(document, list):
        return document, "list"
    if not isinstance(document, Mapping):
        raise FileFault(f"{name} holds no task, but a single value.")
    if "tasks" not in document:
        return [document], "one"
    if len(document) > 1:
        other = next(key for key in document if key != "tasks")
        raise FileFault(f"{name}: {other[:60]} stands beside tasks; fields belong to a task of the list.")
    tasks = document["tasks"]
    if not isinstance(tasks, list) or not tasks:
        raise FileFault(f"{name}: tasks must be a list of at least one task.")
    return tasks, "tasks"


def _is_seed(task: Mapping[str, Any]) -> bool:
    # Ours has lower-case keys only, so the dialect's module is needed for nobody else.
    if "image" in task and all(key == key.lower() for key in task):
        return False
    from ormen.seed import is_seed

    return is_seed(task)


def _translated(task: Mapping[str, Any], where: str) -> dict[str, Any]:
    from ormen.seed import SeedError, to_event

    try:
        event = to_event(task)
    except SeedError as error:
        raise FileFault(f"{where}: {error}") from error
    if event.action == "stop":
        raise FileFault(f"{where} asks to stop a task; that is: ormen stop {event.task_id}")
    return dict(event.raw)
