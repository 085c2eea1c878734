"""The fleet as this process last saw it, so that a look at thousands of nodes costs what has changed of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

from ormen.node import Node, NodeState

Taken = dict[str, dict[str, tuple[tuple[str, str], ...]]]
"""Host ports in use: engine id -> ``8080/tcp`` -> (bind address, task id) of each holder."""

WHOLE_EVERY_S = 30.0
"""How often a look is whole although it need not be: whatever wrote without counting its change is seen then."""

NATURAL = re.compile(r"(\d+)")


@lru_cache(maxsize=20_000)
def natural(name: str) -> tuple[Any, ...]:
    """Return a sort key that puts node-2 before node-10."""
    return tuple(int(part) if part.isdigit() else part for part in NATURAL.split(name))


def is_plain(view: str) -> bool:
    """Return whether a packed view is of an active, whole and untroubled node: it takes tasks while it is heard."""
    return view.startswith("active 1 - 0 ")


def is_odd(view: str, facts: str) -> bool:
    """Return whether a node's own hash must be looked at to know it: it is not plain, or it has GPUs."""
    return not is_plain(view) or '"gpus"' in facts


def of_one(name: str, columns: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return as hashes what each of them has of this node: nothing of one that is not there."""
    return [{} if value is None else {name: value} for (value,) in columns]


def holders_of(row: Mapping[str, str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return who holds the host ports of an engine, of its hash as it is kept."""
    return {
        port: tuple((bind, owner) for bind, _, owner in (word.rpartition("=") for word in held.split()))
        for port, held in row.items()
    }


class Changed(NamedTuple):
    """A node that changed: its packed view, its facts, its engine's host ports as a flat list."""

    name: str
    view: str
    facts: str
    ports: Sequence[str]


class Glance(NamedTuple):
    """What a look at the fleet brought: see ``lua/fleet.lua``."""

    cluster: str
    last: int
    now_ms: int
    since_ms: int
    bar_ms: int | None
    whole: bool
    silent: frozenset[str]
    shown: Mapping[str, str]
    apart: Mapping[str, str]
    changed: Sequence[Changed]

    @classmethod
    def of(cls, reply: Sequence[Any]) -> Glance:
        """Return the script's reply as values."""
        cluster, last, now, since, braked, bar, whole, silent, shown, apart, *changed = reply
        bar_ms = int(bar) if braked else None
        rows = [Changed(*row) for row in changed]
        return cls(
            cluster,
            int(last),
            int(now),
            int(since),
            bar_ms,
            bool(whole),
            frozenset(silent),
            _pairs(shown),
            _pairs(apart),
            rows,
        )


class Look(NamedTuple):
    """What the fleet's script replied, and how many connections there were when it was asked."""

    connections: int
    reply: Sequence[Any]


class Seen(NamedTuple):
    """The fleet as one look saw it: nodes in natural order, and the place, packed view and facts of each.

    The list is the caller's own. The rest is shared and only grows, so that whoever has a place has a view.
    """

    nodes: list[Node]
    place: Mapping[str, int]
    views: Mapping[str, str]
    facts: Mapping[str, str]
    odd: frozenset[str]


class Picture:
    """Every node, as it is if it is heard and nobody was told otherwise. Shared by the threads of a process.

    Odd is a node that is anything but plainly ready by what is kept here.
    """

    def __init__(self, made: Callable[[str, str, str], Node]) -> None:
        self._made = made
        self._lock = Lock()
        self._cluster, self._last = "", -1
        self._whole_at = 0.0
        self._connections = -1
        self._place: dict[str, int] = {}
        self._nodes: list[Node] = []
        self._taken: Taken = {}
        self._apart: Mapping[str, str] = {}
        self._views: dict[str, str] = {}
        self._facts: dict[str, str] = {}
        self._odd: frozenset[str] = frozenset()
        self._quiet: dict[str, tuple[Node, Node]] = {}

    def __len__(self) -> int:
        """Return how many nodes there were at the last look."""
        return len(self._place)

    def since(self, *, connections: int) -> tuple[str, int]:
        """Return the cluster and the change from which on a look is to tell, -1 for everything.

        That is so after a new connection, since behind it may be a Redis that came back with an older file.
        """
        with self._lock:
            stale = time.monotonic() - self._whole_at > WHOLE_EVERY_S
            return self._cluster, -1 if stale or connections != self._connections else self._last

    def take(self, glance: Glance, *, connections: int) -> Seen:
        """Take in what a look brought, and return the fleet with it.

        Of two looks the one that began earlier may come later: it brings nothing that the other has not.
        """
        with self._lock:
            if glance.whole:
                self._begin(glance, connections)
            elif glance.cluster == self._cluster and glance.last > self._last:
                self._bring(glance.changed)
                self._last = glance.last
            self._apart = glance.apart
            return Seen(self._nodes[:], self._place, self._views, self._facts, self._odd)

    def hush(self, seen: Seen, silent: frozenset[str]) -> None:
        """Let the nodes that are not heard be suspect in what a look saw; one is made so once while nothing changes."""
        before, quiet = self._quiet, {}
        for name in silent & seen.place.keys():
            node, at = seen.nodes[seen.place[name]], seen.place[name]
            kept = before.get(name)
            quiet[name] = kept if kept and kept[0] is node else (node, replace(node, state=NodeState.SUSPECT))
            seen.nodes[at] = quiet[name][1]
        self._quiet = quiet

    def taken(self) -> Taken:
        """Return who holds which host port of every engine."""
        with self._lock:
            return dict(self._taken)

    def apart(self) -> dict[str, dict[str, int]]:
        """Return for each task or group that others keep away from them on which nodes those are, and how many."""
        found: dict[str, dict[str, int]] = {}
        for field, count in self._apart.items():
            node, _, word = field.partition(" ")
            found.setdefault(word, {})[node] = int(count)
        return found

    def _begin(self, glance: Glance, connections: int) -> None:
        rows = sorted(glance.changed, key=lambda row: natural(row.name))
        before = {name: self._nodes[i] for name, i in self._place.items()}
        same = {row.name for row in rows if (self._views.get(row.name), self._facts.get(row.name)) == row[1:3]}
        self._nodes = [before[row.name] if row.name in same else self._made(*row[:3]) for row in rows]
        self._place = {row.name: i for i, row in enumerate(rows)}
        self._views, self._facts = {row.name: row.view for row in rows}, {row.name: row.facts for row in rows}
        self._taken = {engine_of(row.view): _ports(row.ports) for row in rows}
        self._odd = frozenset(row.name for row in rows if is_odd(row.view, row.facts))
        self._cluster, self._last = glance.cluster, glance.last
        self._whole_at, self._connections = time.monotonic(), connections

    def _bring(self, changed: Sequence[Changed]) -> None:
        odd = {row.name for row in changed if is_odd(row.view, row.facts)}
        self._odd = (self._odd - {row.name for row in changed}) | odd
        place = dict(self._place)
        for row in changed:
            self._views[row.name], self._facts[row.name] = row.view, row.facts
            self._taken[engine_of(row.view)] = _ports(row.ports)
            node = self._made(row.name, row.view, row.facts)
            if row.name in place:
                self._nodes[place[row.name]] = node
            else:
                place[row.name] = len(self._nodes)
                self._nodes.append(node)
        if len(place) > len(self._place):
            names = sorted(place, key=natural)
            self._nodes = [self._nodes[place[name]] for name in names]
            self._place = {name: i for i, name in enumerate(names)}


def engine_of(view: str) -> str:
    """Return the engine that a packed view names."""
    return view.rsplit(" ", 2)[1]


def _ports(flat: Sequence[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    return holders_of(_pairs(flat))


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
