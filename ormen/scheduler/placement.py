"""Choose a node for each need, or say why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
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
    answers: list[Placement | None] = []
    for alike in _stretches(needs):
        placed = _place_run(alike, ledger) if len(alike) >= RUN_FROM else []
        answers += placed
        answers += [_place_one(need, ledger) for need in alike[len(placed) :]]
    return _with_refusals(needs, answers, ledger)


_made: Callable[[Iterable[object]], Placement] = partial(tuple.__new__, Placement)
"""Make a placement of all its members, without a look at each."""


def _stretches(needs: Sequence[Need]) -> Iterator[Sequence[Need]]:
    """Yield the needs in order, those together that follow each other and ask the same."""
    begin, first, alone = 0, None, True
    for end, need in enumerate(needs):
        asked = _asked(need)
        if alone or asked != first:
            if end:
                yield needs[begin:end]
            begin, first, alone = end, asked, any(asked[:OWN])
    if needs:
        yield needs[begin:]


OWN = 6
"""The first words of what a need asks, for which it is looked at alone; without them the rest is all that counts."""
_asked = attrgetter(
    "seat", "prefer", "avoid", "ports", "gpu_ids", "rules", "resources", "constraints", "pinned", "strategy"
)


def _place_run(needs: Sequence[Need], ledger: Ledger) -> list[Placement]:
    """Place the first of these needs, which are alike, many at a time; none where that is not quicker."""
    strategy = needs[0].strategy or ledger.fleet.strategy
    chosen, costs, fitted, seconds, prices = ledger.run(needs[0], len(needs))
    names = [node.name for node in ledger.fleet.nodes]
    next_ = [((names[i], price),) if price < inf else () for i, price in zip(seconds, prices, strict=True)]
    keys = [need.key for need in needs[: len(chosen)]]
    nothing = repeat(())
    rows = zip(keys, [names[i] for i in chosen], repeat(strategy), costs, fitted, next_, nothing, nothing, repeat(None))
    return list(map(_made, rows))


def _place_one(need: Need, ledger: Ledger) -> Placement | None:
    lane = ledger.lane(need)
    costs = lane.costs
    if isinstance(costs, SortedCosts) and need.seat is None and need.prefer is None and not need.avoid:
        found = _choose_cheapest(costs, ledger.turn)
    else:
        ledger.refresh(lane)
        with ledger.as_seen_by(need, lane):
            found = _choose(need, lane, ledger)
    if found is None:
        return None
    chosen, cost, fitted, suited, second, price = found
    nodes = ledger.fleet.nodes
    return _made(
        (
            need.key,
            nodes[chosen].name,
            need.strategy or ledger.fleet.strategy,
            cost,
            fitted,
            ((nodes[second].name, price),) if price < inf else (),
            ledger.take(need, chosen),
            ledger.lend(need, chosen),
            suited,
        )
    )


Choice = tuple[int, float, int, int | None, int, float]
"""Node index, its cost, how many nodes fit, how many of them are best suited, and the runner-up with its cost."""


def _choose(need: Need, lane: Lane, ledger: Ledger) -> Choice | None:
    """Return the node: the preferred one if it fits, else the cheapest, of those to avoid only if no other fits."""
    costs, fitted = lane.costs, lane.costs.fitted
    if not fitted:
        return None
    prefer = ledger.index.get(need.prefer or "")
    if prefer is not None and need.prefer not in need.avoid and costs[prefer] < inf:
        chosen, suited = prefer, None
    else:
        chosen, suited = _cheapest(need, lane, ledger)
    cost = costs[chosen]
    costs.move(chosen, inf)
    second, _ = ledger.pick(lane, need)
    price = costs[second]
    costs.move(chosen, cost)
    return chosen, cost, fitted, suited, second, price


def _choose_cheapest(costs: SortedCosts, turn: int) -> Choice | None:
    """Return the cheapest node for a need that neither prefers nor avoids one, as `_choose` would.

    What the node chosen costs from now on is worked out when the class is asked again.
    """
    fitted = costs.fitted
    if not fitted:
        return None
    chosen, cost, second, price = costs.take_lowest(turn)
    return chosen, cost, fitted, None, second, price


def _cheapest(need: Need, lane: Lane, ledger: Ledger) -> tuple[int, int | None]:
    costs = lane.costs
    if not need.avoid:
        return ledger.pick(lane, need)
    avoided = [(i, costs[i]) for name in need.avoid if (i := ledger.index.get(name)) is not None]
    for i, _ in avoided:
        costs.move(i, inf)
    best = ledger.pick(lane, need)
    others_fit = costs[best[0]] < inf
    for i, cost in avoided:
        costs.move(i, cost)
    return best if others_fit else ledger.pick(lane, need)


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
