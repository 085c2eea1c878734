"""What holds for every fleet and every list of needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ormen.node import Node, NodeState, Resources
from ormen.scheduler.explanation import refuse
from ormen.scheduler.placement import VECTORS_FROM, Fleet, Need, Placement, Refusal, place
from ormen.scheduler.ports import collide
from ormen.scheduler.strategies import STRATEGIES
from ormen.spec import PortSpec
from tests.properties.depth import examples

BINDS = (None, "0.0.0.0", "::", "10.0.0.1", "127.0.0.1")

amounts = st.builds(Resources, st.sampled_from([0, 1, 500, 1000, 4000]), st.integers(0, 4), st.integers(0, 2))
capacities = st.builds(Resources, st.sampled_from([0, 2000, 4000, 9000]), st.integers(0, 9), st.integers(0, 9))
ports = st.builds(
    PortSpec, st.just(80), st.sampled_from([None, None, 8080, 8081, 20001]), st.sampled_from(["tcp", "udp"]),
    st.sampled_from(BINDS),
)  # fmt: skip


@st.composite
def fleets(draw: st.DrawFn, *, most: int = 9) -> Fleet:
    """Fleets with shared engines, labels, all states, and reservations that may exceed what a node has."""
    nodes = []
    for i in range(draw(st.integers(0, most))):
        state = draw(st.sampled_from([NodeState.READY] * 6 + list(NodeState)))
        nodes.append(
            Node(
                f"node-{i}", state, engine=draw(st.sampled_from([f"e{i}", "shared"])),
                labels=draw(st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}])),
                capacity=draw(capacities), reserved=draw(st.one_of(st.just(Resources()), amounts)), used=draw(amounts),
                tasks=draw(st.integers(0, 500)), synced=draw(st.sampled_from([True, True, True, False])),
            )
        )  # fmt: skip
    held = st.dictionaries(
        st.sampled_from(["8080/tcp", "8081/udp", "20001/tcp"]), st.just((("10.0.0.1", "old"),)), max_size=2
    )
    taken = draw(st.dictionaries(st.sampled_from(["e0", "e1", "shared"]), held))
    return Fleet(
        nodes, taken, draw(st.sampled_from(list(STRATEGIES))), pool=range(20000, 20003), turn=draw(st.integers(0, 50)),
        binds={"node-1": "127.0.0.1"}, base=draw(st.sampled_from([None, 1.54])),
    )  # fmt: skip


@st.composite
def lists(draw: st.DrawFn) -> list[Need]:
    """Lists of needs, a few classes many times, with seats, preferences and volumes."""
    names = st.sampled_from([None, None, None, "node-0", "node-1", "node-2", "gone"])
    needs: list[Need] = []
    for _ in range(draw(st.integers(1, 6))):
        kind = Need(
            "", draw(amounts), tuple(draw(st.lists(ports, max_size=2))), draw(st.sampled_from([(), (), ("zone=a",)])),
            strategy=draw(st.sampled_from([None, None, *STRATEGIES])), pinned=draw(names),
        )  # fmt: skip
        for _ in range(draw(st.integers(1, 5))):
            avoid = frozenset(filter(None, [draw(names)]))
            needs.append(replace(kind, key=f"t{len(needs)}", prefer=draw(names), avoid=avoid, seat=None))
    return needs


def placed(answers: Sequence[Placement | Refusal]) -> list[Placement]:
    """Return the placements."""
    return [answer for answer in answers if isinstance(answer, Placement)]


def costs_by_hand(need: Need, fleet: Fleet) -> list[float]:
    """Return E-PVM's cost of every node, written out as in the paper; infinite for what `refuse` says does not fit."""
    base = fleet.base or float(max(1000, len(fleet.nodes)))
    blockers = refuse(need, fleet).blockers
    costs = []
    for node in fleet.nodes:
        total = 0.0
        parts = [astuple(part) for part in (need.resources, node.reserved, node.used, node.capacity)]
        for asked, reserved, used, whole in [*zip(*parts, strict=True), (1, node.tasks, 0, 100)]:
            if whole and not blockers[node.name]:
                before = max(reserved, min(used, whole))
                total += base ** ((before + asked) / whole) - base ** (before / whole)
        costs.append(inf if blockers[node.name] else total)
    return costs


