"""The quick ways of placing a list answer as the formula does when it is worked out anew for each task and node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ormen.node import Node, NodeState, Resources
from ormen.scheduler import runs as scheduler_runs
from ormen.scheduler import sorted_costs
from ormen.scheduler.filters import AMOUNTS, OPEN, WHERE
from ormen.scheduler.ledger import Ledger
from ormen.scheduler.marginal import Marginal, MarginalCosts
from ormen.scheduler.placement import RUN_FROM, VECTORS_FROM, Fleet, Need, Placement, place
from ormen.scheduler.ranks import Lists
from ormen.scheduler.sorted_costs import LateCosts, SortedCosts
from ormen.scheduler.strategies import STRATEGIES, Load, Scalar, epvm, named
from tests.properties.depth import examples
from tests.properties.test_scheduler_properties import amounts, fleets

Told = tuple[str, float, int, tuple[tuple[str, float], ...]]
"""A node, its cost, how many fitted, and the runner-up with its cost."""

costs = st.sampled_from([0.0, 0.5, 0.5, 1.0, 2.0, inf])


def load_of(nodes: Sequence[Node]) -> Load:
    """Return what the nodes carry, as lists."""
    columns: list[list[int]] = [
        [getattr(getattr(node, of), name) for node in nodes]
        for of in ("capacity", "reserved", "used")
        for name in ("cpu_milli", "memory_bytes", "disk_bytes")
    ]
    columns.append([node.tasks for node in nodes])
    return Load(*columns)


def price(need: Need, node: Node, fleet: Fleet) -> float:
    """Return what the strategy's formula says of one node; infinite where a filter refuses."""
    if not all(rule.admits(need, node) for rule in (OPEN, *WHERE, *AMOUNTS)):
        return inf
    numbers = Load(*(getattr(load_of([node]), name)[0] for name in Load.__slots__))
    base = fleet.base or float(max(1000, len(fleet.nodes)))
    return float(named(need.strategy or fleet.strategy)(numbers, need.resources, base, Scalar()))


def by_formula(needs: Sequence[Need], fleet: Fleet) -> list[Told | None]:
    """Return each need's answer: the least price of all nodes, of equal ones the next after the node chosen last."""
    nodes, turn, told = list(fleet.nodes), fleet.turn, list[Told | None]()
    for need in needs:
        prices = [price(need, node, fleet) for node in nodes]
        fitting = [i for i, cost in enumerate(prices) if cost < inf]
        order = sorted(fitting, key=lambda i: (prices[i], (i - turn) % len(nodes)))
        following = tuple((nodes[i].name, prices[i]) for i in order[1:2])
        told.append((nodes[order[0]].name, prices[order[0]], len(fitting), following) if order else None)
        if order:
            node, turn = nodes[order[0]], order[0] + 1
            nodes[order[0]] = replace(node, reserved=node.reserved + need.resources, tasks=node.tasks + 1)
    return told


def told_by_place(needs: Sequence[Need], fleet: Fleet) -> list[Told | None]:
    """Return the same of `place`."""
    return [
        (answer.node, answer.cost, answer.fitted, answer.next) if isinstance(answer, Placement) else None
        for answer in place(needs, fleet)
    ]


def grown(fleet: Fleet) -> Fleet:
    """Return as many copies of the nodes as it takes for columns."""
    copies = VECTORS_FROM // max(1, len(fleet.nodes)) + 1
    nodes = [replace(node, name=f"{node.name}-{copy}") for copy in range(copies) for node in fleet.nodes]
    return replace(fleet, nodes=nodes)


kinds = st.builds(
    lambda asked, strategy, where: Need("", asked, constraints=where, strategy=strategy),
    amounts, st.sampled_from([None, None, *STRATEGIES]), st.sampled_from([(), (), ("zone=a",)]),
)  # fmt: skip


