"""Whether an expression of a rule or a panel asks for what a deck really serves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

Served = Mapping[str, Mapping[str, set[str]]]
"""Each sample's name with its labels and their values."""

FROM_SCRAPING = {"instance", "job"}
"""Labels that Prometheus adds, and `up` is its own."""


def samples(text: str) -> dict[str, dict[str, set[str]]]:
    """What an answer of /metrics holds."""
    found: dict[str, dict[str, set[str]]] = {"up": {"job": {"ormen"}, "instance": set()}}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def parts(node: Any) -> Iterator[Any]:
    """The node and everything below it."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        below = getattr(node, name, None)
        for part in below if isinstance(below, list) else [below] if below is not None else []:
            yield from parts(part)


def complaints(expression: str, serves: Served) -> list[str]:
    """What the expression names that is not there. Raises ValueError for one that cannot be parsed."""
    found, labels = [], set(FROM_SCRAPING)
    nodes = list(parts(promql.parse(expression)))
    for node in nodes:
        if isinstance(node, promql.VectorSelector):
            there = serves.get(node.name)
            if there is None:
                found.append(f"no metric {node.name}")
                continue
            labels |= there.keys()
            found += [f"{node.name}: {word}" for m in node.matchers.matchers if (word := mismatch(m, there))]
    for node in nodes:
        modifier = getattr(node, "modifier", None)
        grouped = getattr(getattr(modifier, "matching", modifier), "labels", None) or []
        found += [f"grouped by {label}, which no series has" for label in grouped if label not in labels]
    return found


def mismatch(matcher: Any, there: Mapping[str, set[str]]) -> str | None:
    """What is wrong with a matcher: a label that is not there, or a value that no series has."""
    if matcher.name not in there:
        return f"no label {matcher.name}"
    values = there[matcher.name]
    if matcher.op == promql.MatchOp.Equal and matcher.value not in values:
        return f"no {matcher.name}={matcher.value}, only {sorted(values)}"
    if matcher.op == promql.MatchOp.Re and not any(re.fullmatch(matcher.value, value) for value in values):
        return f"no {matcher.name} fits {matcher.value}"
    return None


def labels_of(expression: str, serves: Served) -> set[str]:
    """The labels that may stand in a text beside the expression's result."""
    names = {node.name for node in parts(promql.parse(expression)) if isinstance(node, promql.VectorSelector)}
    return FROM_SCRAPING | {label for name in names for label in serves.get(name, {})} - {"le"}
