"""Commands in containers when messages, agents and readers fail; the tests that end the agent begin another."""

from __future__ import annotations

import signal
import threading

import pytest

from manager_api import submission
from manager_api.routes import talks as routes
from ormen.client_errors import ClientError
from ormen.client_talk import Talk
from ormen.errors import PolicyForbids
from ormen.policy import Policy
from ormen.store import talks
from ormen.talk import BEGUN, EXIT, OUT
from tests.integration.halls import Hall
from tests.waiting import wait_until

ONCE = ["sh", "-c", "echo x >> /ran; sleep 1; wc -l < /ran; rm /ran"]
"""Says how many times it was run."""


def test_a_command_whose_message_is_lost_runs_once(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any ring the agent finds the request by itself, and runs it once."""
    monkeypatch.setattr(submission, "ring_node", lambda *_: None)
    assert hall.client.exec("web", ONCE).text == "1\n"


def test_a_command_whose_message_is_doubled_runs_once(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that stands in the inbox three times, each with its ring, is run once."""
    ring = submission.ring_node

    def three_times(deck: submission.Deck, node: str, names: list[str]) -> None:
        known = hall.harbour.store.client.keys(f"{deck.store.keys.request('*')}")
        for _ in range(3):
            for key in known:
                hall.harbour.store.client.rpush(deck.store.keys.inbox(node), f"?{key.rpartition(':')[2]}")
            ring(deck, node, names)

    monkeypatch.setattr(submission, "ring_node", three_times)
    assert hall.client.exec("web", ONCE).text == "1\n"


def test_a_request_that_is_repeated_runs_once(hall: Hall) -> None:
    """The same id sent again, as after a lost answer, is the same command; another's id is refused."""
    body = {"id": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", "command": ONCE}
    api = hall.api.app.test_client()
    first, second = (api.post("/v1/tasks/web/exec", json=body) for _ in range(2))
    assert (first.status_code, second.status_code, first.get_json()) == (201, 201, second.get_json())
    said = [frame.data for frame in Talk(hall.client._transport, first.get_json()).frames() if frame.kind == OUT]
    assert said == [b"1\n"]
    assert api.post("/v1/tasks/web/exec", json={**body, "command": ["true"]}).get_json()["code"] == "ID_TAKEN"


def test_a_command_that_no_agent_takes_never_runs(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is frozen is told of as silent, and when it goes on it does not run what was given up."""
    monkeypatch.setattr(routes, "FIRST_ANSWER_S", 0.5)
    process = hall.harbour.nodes[-1].process
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(ClientError, match="nothing was done, and nothing will be") as refusal:
            hall.client.exec("web", ["touch", "/late"])
    finally:
        process.send_signal(signal.SIGCONT)
    assert refusal.value.code == "NODE_SILENT"
    assert hall.client.exec("web", ["ls", "/late"]).exit_code == 1


def test_an_agent_has_no_more_talks_than_it_can_carry(hall: Hall) -> None:
    """The seventeenth command at a time is refused as busy at once, and there is room again when one ends."""
    begun = [hall.client.talk("web", ["sleep", "444"]) for _ in range(16)]
    answer = hall.api.app.test_client().post("/v1/tasks/web/exec", json={"command": ["true"]})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "BUSY")
    assert int(answer.headers["Retry-After"]) > 0
    for talk in begun:
        talk.hang_up()
    assert hall.client.exec("web", ["true"]).exit_code == 0
    hall.gone("sleep 444")


def test_a_reader_that_is_slow_holds_the_command_up(hall: Hall) -> None:
    """What nobody reads is not heaped up: the command waits, Redis keeps little more than a mebibyte."""
    talk = hall.client.talk("web", ["sh", "-c", "head -c 30000000 /dev/zero; echo end"])
    key, redis = f"{hall.harbour.store.keys.talk(talk.document['id'])}:out", hall.harbour.store.client

    def held() -> int:
        # By all of its pieces: from the first few Redis makes half or twice as much where the others have another size.
        return int(redis.memory_usage(key, samples=0) or 0)

    wait_until(lambda: held() > 1_000_000)
    assert max(held() for _ in range(50)) < 2_500_000
    got = b"".join(frame.data for frame in talk.frames() if frame.kind == OUT)
    assert (len(got), got[-4:]) == (30_000_004, b"end\n")


def test_nobody_enters_where_the_policy_says_never(hall: Hall) -> None:
    """`exec: never` in the policy refuses commands, with the rule."""
    mine = hall.api.app.extensions["ormen"]
    before, mine.policy = mine.policy, Policy(exec="never")
    try:
        with pytest.raises(PolicyForbids, match=r"commands in containers \(exec: never\)"):
            hall.client.exec("web", ["true"])
    finally:
        mine.policy = before


def test_a_stopped_agent_ends_its_commands_and_says_so(hall: Hall) -> None:
    """An agent that is stopped in order ends what it carries, and each reader hears why."""
    talk = hall.client.talk("web", ["sleep", "333"])
    wait_until(lambda: hall.inside("sleep 333"))
    threading.Thread(target=hall.harbour.nodes[-1].end, args=(signal.SIGTERM,)).start()
    with pytest.raises(ClientError, match="it was ended: the agent of node-1 was stopped"):
        list(talk.frames())
    hall.gone("sleep 333")
    wait_until(lambda: hall.harbour.nodes[-1].process.poll() is not None)
    hall.harbour.node()


def test_a_killed_agent_is_told_of(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 of the agent the reader hears that nobody knows how it goes on; no code is made up."""
    monkeypatch.setattr(talks, "SILENT_MS", 4000)
    talk = hall.client.talk("web", ["sleep", "222"])
    hall.harbour.nodes[-1].end(signal.SIGKILL)
    with pytest.raises(ClientError, match="the agent of node-1 has gone; whether the command goes on"):
        list(talk.frames())
    hall.harbour.node()
    assert [frame.kind for frame in hall.client.talk("web", ["true"]).frames()] == [BEGUN, EXIT]
