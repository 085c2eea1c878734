"""YAML as task files use it: what JSON can say, with the place of each value, and nothing that surprises.

Differs from YAML 1.1 where that bites: dates and ``22:22`` stay text, keys are always text, a key may not stand
twice. ``yes`` and ``no`` are still booleans, which the schema refuses where text is due.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML built without libyaml: ten times slower, otherwise the same
    from yaml import SafeLoader  # type: ignore[assignment]

MOST_DEPTH = 100
MOST_VALUES = 1_000_000
"""Values after aliases are written out: a short file of aliases of aliases can mean billions."""


class YamlFault(ValueError):
    """The text is not YAML that can be used; `line` and `column` count from 1, None where no place is to blame."""

    def __init__(self, sentence: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line
        self.column = column


class _Loader(SafeLoader):
    """Builds JSON's types only."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault("a key is a word, not a list or a map", key.start_mark)
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _fault(f"the key {key.value[:60]} stands here a second time", key.start_mark)
            seen.add(key.value)
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _words(tag: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    # Numbers with colons are base 60 in YAML 1.1: 22:22 would be 1342.
    numbers = tag.endswith((":int", ":float"))
    return re.compile(f"(?!.*:){pattern.pattern}", re.X) if numbers else pattern


_Loader.yaml_implicit_resolvers = {
    first: [(tag, _words(tag, pattern)) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}
_JSON_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))
_Loader.yaml_constructors = {
    tag: build for tag, build in SafeLoader.yaml_constructors.items() if tag is None or tag in _JSON_TAGS
}

_SAID = {
    "did not find expected '-' indicator": "a list item was expected here, with a dash",
    "mapping values are not allowed": "a colon where no key can stand; quote the text if it holds one",
    "cannot start any token": "this character begins no value; quote the text, and indent with spaces, not tabs",
    "unexpected end of stream": "the text ends in the middle of a value",
    "did not find expected ',' or '}'": "a comma or } was expected",
    "did not find expected ',' or ']'": "a comma or ] was expected",
    "could not find expected ':'": "a colon was expected after the key",
    "block sequence entries are not allowed": "a list item where a value was expected",
    "undefined alias": "this alias names no anchor",
    "but found another document": "a second document; one file holds one list of tasks",
    "unconstructable recursive": "an alias holds itself",
    "tab character": "a tab where spaces indent",
    "could not determine a constructor": "this tag is not used in task files",
    "control characters are not allowed": "a control character",
    "special characters are not allowed": "a control character",
}


def parse(text: str) -> tuple[Any, yaml.Node | None]:
    """Return the document as JSON's types, and its tree of nodes with their places; raise YamlFault."""
    try:
        _check_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
        _count(data, {}, set())
    except yaml.YAMLError as error:
        raise _translated(error, text) from error
    except RecursionError:
        raise YamlFault(f"nested deeper than {MOST_DEPTH} levels") from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, YamlFault):
            raise
        raise YamlFault("a number is too long to be read") from error
    return data, node


def places(text: str) -> yaml.Node | None:
    """Return the tree of nodes of a text that is known to be right, or None where YAML cannot read it."""
    try:
        _check_depth(text)
        return _Loader(text).get_single_node()
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _check_depth(text: str) -> None:
    # The events come from a parser without recursion; composing them recurses once a level, in C without a guard.
    depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise _fault(f"nested deeper than {MOST_DEPTH} levels", event.start_mark)


def _count(value: object, known: dict[int, int], above: set[int]) -> int:
    """Return how many values `value` holds with aliases written out; an object met again is not walked again."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) in above:
        raise YamlFault("an alias holds itself")
    if id(value) not in known:
        above.add(id(value))
        below = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(item, known, above) for item in below)
        above.discard(id(value))
    if known[id(value)] > MOST_VALUES:
        raise YamlFault(f"more than {MOST_VALUES} values once the aliases are written out")
    return known[id(value)]


def _fault(sentence: str, mark: Any) -> YamlFault:
    return YamlFault(sentence, mark.line + 1, mark.column + 1)


def _translated(error: yaml.YAMLError, text: str) -> YamlFault:
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML")
    mark = getattr(error, "problem_mark", None)
    said = next((ours for theirs, ours in _SAID.items() if theirs in problem), problem)
    if mark is None:
        position = getattr(error, "position", None)
        return YamlFault(said, None if position is None else text[:position].count("\n") + 1)
    lines = text.splitlines()
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    if "expected key" in problem or "expected <block end>" in problem:
        item = rest.startswith(("- ", "-\n")) or rest == "-"
        said = "a list item where a key was expected" if item else "a key was expected here; look at the indentation"
    return _fault(said, mark)
