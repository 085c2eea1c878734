"""Tasks beside each other: at most so many of a group on a node, near to one, far from another; and an even spread.

`Neighbours` counts who is where while a list is placed; the filter `Beside` says whether a node may be, and what is in
the way. A task counts by its group, and by its name where that is another. A name that a need keeps away from is
kept away from it in turn, whichever of the two is placed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ormen.node import Node
from ormen.reasons import Code
from ormen.scheduler.values import Blocker, Change, Counts, Finding, Fleet, Need
from ormen.scheduler.words import counted, listed
from ormen.spec import NO_RULES


@dataclass(slots=True)
class Neighbours:
    """Who is beside whom. Only names that some rule speaks of are counted, so a list without rules costs nothing."""

    beside: dict[str, dict[str, int]] = field(default_factory=dict)
    apart: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet, needs: Sequence[Need] = ()) -> Neighbours:
        """Return what is so before a list of needs is placed, ready to count all that their rules speak of."""
        made = cls(_copied(fleet.beside), _copied(fleet.apart))
        for need in needs:
            if need.rules is None:
                continue
            for word in words_of(need):
                made.beside.setdefault(word, {})
            if need.rules.far is not None:
                made.apart.setdefault(need.rules.far, {})
        return made

    @property
    def watches(self) -> bool:
        """Return whether any rule speaks of any task: what is placed must be counted, or may be kept away."""
        return bool(self.beside or self.apart)

    def concerns(self, need: Need) -> bool:
        """Return whether any rule, its own or another's, has a say in where the need goes."""
        return need.rules is not None or (bool(self.apart) and (need.group in self.apart or need.name in self.apart))

    def class_of(self, need: Need) -> tuple[object, ...]:
        """Return what makes two needs alike for these rules; nothing where none has a say."""
        if not self.concerns(need):
            return ()
        rules, kept_off = need.rules, frozenset({need.group, need.name} & self.apart.keys())
        counted_by = need.group if rules is not None and (rules.most is not None or rules.spread is not None) else ""
        return rules, counted_by, kept_off

    def take(self, need: Need, node: str) -> None:
        """Count a need that was placed on a node."""
        for word in {need.group, need.name} & self.beside.keys() if self.beside else ():
            self.beside[word][node] = self.beside[word].get(node, 0) + 1
        if need.rules is not None and need.rules.far is not None:
            there = self.apart[need.rules.far]
            there[node] = there.get(node, 0) + 1

    def admits(self, need: Need, node: str) -> bool:
        """Return whether no rule keeps the need off the node."""
        return self.forbids(need, node) is None

    def forbids(self, need: Need, node: str) -> Code | None:
        """Return the rule that keeps the need off the node, None if none does. Its own seat there counts for none."""
        rules = need.rules
        if rules is not None:
            if rules.most is not None and self.others(need, node) >= rules.most:
                return Code.MAX_PER_NODE
            if rules.near is not None and not self.there(rules.near, node):
                return Code.NEAR
            if rules.far is not None and self.there(rules.far, node):
                return Code.FAR
        if self.apart and any(self.apart.get(word, {}).get(node) for word in (need.group, need.name)):
            return Code.FAR
        return None

    def others(self, need: Need, node: str) -> int:
        """Return how many other tasks of the need's group the node has."""
        return self.there(need.group, node) - (need.seat == node)

    def there(self, word: str, node: str) -> int:
        """Return how many tasks of a name or group the node has."""
        return self.beside.get(word, {}).get(node, 0)


def words_of(need: Need) -> set[str]:
    """Return the names and groups that the need's rules speak of."""
    rules = need.rules
    if rules is None:
        return set()
    own = {need.group} if rules.most is not None or rules.spread is not None else set()
    return own | {word for word in (rules.near, rules.far) if word is not None}


def _copied(counts: Counts) -> dict[str, dict[str, int]]:
    return {word: dict(nodes) for word, nodes in counts.items()}


