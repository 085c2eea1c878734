"""Choose a node for each need, or say why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from operator import attrgetter

from ormen.scheduler.explanation import Refusal, refuse
from ormen.scheduler.ledger import Lane, Ledger
from ormen.scheduler.sorted_costs import SortedCosts
from ormen.scheduler.values import Fleet, Need, Placement

__all__ = ["Fleet", "Need", "Placement", "Refusal", "place"]

VECTORS_FROM = 65
"""Nodes from which columns are faster than lists; below, numpy is not even imported."""

RUN_FROM = 64
"""Needs alike in a row from which they are placed many at a time."""


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
    for alike in _stretches(needs):
        placed: list[Placement | None] = [*_place_run(alike, ledger, turn)]
        for need in alike[len(placed) :]:
            turn = _turn_after(placed, ledger, turn)
            placed.append(_place_one(need, ledger, turn))
        turn = _turn_after(placed, ledger, turn)
        answers += placed
    return _with_refusals(needs, answers, ledger)


def _stretches(needs: Sequence[Need]) -> Iterator[Sequence[Need]]:
    """Yield the needs in order, those together that follow each other and ask the same."""
    begin = 0
    while begin < len(needs):
        asked, end = _asked(needs[begin]), begin + 1
        if not any(asked[:OWN]):
            while end < len(needs) and _asked(needs[end]) == asked:
                end += 1
        yield needs[begin:end]
        begin = end


OWN = 6
"""The first words of what a need asks, for which it is looked at alone; without them the rest is all that counts."""
_asked = attrgetter(
    "seat", "prefer", "avoid", "ports", "gpu_ids", "rules", "resources", "constraints", "pinned", "strategy"
)


def _turn_after(placed: Sequence[Placement | None], ledger: Ledger, turn: int) -> int:
    """Return where ties begin after these: at the node after the one chosen last."""
    last = placed[-1] if placed else None
    return (ledger.index[last.node] + 1) % len(ledger.index) if last else turn


def _place_run(needs: Sequence[Need], ledger: Ledger, turn: int) -> list[Placement]:
    """Place the first of these needs, which are alike, many at a time; none where that is not quicker."""
    if len(needs) < RUN_FROM:
        return []
    nodes, strategy = ledger.fleet.nodes, needs[0].strategy or ledger.fleet.strategy
    picks = ledger.run(needs[0], len(needs), turn)
    names, made = [node.name for node in nodes], Placement._make
    return [
        made(
            (need.key, names[i], strategy, cost, fitted, ((names[second], price),) if price < inf else (), (), (), None)
        )
        for need, (i, cost, fitted, second, price) in zip(needs, picks, strict=False)
    ]


def _place_one(need: Need, ledger: Ledger, turn: int) -> Placement | None:
    lane = ledger.lane(need)
    if need.seat is not None:
        with ledger.as_seen_by(need, lane):
            found = _choose(need, lane, ledger, turn=turn)
    elif isinstance(lane.costs, SortedCosts) and need.prefer is None and not need.avoid:
        found = _choose_cheapest(lane.costs, turn)
    else:
        found = _choose(need, lane, ledger, turn=turn)
    if found is None:
        return None
    chosen, cost, fitted, suited, following = found
    nodes = ledger.fleet.nodes
    return Placement(
        need.key,
        nodes[chosen].name,
        need.strategy or ledger.fleet.strategy,
        cost,
        fitted,
        tuple([(nodes[i].name, price) for i, price in following]),
        ledger.take(need, chosen),
        ledger.lend(need, chosen),
        suited,
    )


Choice = tuple[int, float, int, int | None, tuple[tuple[int, float], ...]]
"""Node index, its cost, how many nodes fit, how many of them are best suited, and the runner-up with its cost."""


def _choose(need: Need, lane: Lane, ledger: Ledger, *, turn: int) -> Choice | None:
    """Return the node: the preferred one if it fits, else the cheapest, of those to avoid only if no other fits."""
    costs, fitted = lane.costs, lane.costs.fitted
    if not fitted:
        return None
    prefer = ledger.index.get(need.prefer or "")
    if prefer is not None and need.prefer not in need.avoid and costs[prefer] < inf:
        chosen, suited = prefer, None
    else:
        chosen, suited = _cheapest(need, lane, ledger, turn=turn)
    cost = costs[chosen]
    costs.move(chosen, inf)
    second, _ = ledger.pick(lane, need, turn)
    following = ((second, costs[second]),) if costs[second] < inf else ()
    costs.move(chosen, cost)
    return chosen, cost, fitted, suited, following


def _choose_cheapest(costs: SortedCosts, turn: int) -> Choice | None:
    """Return the cheapest node for a need that neither prefers nor avoids one, as `_choose` would.

    What the node chosen costs from now on is worked out when the class is asked again.
    """
    fitted = costs.fitted
    if not fitted:
        return None
    chosen, cost, second = costs.take_lowest(turn)
    return chosen, cost, fitted, None, ((second, costs[second]),) if fitted > 1 else ()


def _cheapest(need: Need, lane: Lane, ledger: Ledger, *, turn: int) -> tuple[int, int | None]:
    costs = lane.costs
    if not need.avoid:
        return ledger.pick(lane, need, turn)
    avoided = [(i, costs[i]) for name in need.avoid if (i := ledger.index.get(name)) is not None]
    for i, _ in avoided:
        costs.move(i, inf)
    best = ledger.pick(lane, need, turn)
    others_fit = costs[best[0]] < inf
    for i, cost in avoided:
        costs.move(i, cost)
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
