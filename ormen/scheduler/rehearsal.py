"""What `place` would answer, and for a task that only one node can take, what keeps it off another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ormen.reasons import Code
from ormen.scheduler.explanation import Blockers, Refusal
from ormen.scheduler.ledger import Ledger
from ormen.scheduler.placement import VECTORS_FROM, place
from ormen.scheduler.values import Blocker, Fleet, Need, Placement


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One need's answer. `because` says why this node: ``cost 0.041; next node-3, 0.046``; empty for a refusal."""

    answer: Placement | Refusal
    because: str = ""


def rehearse(needs: Sequence[Need], fleet: Fleet) -> list[Rehearsed]:
    """Return each need's answer as `place` gives it, in order, with what speaks for it.

    `fleet.names` must have the names of the needs, too: one may stand in the way of the next.
    """
    answers = place(needs, fleet)
    ledger = Ledger(fleet, needs, vectors=len(fleet.nodes) >= VECTORS_FROM)
    found = []
    for need, answer in zip(needs, answers, strict=True):
        if isinstance(answer, Refusal):
            found.append(Rehearsed(answer))
            continue
        other = "" if answer.next else _other(need, answer, ledger)
        ledger.take(need, ledger.index[answer.node])
        found.append(Rehearsed(answer, _because(answer, other)))
    return found


def _because(answer: Placement, other: str) -> str:
    cost = f"cost {answer.cost:.2g}"
    if answer.next:
        node, price = answer.next[0]
        return f"{cost}; next {node}, {price:.2g}"
    return f"{cost}; {other}" if other else f"{cost}; there is no other node"


def _other(need: Need, answer: Placement, ledger: Ledger) -> str:
    """Return what keeps the task off the first other node that takes tasks, else off the first other."""
    fleet = ledger.now()
    others = sorted((node for node in fleet.nodes if node.name != answer.node), key=lambda node: not node.takes_tasks)
    if not others:
        return ""
    blockers = Blockers(replace(need, seat=None), fleet)[others[0].name]
    return _phrase(others[0].name, blockers[0], fleet) if blockers else ""


def _phrase(node: str, blocker: Blocker, fleet: Fleet) -> str:
    if blocker.code is Code.FIT_PORT and blocker.fits_if:
        port = blocker.sentence.partition(": ")[0]
        holder = str(blocker.fits_if.document.get("task", ""))
        return f"{node} has {port} taken by {fleet.names.get(holder, holder[:8])}" if holder else _plain(node, blocker)
    return _plain(node, blocker)


def _plain(node: str, blocker: Blocker) -> str:
    return f"{node}: {blocker.sentence}"
