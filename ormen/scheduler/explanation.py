"""Why no node fits: the first sentence, every blocker of every node, whether room can come, and the remedies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ormen.node import Node
from ormen.reasons import Reason
from ormen.scheduler import sentences
from ormen.scheduler.filters import AMOUNTS, OPEN, WHERE, Filter, HostPorts
from ormen.scheduler.gpus import NamedGpus, could_have
from ormen.scheduler.neighbours import Beside, Neighbours
from ormen.scheduler.ports import PortBook
from ormen.scheduler.values import Blocker, Change, Fleet, Need

CouldFit = Literal["now", "later", "never"]
"""``now``: some node fits. ``later``: room can come. ``never``: no known node could hold it, even when empty."""


class Blockers(Mapping[str, tuple[Blocker, ...]]):
    """Every node's blockers, worked out when looked at: a node that fits has none."""

    def __init__(self, need: Need, fleet: Fleet) -> None:
        self._need = need
        self._nodes = {node.name: node for node in fleet.nodes}
        self._filters = filters(fleet)

    def __getitem__(self, name: str) -> tuple[Blocker, ...]:
        node = self._nodes[name]
        return tuple(blocker for rule in self._filters for blocker in rule.explain(self._need, node))

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


def filters(fleet: Fleet) -> tuple[Filter, ...]:
    """Return every filter, in the order in which tables name blockers."""
    beside = Beside(Neighbours.of(fleet))
    return (OPEN, *WHERE, beside, *AMOUNTS, NamedGpus(fleet.names), HostPorts(PortBook(fleet), dict(fleet.names)))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a need has no node. `fixes` are remedies as (sentence, command or None), the cheapest first."""

    key: str
    reason: Reason
    could_fit: CouldFit
    blockers: Mapping[str, tuple[Blocker, ...]] = field(repr=False)
    fixes: tuple[tuple[str, str | None], ...] = ()
    notes: tuple[str, ...] = ()
    clause: str = ""

    def of(self, need: Need) -> Refusal:
        """Return the same refusal for another task that asks the same."""
        return replace(self, key=need.key)

    def why(self, name: str) -> str:
        """Return the sentence that ``ormen why`` begins with: ``web-4 waits because host port 8080 is …``."""
        return f"{name} waits{self.clause.replace(sentences.NAME, name)}"

    def remedies(self, name: str) -> tuple[tuple[str, str | None], ...]:
        """Return `fixes` for the task of that name."""
        return tuple((sentence.replace(sentences.NAME, name), command) for sentence, command in self.fixes)

    def to_json(self, *, nodes: int | None = None) -> dict[str, Any]:
        """Return the placement part of ``why``; `nodes` keeps that many, those with the fewest blockers."""
        rows = sorted(self.blockers.items(), key=lambda row: len(row[1]))[:nodes] if nodes else self.blockers.items()
        return {
            "code": self.reason.code.value,
            "sentence": self.reason.sentence,
            "could_fit": self.could_fit,
            "nodes": [
                {
                    "node": name,
                    "blockers": [blocker.to_json() for blocker in blockers],
                    "fits_if": [change.to_json() for change in fits_if(blockers)],
                }
                for name, blockers in rows
            ],
            "fixes": [{"sentence": sentence, "command": command} for sentence, command in self.remedies("TASK")],
            "notes": list(self.notes),
        }


def fits_if(blockers: tuple[Blocker, ...]) -> tuple[Change, ...]:
    """Return what together would make the node fit; nothing when one of its blockers cannot be cured."""
    changes = [blocker.fits_if for blocker in blockers if blocker.fits_if]
    return tuple(changes) if len(changes) == len(blockers) else ()


def refuse(need: Need, fleet: Fleet) -> Refusal:
    """Return why `need` has no node in `fleet`. Also right when one fits: then ``could_fit`` is ``now``."""
    blockers = Blockers(need, fleet)
    views = sentences.Views.of(need, fleet, filters(fleet))
    finding = sentences.find(views)
    return Refusal(
        key=need.key,
        reason=Reason(finding.code, finding.sentence),
        could_fit="now" if views.fitting else could_ever(need, fleet),
        blockers=blockers,
        fixes=sentences.fixes(views, finding),
        notes=finding.notes,
        clause=finding.clause or f" because {_clause(finding.sentence)}",
    )


def _clause(sentence: str) -> str:
    """Return a sentence to stand after "because"; one that leaves its subject out gets one."""
    said = f"{sentence[0].lower()}{sentence[1:]}"
    return f"it {said}" if said.startswith(("is ", "needs ")) else said


def could_ever(need: Need, fleet: Fleet) -> CouldFit:
    """Return ``never`` if no known node could hold `need` even when empty and ready; with no nodes, ``later``."""
    if not fleet.nodes:
        return "later"
    empty = PortBook(replace(fleet, taken={}))

    def holds(node: Node) -> bool:
        large = need.resources.fits_in(node.capacity)
        where = all(rule.admits(need, node) for rule in WHERE) and could_have(need, node)
        return large and where and empty.admits(need, node)

    return "later" if any(holds(node) for node in fleet.nodes) else "never"
