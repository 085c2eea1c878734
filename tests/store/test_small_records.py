"""What a record leaves out or shortens, on a real server: nobody reads less, and what was written before is still read."""

from __future__ import annotations

import pytest

from ormen.errors import IdTaken
from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from ormen.task import Port
from tests.store.test_flow import IDS, assign, new, submit

WHOLE = "0123456789abcdef" * 4


def test_a_content_is_known_by_the_first_digits_of_its_digest(deck: LoopStore) -> None:
    """The record has 16 of 64: the same content is the same task, one that differs in those is a conflict."""
    deck.create([new(0, digest=WHOLE)], {"spec-1": {"image": "nginx"}})
    assert deck.client.hget(deck.keys.task(IDS[0]), "digest") == WHOLE[:16]
    assert deck.create([new(0, digest=WHOLE)], {"spec-1": {}}) == {IDS[0]}
    with pytest.raises(IdTaken):
        deck.create([new(0, digest=f"f{WHOLE[1:]}")], {"spec-1": {"image": "nginx"}})


def test_a_whole_digest_of_before_is_compared_whole(deck: LoopStore) -> None:
    """A request that is repeated after an upgrade is the same request, and one of other content is not."""
    submit(deck)
    deck.client.hset(deck.keys.task(IDS[0]), "digest", WHOLE)
    assert deck.create([new(0, digest=WHOLE)], {"spec-1": {}}) == {IDS[0]}
    with pytest.raises(IdTaken):
        deck.create([new(0, digest=f"{WHOLE[:-1]}0")], {"spec-1": {"image": "nginx"}})


@pytest.mark.parametrize("ports", [(), (Port(80, 8080, "tcp", "0.0.0.0"),)], ids=["none", "published"])
def test_the_nodes_address_is_kept_for_ports_alone(deck: LoopStore, agent: AgentStore, ports: tuple[Port, ...]) -> None:
    """A port on every interface answers at the node's address; a task without ports has no use for it."""
    submit(deck)
    assert assign(deck, ports=ports).placed
    assert deck.client.hget(deck.keys.task(IDS[0]), "address") == ("10.0.0.1" if ports else None)
    shown = deck.find(IDS[0]).to_json()["ports"]
    assert [port["address"] for port in shown] == ["10.0.0.1" for _ in ports]
