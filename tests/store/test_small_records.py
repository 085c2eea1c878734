"""What a record shortens, on a real server: nobody reads less, and what was written before is still read."""

from __future__ import annotations

import json

import pytest

from ormen.errors import IdTaken
from ormen.store.agent import AgentStore, Remark, Report
from ormen.store.loops import LoopStore
from ormen.store.orders import Assignment
from ormen.task import Port, State
from tests.store.test_flow import CHOSEN, IDS, assign, new, run, submit

WHOLE = "0123456789abcdef" * 4


def test_a_content_is_known_by_the_first_digits_of_its_digest(deck: LoopStore) -> None:
    """The record has 16 of 64: the same content is the same task, one that differs in those is a conflict."""
    deck.create([new(0, digest=WHOLE)], {"spec-1": {"image": "nginx"}})
    assert deck.client.hget(deck.keys.task(IDS[0]), "digest") == WHOLE[:16]
    assert deck.create([new(0, digest=WHOLE)], {"spec-1": {}}).known == {IDS[0]}
    with pytest.raises(IdTaken):
        deck.create([new(0, digest=f"f{WHOLE[1:]}")], {"spec-1": {"image": "nginx"}})


def test_a_whole_digest_of_before_is_compared_whole(deck: LoopStore) -> None:
    """A request that is repeated after an upgrade is the same request, and one of other content is not."""
    submit(deck)
    deck.client.hset(deck.keys.task(IDS[0]), "digest", WHOLE)
    assert deck.create([new(0, digest=WHOLE)], {"spec-1": {}}).known == {IDS[0]}
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


PLACEMENTS = [
    CHOSEN,
    {"strategy": "binpack", "cost": 0.0, "fitted": 1, "next": []},
    {"strategy": "spread", "cost": 1.2e-07, "fitted": 900, "suited": 3, "next": [
        {"node": "host.example", "cost": 1e20}, {"node": "n_8", "cost": -0.25}]},
]  # fmt: skip


@pytest.mark.parametrize("placement", PLACEMENTS, ids=["one other", "alone", "suited"])
def test_a_placement_is_read_as_it_was_said(deck: LoopStore, agent: AgentStore, placement: dict[str, object]) -> None:
    """What the record holds as a few words is the document that was given, to the byte."""
    submit(deck)
    assert deck.assign([Assignment(IDS[0], "node-1", "10.0.0.1", (), placement, "placed")])[0].placed
    assert json.dumps(deck.find(IDS[0]).placement) == json.dumps(placement)


def test_a_placement_of_before_is_read_until_the_next(deck: LoopStore, agent: AgentStore) -> None:
    """A deck from before writes it as JSON and knows no other; the next attempt has its own alone."""
    submit(deck)
    deck.client.hset(deck.keys.task(IDS[0]), mapping={"placement": json.dumps(PLACEMENTS[2]), "chosen": "epvm 0.1 1"})
    assert deck.find(IDS[0]).placement == PLACEMENTS[2]
    assert assign(deck).placed
    assert deck.find(IDS[0]).placement == CHOSEN
    assert deck.client.hget(deck.keys.task(IDS[0]), "placement") is None


def test_a_running_tasks_record_is_one_piece_by_redis_own_limits(deck: LoopStore, agent: AgentStore) -> None:
    """No value is longer than the 64 bytes from which a Redis that nobody has set keeps a record as a hash table."""
    task = run(deck, agent)
    record = deck.client.hgetall(deck.keys.task(task.id))
    assert {field for field, value in record.items() if len(value) > 64} == set()


@pytest.mark.parametrize("made", ["0123456789abcdef" * 4, "f" * 64, "0" * 64, "own-3"])
def test_a_containers_id_is_read_as_the_engine_said_it(deck: LoopStore, agent: AgentStore, made: str) -> None:
    """The record and each past attempt hold it shorter, and answer it whole."""
    submit(deck)
    assert assign(deck).placed
    assert agent.note(Remark(IDS[0], "node-1", 1, container_id=made))
    assert agent.report(Report(IDS[0], "node-1", 1, State.RUNNING, container_id=made)).accepted
    assert len(deck.client.hget(deck.keys.task(IDS[0]), "cid")) <= 43
    running = deck.find(IDS[0])
    assert (running.container_id, running.attempts[-1].container_id) == (made, made)
    assert agent.report(Report(IDS[0], "node-1", 1, State.FAILED, exit_code=1)).accepted
    assert deck.find(IDS[0]).attempts[-1].container_id == made


def test_a_whole_containers_id_of_before_is_read(deck: LoopStore, agent: AgentStore) -> None:
    """An agent from before has written all 64 digits."""
    task = run(deck, agent)
    deck.client.hset(deck.keys.task(task.id), "cid", WHOLE)
    found = deck.find(task.id)
    assert (found.container_id, found.attempts[-1].container_id) == (WHOLE, WHOLE)
