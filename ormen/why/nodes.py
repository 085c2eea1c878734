"""Each node and what keeps the task off it: in full for the nearest ones, the others in groups of equal blockers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ormen.node import Node
from ormen.reasons import Code, Reason
from ormen.scheduler.explanation import filters, fits_if
from ormen.scheduler.filters import AMOUNTS, OPEN, WHERE, Filter, room
from ormen.scheduler.values import Blocker, Change, Fleet, Need
from ormen.why.case import Case
from ormen.why.phrases import standing

SHOWN = 20
"""Up to so many nodes are all told in full."""

NEAREST = 10
"""Of more nodes, those that are told in full: the nearest to fitting."""

PORT = re.compile(r"Host port (?P<port>\d+)/(?P<protocol>tcp|udp) is held (?P<holder>.+?);")
OUTSIDE = re.compile(r"outside ormen by (?P<name>.+?)(?:, pid \d+)?$")

Rows = list[dict[str, Any]]


def rows(case: Case, *, only: str | None = None, every: bool = False) -> tuple[Rows, Rows]:
    """Return the rows of single nodes and those of groups; `only` is the one node asked for, `every` groups none."""
    if case.fleet is None or case.need is None:
        return [], []
    rules, need = filters(case.fleet), case.need
    nodes = [node for node in case.fleet.nodes if only in (None, node.name)]
    refused = refusals(case)
    if every or len(nodes) <= SHOWN:
        return [_row(case, node, rules, refused) for node in nodes], []
    ranked = sorted(range(len(nodes)), key=lambda place: _distance(need, nodes[place], rules, refused))
    near = set(ranked[:NEAREST])
    told = [_row(case, nodes[place], rules, refused) for place in sorted(near)]
    return told, _groups(need, [node for place, node in enumerate(nodes) if place not in near], rules)


def refusals(case: Case) -> Mapping[str, Reason]:
    """Return what each node said that refused this task lately and is avoided for it."""
    avoided = {node for node, until in case.task.avoid.items() if until > case.now_ms}
    found: dict[str, Reason] = {}
    for attempt in case.ended:
        if attempt.node in avoided and attempt.reason and attempt.started_ms is None:
            found.setdefault(attempt.node, attempt.reason)
    return found


def _row(case: Case, node: Node, rules: Sequence[Filter], refused: Mapping[str, Reason]) -> dict[str, Any]:
    assert case.need is not None
    blockers = [_stood(blocker, node, case) for rule in rules for blocker in rule.explain(case.need, node)]
    if node.name in refused:
        blockers.append(_refused(refused[node.name]))
    return {
        "node": node.name,
        "blockers": [blocker.to_json() for blocker in blockers],
        "fits_if": [change.to_json() for change in fits_if(tuple(blockers))],
    }


def _stood(blocker: Blocker, node: Node, case: Case) -> Blocker:
    """Return the blocker of a node that takes no tasks with its time as one writes it today."""
    if not blocker.details.get("since") or not node.since_ms:
        return blocker
    said = standing(node.state.value, node.since_ms, (node.marked_by, node.marked_why), now_ms=case.now_ms)
    return replace(blocker, sentence=said)


def _refused(reason: Reason) -> Blocker:
    """Return what an agent found when it tried: ``port 8080: in use outside ormen (nginx)``."""
    port = PORT.search(reason.sentence)
    if reason.code is Code.PORT_IN_USE and port:
        name = port["port"] + ("" if port["protocol"] == "tcp" else f"/{port['protocol']}")
        outside = OUTSIDE.fullmatch(port["holder"])
        who = f"in use outside ormen ({outside['name']})" if outside else f"held {port['holder']}"
        return Blocker(reason.code, f"port {name}: {who}", fits_if=Change("that process ends", {"port": name}))
    said = reason.sentence.partition(";")[0].rstrip(".")
    return Blocker(reason.code, f"refused: {said[0].lower()}{said[1:]}")


def _distance(
    need: Need, node: Node, rules: Sequence[Filter], refused: Mapping[str, Reason]
) -> tuple[bool, int, float]:
    """Return how far a node is from fitting: what no waiting cures is farthest, then by blockers, then by amounts."""
    blocked = [rule for rule in rules if not rule.admits(need, node)]
    short = 0.0
    for amount in AMOUNTS:
        asked = amount.of(need.resources)
        if asked and amount in blocked:
            short += (asked - amount.of(room(need, node))) / asked
    return any(rule in WHERE for rule in blocked), len(blocked) + (node.name in refused), short


def _groups(need: Need, nodes: Sequence[Node], rules: Sequence[Filter]) -> Rows:
    """Return the nodes that lack the same, the largest group first."""
    found: dict[tuple[str, ...], list[str]] = {}
    codes: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        blocked = [rule for rule in rules if not rule.admits(need, node)]
        key = tuple(_noun(rule, node) for rule in blocked)
        found.setdefault(key, []).append(node.name)
        if key not in codes:
            codes[key] = list(dict.fromkeys(one.code.value for rule in blocked for one in rule.explain(need, node)))
    return [
        {
            "first": names[0],
            "last": names[-1],
            "count": len(names),
            "codes": codes[key],
            "sentence": ", ".join(key) or "fits",
        }
        for key, names in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def _noun(rule: Filter, node: Node) -> str:
    """Return in a word what a filter refuses: ``cpu``, ``draining``, ``label``, ``port``."""
    if rule in AMOUNTS:
        return str(getattr(rule, "noun", ""))
    if rule is OPEN:
        return node.state.value if node.state.value != "ready" else "listing its containers"
    return {"Constraints": "label", "Volume": "volume", "HostPorts": "port"}.get(type(rule).__name__, "other")


def fitting(need: Need, fleet: Fleet) -> list[str]:
    """Return the nodes that fit now, in their order."""
    rules = filters(fleet)
    return [node.name for node in fleet.nodes if all(rule.admits(need, node) for rule in rules)]