@given(fleets(), lists())
@examples(100)
def test_no_node_is_filled_beyond_its_capacity(fleet: Fleet, needs: list[Need]) -> None:
    """What is placed on a node fits in what was free there."""
    for node in fleet.nodes:
        total = Resources()
        for need, answer in zip(needs, place(needs, fleet), strict=True):
            if isinstance(answer, Placement) and answer.node == node.name:
                total = total + need.resources
                assert total.fits_in(node.free)
                assert node.takes_tasks
                assert need.pinned in (None, node.name)
                assert need.constraints in ((), (f"zone={node.labels.get('zone')}",))


@given(fleets(), lists())
@examples(100)
def test_no_host_port_is_given_twice_on_an_engine(fleet: Fleet, needs: list[Need]) -> None:
    """Not by two nodes that share it, not to a wildcard beside an address, not against what was taken before."""
    engines = {node.name: node.engine for node in fleet.nodes}
    held = [(e, port, bind) for e, taken in fleet.taken.items() for port, pairs in taken.items() for bind, _ in pairs]
    for answer in placed(place(needs, fleet)):
        for port in answer.ports:
            engine, name = engines[answer.node], f"{port.host}/{port.protocol}"
            assert not any(e == engine and n == name and collide(bind, port.bind) for e, n, bind in held)
            held.append((engine, name, port.bind))


@given(fleets(), lists())
@examples(100)
def test_columns_and_lists_answer_the_same(fleet: Fleet, needs: list[Need]) -> None:
    """Nodes, costs to the last bit, runners-up, ports and refusals; and again on a second call."""
    needs = [replace(need, seat=need.prefer) if i % 3 else need for i, need in enumerate(needs)]
    plain = place(needs, fleet, vectors=False)
    assert placed(place(needs, fleet, vectors=True)) == placed(plain)
    for one, other in zip(place(needs, fleet, vectors=True), plain, strict=True):
        if isinstance(one, Refusal) and isinstance(other, Refusal):
            assert (one.reason, one.could_fit, one.fixes) == (other.reason, other.could_fit, other.fixes)
    assert placed(place(needs, fleet, vectors=False)) == placed(plain)


@given(fleets(), lists())
@examples(100)
def test_epvm_takes_the_least_marginal_cost(fleet: Fleet, needs: list[Need]) -> None:
    """The incremental answer is that of the formula worked out anew for every placement."""
    for need in (replace(need, strategy="epvm", prefer=None, avoid=frozenset(), ports=()) for need in needs):
        (answer,) = place([need], fleet)
        costs = costs_by_hand(need, fleet)
        assert isinstance(answer, Placement) is (min(costs, default=inf) < inf)
        if isinstance(answer, Placement):
            index = [node.name for node in fleet.nodes].index(answer.node)
            assert answer.cost == pytest.approx(costs[index]) == pytest.approx(min(costs))
            assert answer.fitted == sum(cost < inf for cost in costs)
            taken = fleet.nodes[index]
            grown = replace(taken, reserved=taken.reserved + need.resources, tasks=taken.tasks + 1)
            turn = index + 1
            fleet = replace(fleet, nodes=[*fleet.nodes[:index], grown, *fleet.nodes[index + 1 :]], turn=turn)


@given(fleets(), lists())
@examples(60)
def test_a_list_is_placed_as_its_needs_one_by_one(fleet: Fleet, needs: list[Need]) -> None:
    """Incremental costs after each placement equal those of a fleet read anew."""
    together = place(needs, fleet)
    for need, answer in zip(needs, together, strict=True):
        (alone,) = place([replace(need, ports=())], fleet)
        if need.ports or any(other.ports for other in needs):
            return
        assert isinstance(alone, type(answer))
        if isinstance(alone, Placement):
            assert alone == answer
            index = [node.name for node in fleet.nodes].index(alone.node)
            node = fleet.nodes[index]
            node = replace(node, reserved=node.reserved + need.resources, tasks=node.tasks + 1)
            fleet = replace(fleet, nodes=[*fleet.nodes[:index], node, *fleet.nodes[index + 1 :]], turn=index + 1)


