"""Constraints on nodes: ``zone=eu-west``, ``gpu!=none``, ``disk in (ssd,nvme)``, ``zone~^eu-``, ``kernel>=6.1``.

A key is a label of nodes or one of `FACTS`, which win over a label of the same name. ``engine`` is met by the
engine's version and by its id, and compared by its version. A node without the label meets ``K!=V`` and no other form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ormen.node import Node
from ormen.node_labels import FACTS, KEY, UNREADABLE
from ormen.scheduler import matching

__all__ = ["FACTS", "Constraint", "parse", "values_of"]

_FORMS = "write {key}=VALUE, {key}!=VALUE, {key} in (A,B), {key}~REGEX or {key}>=VERSION"
_ORDER = (">=", ">", "<=", "<")
_SHAPE = re.compile(r"(?P<key>[^=!<>~\s]*)\s*(?P<operator>[=!<>~]+|in\b)\s*(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One parsed expression. `operator` is ``=``, ``!=``, ``in``, ``~``, ``>=``, ``>``, ``<=`` or ``<``.

    Only ``in`` has several values.
    """

    text: str
    key: str
    operator: str
    values: tuple[str, ...]

    def admits(self, node: Node) -> bool:
        """Return whether `node` meets the constraint, by its labels and facts."""
        if self.operator == "~":
            return any(matching.matches(self.values[0], value) for value in values_of(node, self.key))
        if self.operator in _ORDER:
            has = (node.engine_version,) if self.key == "engine" else values_of(node, self.key)
            return any(matching.compares(self.operator, value, self.values[0]) for value in has)
        met = any(value in self.values for value in values_of(node, self.key))
        return met is not (self.operator == "!=")

    @property
    def exact(self) -> bool:
        """Return whether it names the values that it wants, so that one may be a slip of another."""
        return self.operator in ("=", "in")


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
    if operator not in ("=", "!=", "in", "~", *_ORDER):
        remedy = f"write {key}={rest}" if operator == "==" else _FORMS.format(key=key)
        raise ValueError(f'"{expression}" uses {operator}, which is unknown; {remedy}')
    values = _list(expression, rest, key=key) if operator == "in" else (rest,)
    if not all(values):
        raise ValueError(f'"{expression}" has an empty value; {_FORMS.format(key=key)}')
    if operator == "~" or operator in _ORDER:
        return Constraint(expression, key, operator, (_comparable(expression, rest, operator=operator),))
    for value in values:
        if UNREADABLE.search(value):
            raise ValueError(f'"{expression}": the value {value!r} holds a space, comma or bracket, as no label does')
    return Constraint(expression, key, operator, values)


def _comparable(expression: str, rest: str, *, operator: str) -> str:
    """Return the expression or version to compare with; raise ValueError if it cannot be one."""
    if operator == "~":
        try:
            matching.compiled(rest)
        except ValueError as error:
            raise ValueError(f'"{expression}" {_said(str(error))}') from None
    elif matching.version(rest) is None:
        raise ValueError(f'"{expression}" compares with no version; write it as 24 or 24.0.7')
    return rest


def _said(fault: str) -> str:
    return fault if fault.startswith(("looks", "repeats", "has", "can")) else f"has {fault}"


def _list(expression: str, rest: str, *, key: str) -> tuple[str, ...]:
    if not (rest.startswith("(") and rest.endswith(")")):
        raise ValueError(f'"{expression}" has no list in brackets; write {key} in (A,B)')
    return tuple(value.strip() for value in rest[1:-1].split(","))
