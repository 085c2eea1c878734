"""Talks in the store: begun once or never, told once and in order, ended when nobody reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ormen.errors import Conflict, IdTaken, NotRunning, TalkNotFound
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Report
from ormen.store.loops import LoopStore
from ormen.store.talks import Picked, TalkStore, Wish
from ormen.talk import DATA, END, EXIT, OUT, WINDOW, Frame
from ormen.task import State, Task
from tests.key_table import complaints
from tests.store.test_flow import run

WISH = Wish("exec", {"command": ["date", "+%s"]}, by="ann")


@pytest.fixture
def talks(settings: Settings) -> TalkStore:
    """Both sides of talks."""
    return TalkStore.connect(settings, "test-talks")


@pytest.fixture
def task(deck: LoopStore, agent: AgentStore) -> Task:
    """A task that runs on node-1."""
    return run(deck, agent)


def pick(talks: TalkStore, agent: AgentStore, node: str = "node-1") -> Picked | str:
    """Claim the talk ``t`` as node-1's own agent."""
    return talks.pick("t", node=node, instance=agent.client.hget(agent.keys.node("node-1"), "instance"))


def test_a_talk_is_claimed_once(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """The request is in the inbox with its options, the first claim gets them, and the second gets nothing."""
    talks.open("t", task, WISH)
    instance = agent.client.hget(agent.keys.node("node-1"), "instance")
    assert [request.id for request in agent.take("node-1", instance).requests] == ["t"]
    assert pick(talks, agent) == Picked("t", "exec", task.id, 1, {"command": ["date", "+%s"]})
    assert pick(talks, agent) == "TAKEN"
    assert not talks.withdraw("t")


def test_what_is_withdrawn_is_never_claimed(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """Once a user was told that nothing ran, no agent can claim it any more."""
    talks.open("t", task, WISH)
    assert talks.withdraw("t")
    assert pick(talks, agent) == "TAKEN"


def test_what_nobody_waits_for_is_not_begun(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """A deck that died before the claim leaves a request that no agent begins."""
    talks.open("t", task, WISH)
    talks.client.delete(f"{talks.keys.talk('t')}:reader")
    assert pick(talks, agent) == "LEFT"
    assert talks.known("t").state == "withdrawn"


def test_only_the_nodes_own_agent_claims(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """Neither another node nor an instance that was replaced begins it."""
    talks.open("t", task, WISH)
    assert pick(talks, agent, node="node-2") == "GONE"
    assert talks.pick("t", node="node-1", instance="an older one") == "GONE"


def test_a_talk_has_the_fence(talks: TalkStore, deck: LoopStore, agent: AgentStore, task: Task) -> None:
    """A command for one attempt is not run in the next: neither asked for, nor claimed."""
    with pytest.raises(NotRunning):
        talks.open("u", replace(task, attempt=2), WISH)
    talks.open("t", task, WISH)
    agent.report(Report(task.id, "node-1", 1, State.PENDING, release=True))
    assert pick(talks, agent) == "LATE"
    with pytest.raises(NotRunning, match="nothing was done"):
        talks.open("u", task, WISH)


def test_who_asked_stands_in_the_event(talks: TalkStore, deck: LoopStore, agent: AgentStore, task: Task) -> None:
    """The event comes with the claim, so that what never ran is not on record."""
    talks.open("t", task, WISH)
    assert "task.exec" not in [event.type for event in deck.events()]
    pick(talks, agent)
    assert [event.sentence for event in deck.events() if event.type == "task.exec"] == ["date, by ann"]


def test_the_same_is_not_asked_twice(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """The same request under the same id changes nothing; another one under it is refused."""
    talks.open("t", task, WISH)
    pick(talks, agent)
    talks.open("t", task, WISH)
    assert pick(talks, agent) == "TAKEN"
    for other in (Wish("exec", {"command": ["ls"]}, by="ann"), Wish("exec", WISH.options, by="bob")):
        with pytest.raises(IdTaken):
            talks.open("t", task, other)


def test_input_is_told_once_and_in_order(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """Frames that come twice are told once, also in part, and none may be left out."""
    talks.open("t", task, WISH)
    one, two, three = Frame(DATA, b"1"), Frame(DATA, b"2"), Frame(END)
    assert talks.tell("t", 0, [one]) == 1
    assert talks.tell("t", 0, [one, two]) == 2
    assert talks.tell("t", 1, [two]) == 2
    with pytest.raises(Conflict, match="frame 2 is due, not 3"):
        talks.tell("t", 3, [three])
    assert talks.tell("t", 2, [three]) == 3
    assert talks.listen("t", after="0-0", block_ms=10).frames == (one, two, three)


def test_input_that_is_not_taken_is_refused_for_now(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """Beyond the window nothing is told until the agent has taken what there is."""
    talks.open("t", task, WISH)
    large = Frame(DATA, bytes(WINDOW // 2 + 1))
    assert talks.tell("t", 0, [large]) == 1
    assert talks.tell("t", 1, [large]) == 1
    talks.taken("t", talks.listen("t", after="0-0", block_ms=10))
    assert talks.tell("t", 1, [large]) == 2


def test_what_was_read_is_forgotten_and_the_rest_is_not(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """A reading drops what the one before it has received, and the agent hears how far that is."""
    talks.open("t", task, WISH)
    pick(talks, agent)
    first = talks.utter("t", Frame(OUT, b"1"))
    talks.utter("t", Frame(OUT, b"2"))
    again = [talks.hear("t", after="0-0", block_ms=10).frames for _ in range(2)]
    assert again[0] == again[1] == (Frame(OUT, b"1"), Frame(OUT, b"2"))
    assert talks.hear("t", after=first, block_ms=10).frames == (Frame(OUT, b"2"),)
    assert talks.attend("t") == (True, first)
    assert talks.client.xlen(f"{talks.keys.talk('t')}:out") <= 2


def test_a_reader_that_hung_up_does_not_come_back(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """A reading that was still under way when its reader left is no sign of a reader."""
    talks.open("t", task, WISH)
    pick(talks, agent)
    talks.hang_up("t")
    talks.hear("t", after="0-0", block_ms=10)
    assert talks.attend("t")[0] is False


def test_a_talk_leaves_nothing(talks: TalkStore, agent: AgentStore, task: Task) -> None:
    """Every key of a talk is in the table and runs out by itself, at its end as in its middle."""
    talks.open("t", task, WISH)
    pick(talks, agent)
    talks.tell("t", 0, [Frame(DATA, b"x")])
    talks.taken("t", talks.listen("t", after="0-0", block_ms=10))
    talks.hear("t", after=talks.utter("t", Frame(OUT, b"y")), block_ms=10)
    assert complaints(talks.client, talks.settings.prefix) == []
    talks.conclude("t", Frame(EXIT, b"0"))
    assert complaints(talks.client, talks.settings.prefix) == []
    with pytest.raises(TalkNotFound):
        talks.tell("t", 1, [Frame(END)])