@given(fleets(), lists())
@examples(100)
def test_every_refusal_names_a_blocker_for_every_node(fleet: Fleet, needs: list[Need]) -> None:
    """Each node has one with a sentence, and the refusal has a sentence that ends."""
    for answer in place(needs, fleet):
        if isinstance(answer, Refusal):
            assert set(answer.blockers) == {node.name for node in fleet.nodes}
            assert all(blocker.sentence for blockers in answer.blockers.values() for blocker in blockers)
            assert all(answer.blockers.values())
            assert answer.reason.sentence.endswith((".", "?"))
            assert answer.could_fit in ("later", "never")
            assert answer.fixes
            assert answer.to_json()["nodes"] is not None


@given(fleets(), lists())
@examples(60)
def test_never_means_not_even_on_an_empty_fleet(fleet: Fleet, needs: list[Need]) -> None:
    """What is refused for ever is refused by the same nodes empty and ready; what is refused for now fits there."""
    empty = replace(
        fleet, taken={},
        nodes=[replace(n, state=NodeState.READY, synced=True, reserved=Resources()) for n in fleet.nodes],
    )  # fmt: skip
    for need, answer in zip(needs, place(needs, fleet), strict=True):
        if isinstance(answer, Refusal) and fleet.nodes:
            (anew,) = place([need], empty)
            assert isinstance(anew, Refusal) is (answer.could_fit == "never")


@given(fleets(), lists(), st.integers(0, 2))
@examples(60)
def test_a_task_with_a_seat_fits_there_and_adds_nothing(fleet: Fleet, needs: list[Need], home: int) -> None:
    """It is placed as on a fleet without its own reservation, and the next need sees the reservation once."""
    if home >= len(fleet.nodes):
        return
    first, node = replace(needs[0], prefer=None, ports=(), strategy=None), fleet.nodes[home]
    holding = replace(node, reserved=node.reserved + first.resources, tasks=node.tasks + 1)
    seated = replace(fleet, nodes=[*fleet.nodes[:home], holding, *fleet.nodes[home + 1 :]])
    (with_seat,), (without,) = place([replace(first, seat=node.name)], seated), place([first], fleet)
    assert isinstance(with_seat, type(without))
    if isinstance(with_seat, Placement):
        assert with_seat == without


def price_by_hand(need: Need, node: Node) -> float:
    """Return what a strategy other than E-PVM says of a node, written out: the lowest is taken."""
    asked, held, used, whole = (astuple(part) for part in (need.resources, node.reserved, node.used, node.capacity))
    after = [(h + a) / w if w else 0.0 for a, h, w in zip(asked, held, whole, strict=True)]
    if need.strategy == "spread":
        return node.tasks + max(after) / 2
    if need.strategy == "binpack":
        return sum((w - h - a) / w if w else 0.0 for a, h, w in list(zip(asked, held, whole, strict=True))[:2]) / 2
    if need.strategy == "greedy":
        return (max(held[0], min(used[0], whole[0])) + asked[0]) / whole[0] if whole[0] else 0.0
    return 0.0


@given(fleets(), lists(), st.sampled_from(["spread", "binpack", "greedy", "roundrobin"]))
@examples(60)
def test_every_strategy_takes_the_least_of_its_own_price(fleet: Fleet, needs: list[Need], strategy: str) -> None:
    """Of the nodes that fit, one with the lowest price; of those to avoid only if no other fits."""
    for need in (replace(need, strategy=strategy, prefer=None) for need in needs):
        (answer,) = place([need], fleet)
        blockers = refuse(need, fleet).blockers
        fitting = [node for node in fleet.nodes if not blockers[node.name]]
        assert isinstance(answer, Placement) is bool(fitting)
        if isinstance(answer, Placement):
            prices = {node.name: price_by_hand(need, node) for node in fitting}
            wished = {name: price for name, price in prices.items() if name not in need.avoid} or prices
            assert answer.node in wished
            assert wished[answer.node] == pytest.approx(min(wished.values()))


@given(fleets(), lists())
@examples(15)
def test_a_fleet_is_placed_alike_below_and_above_the_limit_of_columns(fleet: Fleet, needs: list[Need]) -> None:
    """However many nodes there are, the path that is chosen for them answers as the plain one."""
    copies = VECTORS_FROM // max(1, len(fleet.nodes)) + 1
    nodes = [replace(n, name=f"{n.name}x{i}" if i else n.name) for i in range(copies) for n in fleet.nodes]
    large = replace(fleet, nodes=nodes)
    assert placed(place(needs, large)) == placed(place(needs, large, vectors=False))
