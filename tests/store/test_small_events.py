"""What an entry of the stream leaves out, on a real server: its type says it, and each reader hears it."""

from __future__ import annotations

from ormen.store.agent import AgentStore, Report
from ormen.store.loops import LoopStore
from ormen.task import State
from tests.store.test_flow import IDS, run

WAY = [
    ("task.accepted", None, "pending"),
    ("task.placed", "pending", "scheduled"),
    ("task.received", None, None),
    ("task.running", "scheduled", "running"),
    ("task.failed", "running", "failed"),
    ("task.pending", "failed", "pending"),
    ("task.completed", "pending", "completed"),
    ("task.removed", "completed", None),
]


def live(deck: LoopStore, agent: AgentStore) -> None:
    """Let a task run, fail, wait again, complete and go."""
    run(deck, agent)
    assert agent.report(Report(IDS[0], "node-1", 1, State.FAILED, exit_code=1)).accepted
    deck.retry(deck.find(IDS[0]))
    deck.stop(deck.find(IDS[0]))
    deck.remove(deck.find(IDS[0]), force=False)


def test_every_reader_hears_from_where_to_where(deck: LoopStore, agent: AgentStore) -> None:
    """One task's events, all events and those that are followed tell both states of each transition."""
    live(deck, agent)
    for found in (deck.events(task=IDS[0]), deck.events(), deck.follow("0-0", 100)):
        told = [(event.type, event.source, event.target) for event in found if event.task]
        assert told == WAY


def test_entries_have_the_same_fields_and_no_state_that_their_type_says(deck: LoopStore, agent: AgentStore) -> None:
    """The stream keeps the names of fields once for many entries only while all have the same, in the same order."""
    live(deck, agent)
    rows = [fields for _, fields in deck.client.xrange(deck.keys.events)]
    assert {tuple(fields) for fields in rows} == {("type", "task", "name", "attempt", "node", "from", "code", "text")}
    kept = [fields["from"] for fields in rows if fields["task"]]
    assert kept == ["", "", "", "", "running", "failed", "pending", "completed"]


def test_an_entry_of_before_is_read_as_it_says(deck: LoopStore, agent: AgentStore) -> None:
    """It has both states, and they hold."""
    deck.client.xadd(deck.keys.events, {"type": "task.running", "task": IDS[0], "from": "pending", "to": "scheduled"})
    event = deck.events(newest=True, limit=1)[0]
    assert (event.source, event.target) == ("pending", "scheduled")
