"""Each node and what keeps the task off it: in full for the nearest ones, the others in groups of equal blockers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ormen.node import Node
from ormen.reasons import Code, Reason
from ormen.scheduler.explanation import filters, fits_if
from ormen.scheduler.filters import OPEN, WHERE, Amount, Filter, room
from ormen.scheduler.values import Blocker, Change, Fleet, Need
from ormen.why.case import Case
from ormen.why.phrases import lowered, standing

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
    blocked = [_blocked(need, node, rules) for node in nodes]
    places = sorted(range(len(nodes)), key=lambda place: _distance(blocked[place], nodes[place], refused))
    near = set(places[:NEAREST])
    told = [_row(case, nodes[place], rules, refused) for place in sorted(near)]
    rest = [(node, blocked[place]) for place, node in enumerate(nodes) if place not in near]
    return told, _groups(need, rest)


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
    return Blocker(reason.code, f"refused: {lowered(reason.sentence.partition(';')[0])}")


@dataclass(frozen=True, slots=True)
class Blocked:
    """The filters that refuse a node, and by which share of what is asked its amounts fall short."""

    rules: tuple[Filter, ...]
    short: float


def _blocked(need: Need, node: Node, rules: Sequence[Filter]) -> Blocked:
    """Return what refuses a node, without a word: of thousands of nodes only some are told in full."""
    free, short = room(need, node), 0.0
    found: list[Filter] = []
    for rule in rules:
        if isinstance(rule, Amount):
            lacks = rule.of(need.resources) - rule.of(free)
            if lacks > 0:
                found.append(rule)
                short += lacks / rule.of(need.resources)
        elif not rule.admits(need, node):
            found.append(rule)
    return Blocked(tuple(found), short)


def _distance(blocked: Blocked, node: Node, refused: Mapping[str, Reason]) -> tuple[bool, int, float]:
    """Return how far a node is from fitting: what no waiting cures is farthest, then by blockers, then by amounts."""
    hopeless = any(rule in WHERE for rule in blocked.rules)
    return hopeless, len(blocked.rules) + (node.name in refused), blocked.short


def _groups(need: Need, nodes: Sequence[tuple[Node, Blocked]]) -> Rows:
    """Return the nodes that lack the same, the largest group first."""
    found: dict[tuple[str, ...], list[Node]] = {}
    rules: dict[tuple[str, ...], tuple[Filter, ...]] = {}
    for node, blocked in nodes:
        key = tuple(_noun(rule, node) for rule in blocked.rules)
        found.setdefault(key, []).append(node)
        rules.setdefault(key, blocked.rules)
    return [
        {
            "first": members[0].name,
            "last": members[-1].name,
            "count": len(members),
            "codes": _codes(need, members[0], rules[key]),
            "sentence": ", ".join(key) or "fits",
        }
        for key, members in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def _codes(need: Need, node: Node, rules: Sequence[Filter]) -> list[str]:
    return list(dict.fromkeys(blocker.code.value for rule in rules for blocker in rule.explain(need, node)))


def _noun(rule: Filter, node: Node) -> str:
    """Return in a word what a filter refuses: ``cpu``, ``draining``, ``label``, ``port``."""
    if isinstance(rule, Amount):
        return rule.noun
    if rule is OPEN:
        return node.state.value if node.state.value != "ready" else "listing its containers"
    names = {
        "Constraints": "label",
        "Volume": "volume",
        "HostPorts": "port",
        "NamedGpus": "GPU",
        "Beside": "neighbours",
    }
    return names.get(type(rule).__name__, "other")


def fitting(need: Need, fleet: Fleet) -> list[str]:
    """Return the nodes that fit now, in their order."""
    rules = filters(fleet)
    return [node.name for node in fleet.nodes if all(rule.admits(need, node) for rule in rules)]
