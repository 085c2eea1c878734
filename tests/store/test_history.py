"""The events of one task on a real server: found by what its record names, whatever else has happened."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from manager_api.feed import order
from ormen.events import Event
from ormen.store.agent import AgentStore, Remark
from ormen.store.loops import LoopStore
from tests.store.test_flow import IDS, new, run
from tests.store.test_listing import calls


def remark(agent: AgentStore, count: int, number: int = 0) -> None:
    """Let an agent tell so often of a running task."""
    for at in range(count):
        assert agent.note(Remark(IDS[number], "node-1", 1, event="task.failing", sentence=f"the {at}th check"))


def looked_through(deck: LoopStore, task: str = IDS[0]) -> list[Event]:
    """Return a task's events as they are found among all."""
    return [event for event in deck.events(limit=100_000) if event.task == task]


def forget_names(deck: LoopStore, number: int = 0) -> None:
    """Let a record be as if no event had ever been named in it."""
    assert deck.client.hdel(deck.keys.task(IDS[number]), "events") == 1


def test_a_tasks_events_cost_what_they_are(deck: LoopStore, agent: AgentStore) -> None:
    """Each is read by its own id, and nothing of what happened to others."""
    run(deck, agent, 0)
    run(deck, agent, 1)
    remark(agent, 50, number=1)
    remark(agent, 1)
    before = calls(deck, "xrange"), calls(deck, "xrevrange")
    found = deck.events(task=IDS[0])
    assert [event.type for event in found] == [
        "task.accepted",
        "task.placed",
        "task.received",
        "task.running",
        "task.failing",
    ]
    assert (calls(deck, "xrange") - before[0], calls(deck, "xrevrange") - before[1]) == (5, 0)


def test_all_tasks_of_a_list_find_their_own(deck: LoopStore) -> None:
    """Events that one script writes in the same millisecond are told apart."""
    deck.create([new(number) for number in range(100)], {"spec-1": {"image": "nginx"}})
    assert all([event.task for event in deck.events(task=IDS[n])] == [IDS[n]] for n in range(100))


def plain(deck: LoopStore, agent: AgentStore) -> None:
    """A few events, among others."""
    remark(agent, 3)


def long(deck: LoopStore, agent: AgentStore) -> None:
    """Many more events than a record names."""
    remark(agent, 180)


def trimmed(deck: LoopStore, agent: AgentStore) -> None:
    """The older ones are forgotten, and with them a part of the names."""
    remark(agent, 180)
    deck.client.xtrim(deck.keys.events, maxlen=100, approximate=False)


def unnamed(deck: LoopStore, agent: AgentStore) -> None:
    """A record from before records named events, of which nothing was told since."""
    remark(agent, 3)
    forget_names(deck)


def half_named(deck: LoopStore, agent: AgentStore) -> None:
    """Such a record of which much was told since."""
    remark(agent, 3)
    forget_names(deck)
    remark(agent, 180)


def removed(deck: LoopStore, agent: AgentStore) -> None:
    """No record is left."""
    task = deck.task(IDS[0])
    assert task is not None
    deck.remove(task, force=True)
    agent.confirm(IDS[0], node="node-1")
    assert not deck.client.exists(deck.keys.task(IDS[0]))


LIVES = [plain, long, trimmed, unnamed, half_named, removed]


def asked(every: list[Event], after: str | None, limit: int, node: str | None, newest: bool) -> list[Event]:
    """Return those of a task's events that are asked for."""
    rest = [e for e in every if (after is None or order(e.id) > order(after)) and (node is None or e.node == node)]
    return rest[-limit:] if newest else rest[:limit]


@pytest.mark.parametrize("live", LIVES)
def test_it_makes_no_difference_how_they_are_found(
    deck: LoopStore, agent: AgentStore, live: Callable[[LoopStore, AgentStore], None]
) -> None:
    """From any place, in any number, of any node, from either end: as if all events had been looked through."""
    run(deck, agent, 1)
    run(deck, agent, 0)
    live(deck, agent)
    every = looked_through(deck)
    places = [None, "0", str(every[-1].at_ms), f"{every[-1].at_ms + 1}-0", *(event.id for event in every[::12])]
    for after, limit, node, newest in product(places, (1, 3, 1000), (None, "node-1"), (True, False)):
        found = deck.events(task=IDS[0], after=after, limit=limit, node=node, newest=newest)
        assert found == asked(every, after, limit, node, newest), (after, limit, node, newest)


@pytest.mark.parametrize("live", LIVES)
def test_a_span_of_time_has_its_events(
    deck: LoopStore, agent: AgentStore, live: Callable[[LoopStore, AgentStore], None]
) -> None:
    """Those from its first millisecond to its last, oldest first."""
    run(deck, agent, 0)
    live(deck, agent)
    every = looked_through(deck)
    for first, last in product((0, every[0].at_ms, every[len(every) // 2].at_ms), (every[-2].at_ms, 2**50)):
        wanted = [event for event in every if first <= event.at_ms <= last]
        for newest in (True, False):
            assert deck.events_between(IDS[0], from_ms=first, to_ms=last, newest=newest) == wanted


def test_a_record_names_no_more_than_it_may_hold(deck: LoopStore, agent: AgentStore) -> None:
    """However much happens to a task, its record stays small; the rest stands in the events, and goes with them."""
    run(deck, agent, 0)
    sizes, full = [], 0
    while full < 2 and len(sizes) < 1000:  # more events fit in where many are of one millisecond
        remark(agent, 1)
        sizes.append(len(deck.client.hget(deck.keys.task(IDS[0]), "events")))
        full = sum("before" in fields for _, fields in deck.client.xrange(deck.keys.events))
    assert (full, 300 < max(sizes) < 450) == (2, True)


def test_another_task_of_the_same_id_has_events_of_its_own(deck: LoopStore, agent: AgentStore) -> None:
    """Who was removed is not who comes after with the same id."""
    run(deck, agent, 0)
    removed(deck, agent)
    run(deck, agent, 0)
    story = ["task.accepted", "task.placed", "task.received", "task.running"]
    assert [event.type for event in deck.events(task=IDS[0])] == story
