"""Choose a node for each need, or say why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from ormen.scheduler.explanation import Refusal, refuse
from ormen.scheduler.ledger import Lane, Ledger
from ormen.scheduler.values import Fleet, Need, Placement

__all__ = ["Fleet", "Need", "Placement", "Refusal", "place"]

VECTORS_FROM = 65
"""Nodes from which columns are faster than lists; below, numpy is not even imported."""


def place(needs: Sequence[Need], fleet: Fleet, *, vectors: bool | None = None) -> list[Placement | Refusal]:
    """Return an answer to each need, in order; each placement counts for the needs after it.

    Equal input gives equal output. No node is filled beyond its capacity and no host port given twice on an
    engine, as far as `fleet` tells; the store's ``assign`` checks it all again. Refusals are explained by the
    fleet as the whole list leaves it. `vectors` chooses the path by hand: both answer the same. Raises ValueError
    for a strategy or a constraint that cannot be read. What is to be near to a later need is refused: see `in_order`.
    """
    if not fleet.nodes:
        return [refuse(need, fleet) for need in needs]
    ledger = Ledger(fleet, needs, vectors=len(fleet.nodes) >= VECTORS_FROM if vectors is None else vectors)
    turn = fleet.turn % len(fleet.nodes)
    answers: list[Placement | None] = []
    for need in needs:
        placed = _place_one(need, ledger, turn)
        answers.append(placed)
        if placed:
            turn = (ledger.index[placed.node] + 1) % len(fleet.nodes)
    return _with_refusals(needs, answers, ledger)


def _place_one(need: Need, ledger: Ledger, turn: int) -> Placement | None:
    lane = ledger.lane(need)
    if need.seat is None:
        found = _choose(need, lane, ledger, turn=turn)
    else:
        with ledger.as_seen_by(need, lane):
            found = _choose(need, lane, ledger, turn=turn)
    if found is None:
        return None
    chosen, cost, fitted, suited, following = found
    nodes = ledger.fleet.nodes
    return Placement(
        key=need.key,
        node=nodes[chosen].name,
        strategy=need.strategy or ledger.fleet.strategy,
        cost=cost,
        fitted=fitted,
        next=tuple((nodes[i].name, price) for i, price in following),
        ports=ledger.take(need, chosen),
        gpus=ledger.lend(need, chosen),
        suited=suited,
    )


Choice = tuple[int, float, int, int | None, tuple[tuple[int, float], ...]]
"""Node index, its cost, how many nodes fit, how many of them are best suited, and the runner-up with its cost."""


def _choose(need: Need, lane: Lane, ledger: Ledger, *, turn: int) -> Choice | None:
    """Return the node: the preferred one if it fits, else the cheapest, of those to avoid only if no other fits."""
    if not lane.fitted:
        return None
    costs, fitted = lane.costs, lane.fitted
    prefer = ledger.index.get(need.prefer or "")
    if prefer is not None and need.prefer not in need.avoid and costs[prefer] < inf:
        chosen, suited = prefer, None
    else:
        chosen, suited = _cheapest(need, lane, ledger, turn=turn)
    cost = float(costs[chosen])
    costs[chosen] = inf
    second, _ = ledger.pick(lane, need, turn)
    following = ((second, float(costs[second])),) if costs[second] < inf else ()
    costs[chosen] = cost
    return chosen, cost, fitted, suited, following


def _cheapest(need: Need, lane: Lane, ledger: Ledger, *, turn: int) -> tuple[int, int | None]:
    costs = lane.costs
    if not need.avoid:
        return ledger.pick(lane, need, turn)
    avoided = [(i, float(costs[i])) for name in need.avoid if (i := ledger.index.get(name)) is not None]
    for i, _ in avoided:
        costs[i] = inf
    best = ledger.pick(lane, need, turn)
    others_fit = costs[best[0]] < inf
    for i, cost in avoided:
        costs[i] = cost
    return best if others_fit else ledger.pick(lane, need, turn)


def _with_refusals(
    needs: Sequence[Need], answers: Sequence[Placement | None], ledger: Ledger
) -> list[Placement | Refusal]:
    """Fill the gaps: nothing gives room while a list is placed, so what was refused is refused at its end, too."""
    if all(answers):
        return [answer for answer in answers if answer]
    fleet = ledger.now()
    known: dict[tuple[object, ...], Refusal] = {}
    filled: list[Placement | Refusal] = []
    for need, answer in zip(needs, answers, strict=True):
        if answer is None:
            where = (need.constraints, need.pinned, need.volume, need.seat and need.key)
            kind = (need.resources, need.ports, need.gpu_ids, *where, ledger.neighbours.class_of(need))
            if kind not in known:
                known[kind] = refuse(need, fleet)
            filled.append(known[kind].of(need))
        else:
            filled.append(answer)
    return filled
