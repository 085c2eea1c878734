"""Constraints on nodes: ``zone=eu-west``, ``gpu!=none``, ``disk in (ssd,nvme)``.

A key is a label of nodes or one of `FACTS`, which win over a label of the same name. ``engine`` is met by the
engine's version and by its id. A node without the label meets ``K!=V`` and no other form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ormen.node import Node
from ormen.node_labels import FACTS, KEY, UNREADABLE

__all__ = ["FACTS", "Constraint", "parse", "values_of"]

_FORMS = "write {key}=VALUE, {key}!=VALUE or {key} in (A,B)"
_SHAPE = re.compile(r"(?P<key>[^=!<>~\s]*)\s*(?P<operator>[=!<>~]+|in\b)\s*(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One parsed expression. `operator` is ``=``, ``!=`` or ``in``; the first two have one value."""

    text: str
    key: str
    operator: str
    values: tuple[str, ...]

    def admits(self, node: Node) -> bool:
        """Return whether `node` meets the constraint, by its labels and facts."""
        met = any(value in self.values for value in values_of(node, self.key))
        return met is not (self.operator == "!=")


def values_of(node: Node, key: str) -> tuple[str, ...]:
    """Return what `node` has under `key`: nothing without the label, version and id for ``engine``."""
    if key == "node":
        return (node.name,)
    if key == "os":
        return (node.os,)
    if key == "arch":
        return (node.arch,)
    if key == "engine":
        return tuple(value for value in (node.engine_version, node.engine) if value)
    return (node.labels[key],) if key in node.labels else ()


@lru_cache(maxsize=4096)
def parse(text: str) -> Constraint:
    """Return the constraint that `text` is; raise ValueError with what is wrong and how to write it."""
    expression = text.strip()
    shape = _SHAPE.fullmatch(expression)
    if shape is None:
        key = expression if KEY.fullmatch(expression) else "KEY"
        raise ValueError(f'"{expression}" compares nothing; {_FORMS.format(key=key)}')
    key, operator, rest = shape["key"], shape["operator"], shape["rest"].strip()
    if not KEY.fullmatch(key):
        raise ValueError(f'"{expression}" has no key that a label can have; {_FORMS.format(key="KEY")}')
    if operator not in ("=", "!=", "in"):
        remedy = f"write {key}={rest}" if operator == "==" else _FORMS.format(key=key)
        raise ValueError(f'"{expression}" uses {operator}, which is unknown; {remedy}')
    values = _list(expression, rest, key=key) if operator == "in" else (rest,)
    if not all(values):
        raise ValueError(f'"{expression}" has an empty value; {_FORMS.format(key=key)}')
    for value in values:
        if UNREADABLE.search(value):
            raise ValueError(f'"{expression}": the value {value!r} holds a space, comma or bracket, as no label does')
    return Constraint(expression, key, operator, values)


def _list(expression: str, rest: str, *, key: str) -> tuple[str, ...]:
    if not (rest.startswith("(") and rest.endswith(")")):
        raise ValueError(f'"{expression}" has no list in brackets; write {key} in (A,B)')
    return tuple(value.strip() for value in rest[1:-1].split(","))
