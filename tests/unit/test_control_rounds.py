"""The long round of a loop: in parts, and nobody is left out."""

from __future__ import annotations

from manager_api.control.rounds import Rounds
from ormen.node import Node, NodeState


def fleet(*tasks: int) -> list[Node]:
    """Nodes with so many tasks."""
    return [Node(f"node-{i}", NodeState.READY, tasks=count) for i, count in enumerate(tasks)]


def names(rounds: Rounds, nodes: list[Node]) -> str:
    """Who has their turn, by number."""
    return "".join(node.name[-1] for node in rounds.some(nodes))


def test_a_small_cluster_is_gone_through_in_each_turn() -> None:
    """Every node once, whatever was last."""
    rounds, nodes = Rounds(100), fleet(5, 0, 7)
    assert names(rounds, nodes) == "012"
    assert sorted(names(rounds, nodes)) == ["0", "1", "2"]
    assert names(rounds, []) == ""


def test_a_large_one_takes_several_turns() -> None:
    """A turn ends with the node that makes it enough; the next goes on behind it, round and round."""
    rounds, nodes = Rounds(10), fleet(6, 6, 1, 30, 2)
    assert [names(rounds, nodes) for _ in range(4)] == ["01", "23", "401", "23"]


def test_a_node_that_went_does_not_stop_the_round() -> None:
    """If the last one is gone, the round begins anew; who is new has a turn."""
    rounds, nodes = Rounds(10), fleet(10, 10, 10)
    assert names(rounds, nodes) == "0"
    assert names(rounds, nodes[1:]) == "1"
    assert names(rounds, nodes) == "2"
