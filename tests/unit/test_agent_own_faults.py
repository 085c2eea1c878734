"""A fault that no rule foresees costs one look, and never a part of the agent for the rest of its life."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from ormen.errors import StoreUnavailable
from ormen.reasons import Code
from ormen.settings import Settings
from ormen.store.agent import Request
from ormen.store.talks import TalkStore, Wish
from ormen.task import Port, State, Task
from tests.unit.agents import AgentBench
from worker_agent.fake_runtime import Behaviour
from worker_agent.holders import holder_of
from worker_agent.lanes import TIDY, Lanes
from worker_agent.memory import Memory


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass, on an engine that has no image yet."""
    made = AgentBench(settings, behaviour=Behaviour(images=set(), remote=None))
    yield made
    made.close()


def broken(*_: object, **__: object) -> None:
    """Fail as no rule foresees."""
    raise KeyError("nobody thought of it")


def forgotten(bench: AgentBench) -> Task:
    """Return a task under a check and a deadline that runs here, and of which Redis knows nothing any more."""
    task = bench.running(health={"command": ["ok"]}, deadline={"run": "1h"})
    bench.deck.client.delete(bench.deck.keys.task(task.id), bench.deck.keys.spec(task.id))
    bench.deck.client.srem(bench.deck.keys.node_tasks("node-1"), task.id)
    return task


def asked_long_after(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what checks and deadlines ask for when every one of them is due."""
    asked: list[str] = []
    monkeypatch.setattr(bench.agent.lanes, "submit", lambda lane, key, work: asked.append(key))
    bench.agent.probing.step(bench.now + 10_000)
    bench.agent.deadlines.step(bench.now + 10_000)
    return asked


def test_a_pull_that_fails_unforeseen_is_a_refusal_and_the_next_one_is_made(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is told and given back, and no later task waits for a pull that is under way no more."""
    with monkeypatch.context() as patch:
        patch.setattr(bench.runtime, "pull", broken)
        task = bench.running(image="acme/web:1")
    assert (task.state, task.reason and task.reason.code) == (State.PENDING, Code.PULL_UNREACHABLE)
    assert task.reason is not None
    assert "acme/web:1 was not pulled on node-1" in task.reason.sentence
    assert bench.running("next", image="acme/web:1").state is State.RUNNING


def test_the_watcher_outlives_what_it_does_not_understand(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is deaf to its engine judges no exit: the stream is opened again whatever ended it."""
    watcher, opened = bench.agent.watcher, threading.Event()
    watcher.lost()

    def opens() -> None:
        monkeypatch.setattr(watcher, "open", lambda: opened.set() or iter(()))
        broken()

    monkeypatch.setattr(watcher, "open", opens)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    assert opened.wait(10)
    watcher.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_talk_that_fails_unforeseen_says_so_to_its_reader(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the rest of a command of which nothing more will come."""
    talks = TalkStore(bench.settings, bench.deck.client)
    task = bench.running()
    talks.open("t", task, Wish("exec", {"command": ["cat"]}))
    monkeypatch.setattr(bench.runtime, "exec", broken)
    bench.agent.talks.take(Request("t", "talk", task.id, {}))
    bench.agent.lanes.drain()
    (last,) = talks.hear("t", after="0-0", block_ms=1).frames
    assert last.fault == ("AGENT_FAULT", "the agent of node-1 failed at it; its log says why")


def test_a_request_that_fails_unforeseen_is_refused(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked hears it at once, and not after the time that a node has for its answer."""
    said: list[str] = []
    monkeypatch.setattr(bench.runtime, "containers", broken)
    monkeypatch.setattr(bench.agent.station.store, "claim", lambda _: True)
    monkeypatch.setattr(bench.agent.station.store, "answer", lambda _, kind, text, **__: said.append(f"{kind} {text}"))
    bench.agent.requests.take(Request("r", "stats", "", {}))
    bench.agent.lanes.drain()
    assert said == ["error the agent of node-1 failed at it; its log says why"]


def test_what_redis_has_forgotten_is_watched_no_more(bench: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orphan is left as it is: no check of it is made, and the end of its time is not asked for again and again."""
    task = forgotten(bench)
    bench.sync(60)
    assert (task.id in bench.agent.controller.known(), asked_long_after(bench, monkeypatch)) == (True, [])


def test_a_task_without_record_and_container_is_watched_no_more(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone in Redis and in the engine is in nobody's memory either."""
    task = forgotten(bench)
    bench.runtime.remove(task.container_id or "")
    bench.sync(60)
    assert (task.id in bench.agent.controller.known(), asked_long_after(bench, monkeypatch)) == (False, [])


def test_an_inbox_whose_answer_was_lost_makes_the_next_pass_full(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has emptied it, and the answer did not come: what was in it is found among the node's tasks at once."""
    task = bench.submit()
    take = bench.agent.station.store.take

    def lost(node: str, instance: str) -> None:
        take(node, instance)
        raise StoreUnavailable("Redis does not answer in time")

    monkeypatch.setattr(bench.agent.station.store, "take", lost)
    bench.work()
    assert bench.task(task.id).state is State.SCHEDULED
    bench.sync()
    assert bench.task(task.id).state is State.RUNNING


def test_a_lane_outlives_a_host_that_gives_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that could not be made is not counted as one that is there."""
    lanes, start = Lanes(), threading.Thread.start

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    for n in range(2):
        with pytest.raises(RuntimeError):
            lanes.submit(TIDY, f"early {n}", lambda: None)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert lanes.submit(TIDY, "late", lambda: "done").done.wait(10)
    lanes.close()


def test_who_holds_a_port_is_left_out_where_the_host_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """It only words a refusal, and must never cost it."""
    for fault in (psutil.AccessDenied(), PermissionError(), RuntimeError("error while parsing /proc/net/tcp")):

        def net_connections(kind: str, fault: Exception = fault) -> None:
            raise fault

        monkeypatch.setattr(psutil, "net_connections", net_connections)
        assert holder_of(Port(80, 8080, "tcp", "0.0.0.0")) is None


def test_two_threads_may_remember_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each leaves a whole file, and neither takes the other's from under it."""
    memory = Memory(tmp_path / f"{uuid4()}.json")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: memory.save(words="x" * (n % 7) * 1000), range(400)))
    assert set(json.loads(json.dumps(memory.load()))) == {"words"}
    assert caplog.records == []
