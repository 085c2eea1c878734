"""The picture of the fleet that a process keeps: looks that cross each other, and nodes that go between two steps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from ormen.store.picture import Glance
from ormen.store.scripts import source
from ormen.task import State
from tests.store.test_flow import card, new, ready
from tests.store.test_listing import calls


def names(deck: LoopStore) -> list[str]:
    """The names of a lean look."""
    return [node.name for node in deck.lean_nodes()]


def glance(deck: LoopStore, since: int) -> Glance:
    """What the script says to whoever knows that change."""
    return Glance.of(deck.run("fleet", cluster=deck.cluster(), since=str(since), quiet="60000"))


@pytest.fixture
def fleet(deck: LoopStore, agent: AgentStore) -> LoopStore:
    """A deck that has looked at two ready nodes."""
    for number in (1, 2):
        ready(agent, f"node-{number}", f"engine-{number}")
    assert names(deck) == names(deck) == ["node-1", "node-2"]
    return deck


def test_a_second_look_brings_only_what_has_changed(fleet: LoopStore) -> None:
    """Nothing where nothing has; a node that was marked, and that alone; all after one was forgotten."""
    known = glance(fleet, -1)
    assert (known.whole, len(known.changed)) == (True, 2)
    assert glance(fleet, known.last).changed == []
    fleet.mark_node("node-2", mode="cordoned", by="ann", why=None)
    later = glance(fleet, known.last)
    assert (later.whole, [row.name for row in later.changed]) == (False, ["node-2"])
    fleet.forget_node("node-1")
    assert glance(fleet, later.last).whole
    assert glance(fleet, later.last + 100).whole


def test_of_two_looks_that_cross_the_newer_stands(fleet: LoopStore, agent: AgentStore) -> None:
    """An answer that comes late takes nothing back."""
    picture, known = fleet._picture, glance(fleet, -1)
    late = glance(fleet, known.last - 1)
    fleet.label_node("node-2", {"disk": "ssd"})
    assert fleet.lean_nodes()[1].labels == {"disk": "ssd"}
    seen = picture.take(late, connections=fleet.connections)
    assert seen.nodes[1].labels == {"disk": "ssd"}


def test_to_choose_a_node_those_that_take_no_tasks_are_not_looked_into(fleet: LoopStore, agent: AgentStore) -> None:
    """However many are marked, in trouble or silent, placing asks nothing of them; a look that explains does."""
    ready(agent, "node-3", "engine-3")
    fleet.mark_node("node-2", mode="cordoned", by="ann", why=None)
    fleet.client.zadd(fleet.keys.heartbeats, {"node-3": fleet.now_ms() - 60_000})
    for _ in range(2):
        asked = calls(fleet, "zmscore")
        assert [node.takes_tasks for node in fleet.open_nodes()] == [True, False, False]
        assert calls(fleet, "zmscore") == asked
        assert [node.state.value for node in fleet.lean_nodes()] == ["ready", "cordoned", "lost"]
        assert calls(fleet, "zmscore") == asked + 1
    fleet.mark_node("node-2", mode="active", by="ann", why=None)
    fleet.client.zadd(fleet.keys.heartbeats, {"node-3": fleet.now_ms()})
    assert all(node.takes_tasks for node in fleet.open_nodes())


def test_what_is_stored_brings_a_look(fleet: LoopStore) -> None:
    """A task is stored and the fleet looked at in one question; whoever places it then need not ask again."""
    fleet.mark_node("node-2", mode="cordoned", by="ann", why=None)
    created = fleet.create([new(0)], {"spec-1": {"image": "nginx"}})
    asked = calls(fleet, "evalsha")
    assert [node.takes_tasks for node in fleet.open_nodes(created.look)] == [True, False]
    assert calls(fleet, "evalsha") == asked


@pytest.mark.parametrize("known", [(), ("fleet",), ("create",), ("create", "fleet")])
def test_a_redis_that_has_forgotten_scripts_is_given_them_again(fleet: LoopStore, known: tuple[str, ...]) -> None:
    """That is so after its restart, with whichever of them another process has given it meanwhile."""
    fleet.client.script_flush()
    for verb in known:
        fleet.client.script_load(source(verb))
    created = fleet.create([new(0)], {"spec-1": {"image": "nginx"}})
    assert (created.known, len(fleet.open_nodes(created.look)), fleet.counts()[State.PENDING]) == (frozenset(), 2, 1)


class Held:
    """Holds back the first call of a function until it is let go."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.asked, self.go, self._function = Event(), Event(), function

    def __call__(self, **options: object) -> object:
        """Wait, the first time, and do it."""
        first = not self.asked.is_set()
        self.asked.set()
        assert not first or self.go.wait(20)
        return self._function(**options)


def test_a_node_that_is_forgotten_meanwhile_fails_no_look(
    fleet: LoopStore, agent: AgentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that asks for a node's details goes on with what it saw, though another thread sees the node gone."""
    fleet.mark_node("node-1", mode="cordoned", by="ann", why=None)
    held = Held(fleet.client.pipeline)
    monkeypatch.setattr(fleet.client, "pipeline", held)
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(names, fleet)
        assert held.asked.wait(20)
        fleet.forget_node("node-1")
        assert names(fleet) == ["node-2"]
        held.go.set()
        assert looking.result(20) == ["node-1", "node-2"]


def test_what_joins_is_in_its_place_by_name(fleet: LoopStore, agent: AgentStore) -> None:
    """Natural order holds in a picture that grows."""
    for number in (10, 3):
        agent.join(card(f"node-{number}", f"engine-{number}"))
    assert names(fleet) == ["node-1", "node-2", "node-3", "node-10"]
    assert [node.takes_tasks for node in fleet.lean_nodes()] == [True, True, False, False]


def test_an_emptied_redis_is_another_fleet(fleet: LoopStore, agent: AgentStore) -> None:
    """Changes of another cluster are counted anew, and may have come as far as those that are known."""
    fleet.client.flushdb()
    fleet.cluster()
    for number in (3, 4):
        ready(agent, f"node-{number}", f"engine-{number}")
    fleet.client.hincrby(fleet.keys.revision, "last", 100)
    assert names(fleet) == ["node-3", "node-4"]