class Beside:
    """No rule of tasks beside each other keeps the need off the node."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    def admits(self, need: Need, node: Node) -> bool:
        """Return whether the task may be beside those that are there."""
        return self._neighbours.admits(need, node.name)

    def explain(self, need: Need, node: Node) -> tuple[Blocker, ...]:
        """Return which rule is in the way, with names and numbers."""
        code, rules = self._neighbours.forbids(need, node.name), need.rules
        if code is None:
            return ()
        if code is Code.MAX_PER_NODE and rules is not None and rules.most is not None:
            there = self._neighbours.others(need, node.name)
            sentence = f"max_per_node: has {counted(there, 'task')} of {need.group}, at most {rules.most}"
            change = Change(f"one of {need.group} leaves", {"group": need.group, "at_most": rules.most - 1})
            return (Blocker(code, sentence, fits_if=change),)
        if code is Code.NEAR and rules is not None:
            change = Change(f"{rules.near} is there", {"task": rules.near, "node": node.name})
            return (Blocker(code, f"near: {rules.near} is not there", fits_if=change),)
        if rules is not None and rules.far is not None and self._neighbours.there(rules.far, node.name):
            return (
                Blocker(code, f"far: {rules.far} is there", fits_if=Change(f"{rules.far} leaves", {"task": rules.far})),
            )
        own = next(word for word in (need.group, need.name) if self._neighbours.apart.get(word, {}).get(node.name))
        return (Blocker(code, f"far: a task there keeps {own} away", fits_if=Change("that task leaves", {"far": own})),)

    def lacks(self, need: Need, node: Node) -> list[tuple[str, Code]]:
        """Return the rule in the way as a clause that a place follows: ``max_per_node is reached``."""
        code, rules = self._neighbours.forbids(need, node.name), need.rules or NO_RULES
        if code is None:
            return []
        near, far = f"{rules.near} is missing", f"{rules.far or 'a task that keeps it away'} is there, to be far from,"
        clauses = {Code.MAX_PER_NODE: "max_per_node is reached", Code.NEAR: near, Code.FAR: far}
        return [(clauses[code], code)]

    def finding(self, need: Need, nodes: Sequence[Node]) -> Finding | None:
        """Return what is to be said where one rule alone keeps the need off all these nodes; else None."""
        codes = {self._neighbours.forbids(need, node.name) for node in nodes}
        code = codes.pop()
        if codes or code is None:
            return None
        rules, has = need.rules or NO_RULES, "has" if len(nodes) == 1 else "have"
        who = f"{_each(nodes)} {has}"
        if code is Code.MAX_PER_NODE:
            most = rules.most or 0
            sentence = f"{who} {counted(most, 'task')} of {need.group} already; max_per_node allows no more."
            remedy: tuple[str, str | None] = (f"add a node, or let more be on one: --max-per-node {most + 1}", None)
            return Finding(code, sentence, fixes=(remedy,))
        if code is Code.NEAR:
            there = [node for node, count in self._neighbours.beside.get(str(rules.near), {}).items() if count]
            where = f"is on {listed(there)}, which cannot take it" if there else "is on no node"
            cure = f"let {listed(there, link='or')} take tasks again" if there else f"start {rules.near}"
            remedy = (f"{cure}, or run it without near", None)
            return Finding(code, f"Is to be near {rules.near}, which {where}.", fixes=(remedy,))
        return self._kept_apart(rules.far, nodes, who)

    def _kept_apart(self, far: str | None, nodes: Sequence[Node], who: str) -> Finding:
        """Return that a rule of its own, or of those that are there, keeps the need off all these nodes."""
        whom, other = "a task that is to be far from it", "that task"
        if far is not None and all(self._neighbours.there(far, node.name) for node in nodes):
            whom, other = f"{far}, which it is to be far from", far
        elif far is not None:
            whom = "a task that it may not be beside"
        return Finding(Code.FAR, f"{who} {whom}.", fixes=((f"add a node, or stop {other}", None),))


def _each(nodes: Sequence[Node]) -> str:
    if len(nodes) == 1:
        return nodes[0].name
    return "Both nodes that take tasks" if len(nodes) == 2 else f"All {len(nodes)} nodes that take tasks"
