"""Two decks on one Redis, one of them frozen in the middle of its work and woken; and loops that were away for long."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from ormen.client import Client, ClientError
from ormen.task import State
from tests.kills.checks import faults, left_over
from tests.kills.fleet import Fleet, Part, fleet, seconds_until
from tests.kills.flows import Trial, crash, running
from tests.waiting import wait_until

ALL = os.environ.get("ORMEN_KILLS") == "all"
AWAY_S, BACKLOG = (300, 50) if ALL else (2, 10)
"""How long the loops are really away, and how much waits for them then; CI lets the store's own times pass."""
FROZEN_S = 9.0
"""Longer than a node may be silent."""


@pytest.fixture(scope="module")
def decks(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two decks and two nodes."""
    with fleet(tmp_path_factory.mktemp("frozen"), image, decks=2) as made:
        yield made


@pytest.fixture
def cluster(decks: Fleet) -> Iterator[Fleet]:
    """The two decks with n1 alone taking tasks; at the end nothing may be left."""
    decks.store.mark_node("n2", mode="cordoned", by="the test", why=None)
    yield decks
    wake(*decks.parts.values())
    for task in list(decks.client().tasks()):
        decks.client().remove(task["id"], force=True)
    wait_until(lambda: not left_over(decks) and not faults(decks), timeout_s=120)


def wake(*parts: Part) -> None:
    """Let frozen processes go on, and what they had on their lips through."""
    for part in parts:
        part.trap.disarm()
        part.signal(signal.SIGCONT)
        part.trap.thaw()


def freeze_at(cluster: Fleet, **labels: str) -> list[Part]:
    """Let each of these parts freeze at its next command of that name."""
    for name, label in labels.items():
        cluster.parts[name].trap.freeze(label)
    return [cluster.parts[name] for name in labels]


@contextlib.contextmanager
def held_back(part: Part) -> Iterator[None]:
    """Let a part do nothing for a while: two in step may leave every turn to one of them."""
    part.signal(signal.SIGSTOP)
    yield
    part.signal(signal.SIGCONT)


def told(cluster: Fleet) -> set[str]:
    """What was told of nodes."""
    return {event.type for event in cluster.store.events(limit=1_000_000) if event.type.startswith("node.")}


def pids(cluster: Fleet) -> dict[str, object]:
    """The agents' processes."""
    return {node.name: node.facts["pid"] for node in cluster.store.nodes()}


def trial(cluster: Fleet) -> Trial:
    """A task of its own."""
    return Trial(cluster, str(uuid4()))


def asked(cluster: Fleet, task: Trial) -> str:
    """Submit to the first deck with patience; return the id, or why not."""
    slow = Client(f"127.0.0.1:{cluster.parts['api1'].settings.port}", timeout=60)
    try:
        return str(slow.submit([task.spec()])[0]["id"])
    except ClientError as refusal:
        return refusal.code


def test_a_deck_that_was_frozen_does_no_harm(cluster: Fleet) -> None:
    """One deck stops in mid-work for longer than a node may be silent, and wakes: the other has done it all, once."""
    first, second = trial(cluster), trial(cluster)
    running(first)
    answers: list[str] = []
    frozen = freeze_at(cluster, api1="assign", control1="HMGET")
    asking = threading.Thread(target=lambda: answers.append(asked(cluster, second)))
    asking.start()
    with held_back(cluster.parts["control2"]):
        wait_until(lambda: all(part.trap.struck for part in frozen))
    cluster.parts["beat1"].signal(signal.SIGSTOP)
    began = cluster.store.now_ms()
    crash(first)
    cluster.client(2).submit([second.spec()])
    wait_until(lambda: first.runs(2) and second.runs(1) and cluster.store.now_ms() - began > FROZEN_S * 1000)
    wake(*frozen, cluster.parts["beat1"])
    asking.join(20)  # woken, it takes its unanswered command for lost, and says so
    assert answers in ([second.task_id], ["STORE_UNAVAILABLE"])
    wait_until(lambda: not faults(cluster))
    assert (first.runs(2), second.runs(1), "node.lost" in told(cluster)) == (True, True, False)


def test_a_judgement_that_comes_late_takes_nothing(cluster: Fleet) -> None:
    """A deck that is frozen just before it takes a silent node's tasks, and wakes when the node is back, takes none."""
    task, control = trial(cluster), cluster.parts["control1"]
    running(task)
    for name in ("beat1", "beat2", "control2", "n1"):
        cluster.parts[name].signal(signal.SIGSTOP)
    now = cluster.store.now_ms()
    cluster.raw.zadd(cluster.store.keys.heartbeats, {"n1": now - 9000})
    cluster.raw.hset(cluster.store.keys.loops, mapping={"since": now - 9000, "liveness:began": now - 900})
    control.trap.freeze("lose")
    wait_until(lambda: cluster.tick() or control.trap.struck)
    cluster.parts["n1"].signal(signal.SIGCONT)
    wait_until(lambda: cluster.store.node("n1").heartbeat_age_s < 1)
    wake(control)
    woken = cluster.store.now_ms()
    wait_until(lambda: cluster.tick() or cluster.store.loops().get("liveness", 0) > woken)
    assert (task.runs(1), faults(cluster), "node.lost" in told(cluster)) == (True, [], False)


def kill_all(parts: list[Part]) -> None:
    """Kill processes, for as long as nobody starts them."""
    for part in parts:
        part.kill()


def start_all(parts: list[Part]) -> None:
    """Start processes."""
    for part in parts:
        part.start()


def age(cluster: Fleet, by_ms: int) -> None:
    """Let the store remember everything the loops did, and all that waits, as so much longer ago."""
    keys, raw = cluster.store.keys, cluster.raw
    for name, value in raw.hgetall(keys.loops).items():
        raw.hset(keys.loops, name, int(float(value)) - by_ms)
    for task_id, at in raw.zrange(keys.pending, 0, -1, withscores=True):
        raw.zadd(keys.pending, {task_id: at - by_ms})
        raw.hset(keys.task(task_id), "next", int(at - by_ms))


def gather(cluster: Fleet, crashing: list[Trial], fresh: list[Trial]) -> None:
    """Let tasks crash, and others be submitted, while nobody places them."""
    cluster.store.mark_node("n1", mode="cordoned", by="the test", why=None)
    for task in crashing:
        crash(task)
    small = {"cpu": 0.001, "memory": "6MiB", "command": ["sleep", "900"]}
    cluster.client().submit([{**task.spec(), **small} for task in fresh])
    wait_until(lambda: cluster.store.waiting() == len(crashing) + len(fresh), what="for all to wait")
    cluster.store.mark_node("n1", mode="active", by="the test", why=None)


@pytest.mark.timeout(900)
def test_loops_that_were_away_work_off_what_waits_within_3_s(cluster: Fleet) -> None:
    """Five minutes without control and beat: no agent starts anew, nothing moves, and then all that waits is placed."""
    loops = [part for name, part in cluster.parts.items() if name.startswith(("control", "beat"))]
    tasks = [trial(cluster) for _ in range(BACKLOG)]
    calm, crashing = trial(cluster), tasks[: BACKLOG // 5]
    for task in (calm, *crashing):
        running(task)
    before = pids(cluster)
    kill_all(loops)
    began = cluster.store.now_ms()
    gather(cluster, crashing, tasks[len(crashing) :])
    wait_until(lambda: cluster.store.now_ms() - began > AWAY_S * 1000, timeout_s=AWAY_S + 10)
    age(cluster, 0 if ALL else 300_000)
    start_all(loops)
    took_s = seconds_until(lambda: cluster.store.waiting() == 0)
    print(f"{BACKLOG} that waited for {AWAY_S} s: placed {took_s:.2f} s after control and beat were started")
    assert took_s <= 3.0
    assert (pids(cluster), calm.runs(1), "node.lost" in told(cluster)) == (before, True, False)
    wait_until(lambda: all(task.task and task.task.state is State.RUNNING for task in tasks), timeout_s=120)