@given(fleets(most=5), st.lists(st.tuples(kinds, st.integers(1, RUN_FROM + 40)), min_size=1, max_size=3))
@examples(40)
def test_long_runs_are_placed_as_by_the_formula(fleet: Fleet, runs: list[tuple[Need, int]]) -> None:
    """Needs alike in a row, in rounds however small: nodes, costs to the last bit, how many fitted, and runners-up."""
    needs = [replace(kind, key=f"{i}-{copy}") for i, (kind, count) in enumerate(runs) for copy in range(count)]
    fleet = grown(fleet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler_runs, "LEAST", 1)
        assert not fleet.nodes or told_by_place(needs, fleet) == by_formula(needs, fleet)


@given(fleets(), st.lists(kinds, min_size=1, max_size=4), st.lists(st.integers(0, 3), max_size=60), st.booleans())
@examples(60)
def test_classes_in_turn_are_placed_as_by_the_formula(
    fleet: Fleet, classes: list[Need], turns: list[int], large: bool
) -> None:
    """Needs of several classes that take room from each other, on few nodes and on many of which few are in order."""
    needs = [replace(classes[turn % len(classes)], key=str(i)) for i, turn in enumerate(turns)]
    fleet = grown(fleet) if large else fleet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_costs, "FRONT", 3)
        assert not fleet.nodes or told_by_place(needs, fleet) == by_formula(needs, fleet)


@given(
    st.lists(
        st.tuples(st.sampled_from([4000, 9000]), st.integers(0, 9), st.integers(3080, 3199)), min_size=2, max_size=5
    ),
    st.lists(st.sampled_from([Resources(50, 0), Resources(100, 1), Resources(300, 2)]), min_size=20, max_size=150),
    st.sampled_from([None, 1.54, 1000.0]),
)
@examples(40)
def test_nodes_whose_costs_fall_are_placed_on_as_by_the_formula(
    has: list[tuple[int, int, int]], asked: list[Resources], base: float | None
) -> None:
    """Above 3,200 tasks a node's job term is nothing: the node is cheap at once, for every class."""
    nodes = [
        Node(
            f"n{i}", NodeState.READY, engine=f"e{i}", capacity=Resources(cpu, 900), used=Resources(0, busy), tasks=tasks
        )
        for i, (cpu, busy, tasks) in enumerate(has)
    ]
    needs, fleet = [Need(str(i), one) for i, one in enumerate(asked)], Fleet(nodes, base=base)
    assert told_by_place(needs, fleet) == by_formula(needs, fleet)


class Table:
    """Costs by the number of tasks that a node has, each more than `growth` above the one before."""

    growth = 1.0

    def __init__(self, rows: Sequence[Sequence[float]], tasks: list[int]) -> None:
        self.rows, self.tasks = rows, tasks

    def cost(self, i: int) -> float:
        """Return what node `i` costs now."""
        return self.rows[i][self.tasks[i]] if self.tasks[i] < len(self.rows[i]) else inf

    def costs(self, nodes: Sequence[int]) -> list[float]:
        """Return what these cost now."""
        return [self.cost(i) for i in nodes]


steps = st.lists(st.sampled_from([1.5, 2.0, 2.0, 4.0]), min_size=1, max_size=6).map(
    lambda gains: list(accumulate(gains))
)


@given(st.lists(steps, min_size=2, max_size=8), st.data())
@examples(100)
def test_costs_that_are_looked_at_late_answer_as_a_search_through_all(
    rows: list[list[float]], data: st.DataObject
) -> None:
    """Whoever gains tasks meanwhile: the lowest, its cost, the runner-up and how many fit are as the costs are."""
    tasks, short = [0] * len(rows), list[int]()
    table = Table(rows, tasks)
    tested = LateCosts(table.costs(range(len(rows))), Lists(), pricing=table, tasks=tasks, short=short)
    for i, start in data.draw(st.lists(st.tuples(*[st.integers(0, len(rows) - 1)] * 2), max_size=30)):
        tasks[i] += 1
        short += [i] if tasks[i] >= len(rows[i]) else []
        tested.catch_up()
        now = table.costs(range(len(rows)))
        assert tested.fitted == Lists().finite(now)
        if tested.fitted:
            first = Lists().lowest(now, start)
            rest = [inf if one == first else cost for one, cost in enumerate(now)]
            second = Lists().lowest(rest, start)
            assert tested.take_lowest(start)[:2] == (first, now[first])
            assert tested.take_lowest(start)[3] == rest[second]
            assert tested.fitted == 1 or tested.take_lowest(start)[2] == second


