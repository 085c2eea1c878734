"""place(): seats, preferences, ports, strategies and costs."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from ormen.node import Node, NodeState, Resources
from ormen.scheduler.placement import Fleet, Need, Placement, Refusal, place
from ormen.scheduler.strategies import LIEB
from ormen.spec import PortSpec
from ormen.task import Port

GIB = 1024**3


def node(name: str, *, cpu: int = 4000, memory: int = 8 * GIB, **more: object) -> Node:
    """Return a ready node with an engine of its own."""
    made = Node(name, NodeState.READY, engine=f"engine-{name}", capacity=Resources(cpu, memory, 100 * GIB))
    return replace(made, **more)  # type: ignore[arg-type]


def need(key: str = "t", **more: object) -> Need:
    """Return a need of one core and one GiB."""
    return replace(Need(key, Resources(1000, GIB, 0)), **more)  # type: ignore[arg-type]


def one(asked: Need, fleet: Fleet) -> Placement:
    """Return the placement of a need that fits."""
    (answer,) = place([asked], fleet)
    assert isinstance(answer, Placement), answer
    return answer


PAIR = (node("node-1"), node("node-2"))


def test_the_seat_counts_as_free_for_its_own_task() -> None:
    """A task whose reservation fills its node fits there, and nobody else does."""
    full = node("node-1", reserved=Resources(4000, 8 * GIB, 0), tasks=1)
    asked = Need("t", Resources(4000, 8 * GIB, 0), seat="node-1")
    assert one(asked, Fleet([full])).node == "node-1"
    assert isinstance(place([replace(asked, seat=None)], Fleet([full]))[0], Refusal)


def test_a_seat_is_not_reserved_twice() -> None:
    """What the seat holds already is not taken again from the next need."""
    half = node("node-1", reserved=Resources(2000, GIB, 0), tasks=1)
    seated = Need("a", Resources(2000, GIB, 0), seat="node-1")
    answers = place([seated, Need("b", Resources(2000, GIB, 0))], Fleet([half]))
    assert [type(answer) for answer in answers] == [Placement, Placement]


def test_a_seat_is_free_for_nobody_else() -> None:
    """A need of the same class is refused before and after the one that has the seat."""
    full = node("node-1", reserved=Resources(4000, 8 * GIB, 0), tasks=1)
    answers = place([need("a"), need("b", seat="node-1"), need("c")], Fleet([full]))
    assert [type(answer) for answer in answers] == [Refusal, Placement, Refusal]


@pytest.mark.parametrize("amount", [Resources(3000, 0, 0), Resources(0, 5 * GIB, 0), Resources(0, 0, 60 * GIB)])
@pytest.mark.parametrize("vectors", [False, True])
def test_each_amount_is_taken_from_the_next_need(amount: Resources, vectors: bool) -> None:
    """Twice more than half does not fit, whichever resource it is."""
    answers = place([Need("a", amount), Need("b", amount)], Fleet([node("node-1")]), vectors=vectors)
    assert [type(answer) for answer in answers] == [Placement, Refusal]


def test_a_task_keeps_its_own_ports_on_its_seat() -> None:
    """Its named port is not taken by itself, and its port of the pool stays the same."""
    taken = {"engine-node-1": {"8080/tcp": (("0.0.0.0", "t"),), "23456/tcp": (("0.0.0.0", "t"),)}}
    asked = need(seat="node-1", ports=(PortSpec(80, 8080), PortSpec(81)))
    assert [port.host for port in one(asked, Fleet([node("node-1")], taken)).ports] == [8080, 23456]


def test_the_preferred_node_is_taken_when_it_fits() -> None:
    """Even where another is cheaper; where it does not fit, the cheapest is taken."""
    busy = node("node-1", reserved=Resources(2000, 4 * GIB, 0))
    assert one(need(prefer="node-1"), Fleet([busy, PAIR[1]])).node == "node-1"
    assert one(need(prefer="node-1"), Fleet([replace(busy, state=NodeState.DRAINING), PAIR[1]])).node == "node-2"


def test_an_avoided_node_is_the_last_resort() -> None:
    """It is taken only when nothing else fits, also if it is preferred."""
    asked = need(avoid=frozenset({"node-1"}), prefer="node-1")
    assert one(asked, Fleet(PAIR)).node == "node-2"
    assert one(asked, Fleet([PAIR[0], replace(PAIR[1], synced=False)])).node == "node-1"


def test_a_pinned_task_goes_nowhere_else() -> None:
    """A volume is only on its node."""
    assert {one(need(pinned="node-2"), Fleet(PAIR, turn=turn)).node for turn in range(4)} == {"node-2"}


@pytest.mark.parametrize("state", [state for state in NodeState if state is not NodeState.READY])
def test_only_ready_nodes_get_tasks(state: NodeState) -> None:
    """Suspect, lost, draining and cordoned nodes get nothing, nor does one that has not synced."""
    assert isinstance(place([need()], Fleet([replace(PAIR[0], state=state)]))[0], Refusal)
    assert isinstance(place([need()], Fleet([replace(PAIR[0], synced=False)]))[0], Refusal)


@pytest.mark.parametrize(
    ("held", "asked", "fits"),
    [("0.0.0.0", "10.0.0.1", False), ("10.0.0.1", "0.0.0.0", False), ("::", "127.0.0.1", False),
     ("10.0.0.1", "::", False), ("10.0.0.1", "127.0.0.1", True), ("10.0.0.1", "10.0.0.1", False)],
)  # fmt: skip
def test_a_wildcard_bind_conflicts_with_every_bind(held: str, asked: str, fits: bool) -> None:
    """Two different addresses share a port; a wildcard shares it with none."""
    taken = {"engine-node-1": {"8080/tcp": ((held, "other"),)}}
    (answer,) = place([need(ports=(PortSpec(80, 8080, bind=asked),))], Fleet([PAIR[0]], taken))
    assert isinstance(answer, Placement) is fits


def test_udp_and_tcp_do_not_meet() -> None:
    """The same number is free for the other protocol."""
    taken = {"engine-node-1": {"53/tcp": (("0.0.0.0", "other"),)}}
    assert one(need(ports=(PortSpec(53, 53, "udp"),)), Fleet([PAIR[0]], taken)).ports == (Port(53, 53, "udp"),)


def test_nodes_on_one_engine_share_its_ports() -> None:
    """The second copy of a port finds no node although one is empty."""
    shared = [replace(each, engine="E") for each in PAIR]
    answers = place([need(str(i), ports=(PortSpec(80, 8080),)) for i in range(2)], Fleet(shared))
    assert [type(answer) for answer in answers] == [Placement, Refusal]


def test_a_port_without_bind_takes_the_node_s() -> None:
    """Under `up` that is the loopback."""
    fleet = Fleet([PAIR[0]], binds={"node-1": "127.0.0.1"})
    assert one(need(ports=(PortSpec(80, 8080),)), fleet).ports == (Port(80, 8080, "tcp", "127.0.0.1"),)


def test_the_pool_gives_each_port_once_and_ends() -> None:
    """Three ports for four tasks: three run, and the fourth is told that the pool is empty."""
    needs = [need(str(i), ports=(PortSpec(80),)) for i in range(4)]
    answers = place(needs, Fleet([PAIR[0]], pool=range(20000, 20003), turn=7))
    assert {port.host for a in answers[:3] if isinstance(a, Placement) for port in a.ports} == {20000, 20001, 20002}
    assert isinstance(answers[3], Refusal)
    assert answers[3].blockers["node-1"][0].sentence == "ports: asks 1 of the pool, 0 free"


def test_epvm_is_the_sum_of_marginal_costs() -> None:
    """Cost by hand: cpu 1/4, memory 1/8, one of a hundred jobs; the base is the number of nodes, and at least 1,000."""
    large = [replace(PAIR[0], name=f"node-{i}", engine=f"engine-{i}") for i in range(1200)]
    for nodes, base in ((PAIR, 1000), (large, 1200)):
        expected = (base**0.25 - 1) + (base**0.125 - 1) + (base**0.01 - 1)
        assert one(need(), Fleet(nodes)).cost == pytest.approx(expected, rel=1e-12)
    assert one(need(), Fleet(PAIR, base=LIEB)).cost == pytest.approx(LIEB**0.25 + LIEB**0.125 + LIEB**0.01 - 3)


def test_epvm_leaves_no_small_node_idle() -> None:
    """Two nodes of each of five sizes, filled to half by small tasks: each has its share, however small it is."""
    sizes = [(2000 << i, 4 << (i + (i > 2))) for i in range(5)] * 2
    nodes = [node(f"n{i}", cpu=cpu, memory=memory * GIB) for i, (cpu, memory) in enumerate(sizes)]
    half = sum(cpu for cpu, _ in sizes) // 2
    answers = place([Need(str(i), Resources(250, GIB // 4)) for i in range(half // 250)], Fleet(nodes))
    used = Counter(answer.node for answer in answers if isinstance(answer, Placement))
    loads = [used[each.name] * 250 / each.capacity.cpu_milli for each in nodes]
    assert min(loads) > 0
    assert max(loads) / (sum(loads) / len(loads)) <= 1.6


def test_epvm_sees_a_busy_host() -> None:
    """Real cpu load counts although nothing is reserved there."""
    busy = node("node-1", used=Resources(3500, GIB, 0))
    assert {one(need(), Fleet([busy, PAIR[1]], turn=turn)).node for turn in (0, 1)} == {"node-2"}


@pytest.mark.parametrize(("strategy", "expected"), [("epvm", "b"), ("spread", "c"), ("binpack", "a"), ("greedy", "b")])
def test_each_strategy_has_its_own_taste(strategy: str, expected: str) -> None:
    """Fullest, fewest tasks, least cpu load, and the cheapest of all."""
    fleet = [
        node("a", reserved=Resources(2000, 6 * GIB, 0), tasks=2),
        node("b", cpu=16000, memory=32 * GIB, reserved=Resources(1000, 2 * GIB, 0), tasks=2),
        node("c", cpu=8000, memory=16 * GIB, reserved=Resources(2000, 4 * GIB, 0), tasks=1),
    ]
    assert one(need(strategy=strategy), Fleet(fleet)).node == expected


def test_roundrobin_goes_around_from_its_turn() -> None:
    """Each placement goes to the next node, skipping those that do not fit."""
    nodes = [node(f"n{i}") for i in range(4)]
    nodes[2] = replace(nodes[2], state=NodeState.CORDONED)
    answers = place([need(str(i)) for i in range(5)], Fleet(nodes, strategy="roundrobin", turn=1))
    assert [a.node for a in answers if isinstance(a, Placement)] == ["n1", "n3", "n0", "n1", "n3"]


def test_ties_are_rotated_by_turn() -> None:
    """Two managers with different turns choose different nodes of an empty fleet."""
    assert [one(need(), Fleet(PAIR, turn=turn)).node for turn in range(3)] == ["node-1", "node-2", "node-1"]


def test_a_placement_tells_its_cost_and_the_runner_up() -> None:
    """The JSON is the task's member ``placement``."""
    told = one(need(), Fleet([*PAIR, replace(PAIR[0], name="node-3", reserved=Resources(2000, 0, 0))], turn=1))
    assert told.to_json() == {
        "strategy": "epvm", "cost": 6.07, "fitted": 3, "next": [{"node": "node-1", "cost": 6.07}],
    }  # fmt: skip
    assert told.sentence() == "node-2, cheapest of 3 nodes that fit"


def test_an_unknown_strategy_lists_the_known() -> None:
    """A caller that skipped the schema is told the choices."""
    with pytest.raises(ValueError, match="there are epvm, spread, binpack, greedy, roundrobin"):
        place([need(strategy="random")], Fleet(PAIR))


def test_a_small_fleet_imports_no_numpy() -> None:
    """The command line and small clusters do without its 20 MB."""
    script = (
        "import sys; from ormen.node import Node, NodeState; from ormen.scheduler.placement import *; "
        "place([Need('t')], Fleet([Node('n', NodeState.READY)])); print('numpy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