@given(st.lists(costs, min_size=1, max_size=12), st.data())
@examples(100)
def test_sorted_costs_answer_as_a_search_through_all(column: list[float], data: st.DataObject) -> None:
    """After each move the lowest is the same, of equal ones the first in turn, and so is how many fit."""
    tested, places = SortedCosts(column[:], Lists()), st.integers(0, len(column) - 1)
    for i, cost, start in data.draw(st.lists(st.tuples(places, costs, places), max_size=30)):
        tested.move(i, cost)
        column[i] = cost
        assert tested.fitted == Lists().finite(column)
        assert tested.lowest(start) == Lists().lowest(column, start)
        if tested.fitted and cost == 2.0:
            chosen = Lists().lowest(column, start)
            assert tested.take_lowest(start)[:2] == (chosen, column[chosen])
            column[chosen] = inf


@given(fleets(), amounts)
@examples(100)
def test_the_marginal_cost_written_out_is_the_formula_s(fleet: Fleet, asked: Resources) -> None:
    """To the last bit, also after the node has changed; infinite where it does not fit. It grows as it says."""
    load, base = load_of(fleet.nodes), fleet.base or float(max(1000, len(fleet.nodes)))
    marginal = Marginal(load, base)
    tested = MarginalCosts(marginal, asked, [True] * len(fleet.nodes))
    for i, node in enumerate(fleet.nodes):
        prices = []
        for tasks in (node.tasks, node.tasks + 1, 3199, 4000):
            load.tasks[i] = tasks
            marginal.forget(i)
            numbers = Load(*(getattr(load, name)[i] for name in Load.__slots__))
            fits = all(rule.admits(Need("", asked), node) for rule in AMOUNTS)
            prices.append(tested.cost(i))
            assert prices[-1] == (epvm(numbers, asked, base, Scalar()) if fits else inf)
            assert not fits or tested.costs([i]) == prices[-1:]
        assert prices[0] == inf or prices[1] > prices[0] + tested.growth


@pytest.mark.parametrize("strategy", ["epvm", "spread", "greedy"])
def test_a_long_list_of_one_class_goes_in_rounds(strategy: str) -> None:
    """A list of one class on many even nodes is placed whole by rounds, which is what makes it quick."""
    has = Resources(4000, 8 * 1024**3, 0)
    nodes = [Node(f"n{i}", NodeState.READY, engine=f"e{i}", capacity=has) for i in range(100)]
    need, fleet = Need("t", Resources(100, 1024**2), strategy=strategy), Fleet(nodes)
    assert len(Ledger(fleet, [need], vectors=True).run(need, 350)[0]) == 350


def test_the_runner_up_among_equal_nodes_is_first_from_the_turn_of_the_choice() -> None:
    """The one idle node comes first; of the others, equal and busier, the first of the fleet would have followed."""
    has, busy = Resources(4000, 8 * 1024**3, 0), Resources(40, 0, 0)
    nodes = [
        Node(f"n{i}", NodeState.READY, engine=f"e{i}", capacity=has, used=Resources() if i == 50 else busy)
        for i in range(100)
    ]
    needs = [Need(str(i), Resources(400)) for i in range(RUN_FROM)]
    first = place(needs, Fleet(nodes))[0]
    assert isinstance(first, Placement)
    assert (first.node, first.next[0][0]) == ("n50", "n0")
