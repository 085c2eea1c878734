"""The store under any order of its verbs, with late, doubled and forged news, time passing, and a file cut off.

After each step everything is read from Redis by hand (`raw.py`) and held against what must be true at any time.
What a verb refuses must have changed nothing at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis

from ormen.errors import IdTaken, NameTaken, NodeNotFound, NodeTaken, StillRunning, TaskNotFound
from ormen.node import Resources
from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.spec import NO_RULES, Rules
from ormen.store.agent import AgentStore, Heartbeat, NodeCard, Remark, Report
from ormen.store.loops import LoopStore
from ormen.store.orders import Assignment, NewTask, Wait
from ormen.task import PLACED, Port, State, Task
from tests.properties import raw as must
from tests.properties.depth import walks
from tests.properties.raw import PERMITTED, Raw, Record, clash

MIB = 1024**2
CAPACITY = Resources(2000, 2048 * MIB, 10)
NEEDS = [Resources(500, 512 * MIB, 0), Resources(1000, MIB, 5), Resources(2000, 2048 * MIB, 10)]
IDS = [f"7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7{n:02x}" for n in range(6)]
ENGINES = {"node-1": "shared", "node-2": "shared", "node-3": "own"}
SUSPECT_MS, LOST_MS, USELESS_MS, STALLED_MS = 3_000, 8_000, 60_000, 60_000
MARGIN_MS = 500
"""How near to a limit of time the machine draws no conclusion."""

ANY, ONE, OTHER = Port(80, 8080), Port(80, 8080, bind="10.0.0.1"), Port(80, 8080, bind="10.0.0.2")
PORTS = [(), (), (ANY,), (ONE,), (OTHER,), (ONE, OTHER), (Port(80, 8080, "udp"), Port(81, 8081))]

ASKED = [Rules(most=1), Rules(far="db"), Rules(near="db"), NO_RULES]
BESIDE = [("", NO_RULES), ("", NO_RULES), ("db", NO_RULES), *(("web", rules) for rules in ASKED)]

tasks, nodes = st.sampled_from(IDS), st.sampled_from(list(ENGINES))
whiches = st.sampled_from(["now"] * 5 + ["old", "older", "later", "elsewhere"])


def news(target: State, code: Code | None = None, **fields: Any) -> Callable[[str, str, int], Report]:
    """Return a maker of reports of one form."""
    reason = Reason(code, f"{code}.") if code else None
    return lambda task, node, attempt: Report(task, node, attempt, target, reason, **fields)


FORMS = {
    "runs": news(State.RUNNING, container_id="c" * 64),
    "exits": news(State.PENDING, Code.EXIT, exit_code=1, spends=True, delay_ms=1000, delays=1, container_id="d" * 64),
    "exits at once": news(State.PENDING, Code.EXIT, exit_code=1, spends=True, also_started="started"),
    "refuses": news(State.PENDING, Code.PULL_NOT_FOUND, release=True, avoid_ms=600_000, delay_ms=1000, delays=1),
    "interrupted": news(State.PENDING, Code.INTERRUPTED),
    "stopped": news(State.COMPLETED, Code.STOPPED, release=True),
    "done": news(State.COMPLETED, exit_code=0, release=True),
    "done at once": news(State.COMPLETED, exit_code=0, release=True, also_started="started"),
    "fails": news(State.FAILED, Code.EXIT, exit_code=1, release=True, spends=True, log_tail=["oh"]),
    "renewed": news(State.PENDING, Code.RESTARTED),
    "leaves": news(State.PENDING, Code.NODE_DRAINING, release=True, avoid_ms=600_000, delays=0),
    "down": news(State.PENDING, Code.CLUSTER_DOWN, release=True, delay_ms=5000, delays=0),
}


def now_ms() -> int:
    """The time of this host, which is Redis's too."""
    return int(time.time() * 1000)


class Store(RuleBasedStateMachine):
    """Every verb, by every party, at any moment."""

    def __init__(self, deck: LoopStore, agent: AgentStore, plain: Redis) -> None:
        super().__init__()
        self.deck, self.agent, self.redis, self.plain = deck, agent, deck.client, plain
        self.redis.flushdb()
        self.cluster = deck.cluster()
        self.instances: dict[str, list[str]] = {node: [] for node in ENGINES}
        self.fences: dict[str, set[tuple[str, int]]] = {task: set() for task in IDS}
        self.file: dict[str, bytes] | None = None
        self.cut = False
        self.same = False
        self.before = Raw.read(self.redis, deck.settings.prefix)
        self.told = "0-0"
        for node in ENGINES:
            self.join(node, ENGINES[node])
            self.agent.synced(node, self.instances[node][-1], orphans=[])
        self.look()

    @invariant()
    def look(self) -> None:
        """Read everything anew and hold it against what was before and against what must be."""
        self.broken = True
        after, events = Raw.read(self.redis, self.deck.settings.prefix), self._events()
        if self.same:
            assert (after.keys, events) == (self.before.keys, [])
        if not self.cut:
            must.check_story(self.before, after, events)
            must.check_fences(self.before, after)
        must.check(after)
        for task, record in after.tasks.items():
            if record.get("node"):
                self.fences[task].add((record["node"], int(record["attempt"])))
        must.check_looks(self.deck)
        self.before, self.cut, self.same, self.broken = after, False, False, False

    def _events(self) -> list[Record]:
        rows: Any = self.redis.xrange(self.deck.keys.events, f"({self.told}")
        self.told = rows[-1][0] if rows else self.told
        return [must.told(event_id, fields) for event_id, fields in rows]

    def record(self, task: str) -> Record:
        """The record before this step."""
        return self.before.tasks.get(task, {})

    def known(self, task: str) -> Task:
        """What a client has of a task: at least its id and name."""
        found = self.deck.read([task])[task]
        return found or Task(task, "gone", {}, "running", State.PENDING, 0, "c")  # type: ignore[arg-type]

    def fence(self, task: str, which: str) -> tuple[str, int]:
        """A (node, attempt): the record's own, one of its past, or one that never was."""
        node, attempt = self.before.fence(task)
        own = (node or "node-1", int(attempt or 0))
        past = sorted(self.fences[task] - {own})
        if which == "old" and past:
            return past[-1]
        if which == "older" and past:
            return past[0]
        if which == "later":
            return own[0], own[1] + 1
        return ("node-2" if own[0] != "node-2" else "node-3", own[1]) if which == "elsewhere" else own

    def age(self, node: str) -> float:
        """For how long a node has been silent, in ms; negative when nobody knows it."""
        beat = self.before.keys.get("nodes:heartbeats", {}).get(node)
        return now_ms() - beat if beat is not None else -1

    # What users ask.

    @rule(
        ids=st.lists(tasks, min_size=1, max_size=3, unique=True),
        name=st.sampled_from("ab"),
        need=st.sampled_from(NEEDS),
        digest=st.sampled_from("dde"),
        way=st.sampled_from([(None, 50), (None, 80), (0, 50), (3_600_000, 0)]),
    )
    def create(self, ids: list[str], name: str, need: Resources, digest: str, way: tuple[int | None, int]) -> None:
        """Submit one task, or a list that shares spec and pin; `way`: how long they may wait, their priority."""
        names = [name] if len(ids) == 1 else [f"{name}-{IDS.index(task)}" for task in ids]
        pin = min(ids) if digest == "d" else ""
        new = [NewTask(i, n, ids[0], digest, f"c-{i}", need, *way, pin) for i, n in zip(ids, names, strict=True)]
        taken = {n for i, n in zip(ids, names, strict=True) if self.before.keys.get("names", {}).get(n, i) != i}
        try:
            known = self.deck.create(new, {ids[0]: {"image": "nginx"}}).known
        except (IdTaken, NameTaken):
            self.same = True
            assert taken or any(self.record(i) for i in ids)
        else:
            assert known == {i for i in ids if self.record(i)}
            assert all(self.record(i)["digest"] == digest for i in known)
            assert not taken & {n for i, n in zip(ids, names, strict=True) if i not in known}

    @rule(task=tasks)
    def stop(self, task: str) -> None:
        """Want a task stopped."""
        self._ask(lambda: self.deck.stop(self.known(task)), task)

    @rule(task=tasks)
    def restart(self, task: str) -> None:
        """Want a next attempt."""
        self._ask(lambda: self.deck.restart(self.known(task)), task)

    @rule(task=tasks)
    def retry(self, task: str) -> None:
        """Want a next try at once."""
        self._ask(lambda: self.deck.retry(self.known(task)), task)

    @rule(task=tasks, force=st.booleans())
    def remove(self, task: str, force: bool) -> None:
        """Want a record gone."""
        self._ask(lambda: self.deck.remove(self.known(task), force=force), task)

    def _ask(self, verb: Callable[[], object], task: str) -> None:
        try:
            verb()
        except (TaskNotFound, StillRunning, NameTaken):
            self.same = True

    @rule(task=tasks)
    def expire(self, task: str) -> None:
        """End a wait that was too long."""
        record = self.record(task)
        left = int(record.get("until_ms", 2**62)) - now_ms()
        if 0 < left < MARGIN_MS:
            return  # It may be over by the time the script looks.
        over = record.get("state") == "pending" and left <= 0
        self.same = not over
        assert self.deck.expire({task: "It waited too long."}).failed == ((task,) if over else ())

    # What schedulers do.

    @rule(task=tasks, node=nodes, ports=st.sampled_from(PORTS), beside=st.sampled_from(BESIDE))
    def assign(self, task: str, node: str, ports: tuple[Port, ...], beside: tuple[str, Rules]) -> None:
        """Give a task to a node, whatever the scheduler believed."""
        age = self.age(node)
        (given,) = self.deck.assign([Assignment(task, node, "10.0.0.1", ports, {}, "placed", (), *beside)])
        if given.placed:
            must.check_neighbours(self.before, task, node, beside)
        self.same = not given.placed
        if given.code == "OK":
            record, view = self.record(task), self.before.views[node]
            assert (record["state"], record["wanted"]) == ("pending", "running")
            assert (view["mode"], view["synced"], view["lost"], view["trouble"]) == ("active", "1", "0", "-")
            assert age < SUSPECT_MS + MARGIN_MS
            assert not clash(self.before, task, view["engine"], ports)
            assert int(given.detail) == int(record["attempt"]) + 1

    @rule(task=tasks, node=nodes, ports=st.sampled_from(PORTS), need=st.sampled_from(NEEDS))
    def run(self, task: str, node: str, ports: tuple[Port, ...], need: Resources) -> None:
        """Bring a task as far towards running as it comes: the long way round would seldom be drawn."""
        if task not in self.before.tasks:
            self.deck.create([NewTask(task, f"name-{IDS.index(task)}", task, "d", f"c-{task}", need)], {task: {}})
        self.deck.assign([Assignment(task, node, "10.0.0.1", ports, {}, "placed")])
        found = self.known(task)
        self.agent.report(FORMS["runs"](task, found.node or "", found.attempt))

    @rule(task=tasks)
    def defer(self, task: str) -> None:
        """Note why a task waits."""
        reason = Reason(Code.FIT_CPU, "No room.")
        record = self.record(task)
        attempt = int(record.get("attempt", 0))
        self.deck.defer([Wait(task, attempt, reason, "later", 5000)])
        self.same = (record.get("state"), record.get("wanted")) != ("pending", "running")

    # What agents tell.

    @rule(task=tasks, form=st.sampled_from(list(FORMS)), which=whiches, twice=st.booleans())
    def report(self, task: str, form: str, which: str, twice: bool) -> None:
        """Tell of an attempt: this one, an older one, one of another node; once or twice."""
        node, attempt = self.fence(task, which)
        told, record = FORMS[form](task, node, attempt), self.record(task)
        accepted = self.agent.report(told).accepted
        own = (record.get("node"), record.get("attempt")) == (node, str(attempt)) and record.get("wanted") != "removed"
        source = "running" if told.also_started and record.get("state") == "scheduled" else record.get("state", "")
        assert accepted is (own and source in PLACED and (source, told.target.value) in PERMITTED)
        self.same = not accepted
        if twice:
            assert not self.agent.report(told).accepted

    @rule(task=tasks, which=whiches)
    def note(self, task: str, which: str) -> None:
        """Tell a detail."""
        node, attempt = self.fence(task, which)
        accepted = self.agent.note(Remark(task, node, attempt, event="task.pulling", detail="1 of 2"))
        assert accepted is self._is_of(task, node, attempt)
        self.same = not accepted

    @rule(task=tasks, which=whiches, label=st.integers(1, 9))
    def adopt(self, task: str, which: str, label: int) -> None:
        """Take over a container that runs under another attempt's number."""
        node, attempt = self.fence(task, which)
        read = Task(task, "a", {}, "running", State.RUNNING, 0, "c", attempt=attempt, node=node)  # type: ignore[arg-type]
        accepted = self.agent.adopt(read, label=label, container_id="e" * 64).accepted
        assert accepted is self._is_of(task, node, attempt)
        self.same = not accepted

    def _is_of(self, task: str, node: str, attempt: int) -> bool:
        record = self.record(task)
        placed = record.get("wanted") != "removed" and record.get("state") in ("scheduled", "running")
        return placed and (record.get("node"), record.get("attempt")) == (node, str(attempt))

    @rule(task=tasks, node=nodes)
    def confirm(self, task: str, node: str) -> None:
        """Tell that nothing of a task is left on a node."""
        self.agent.confirm(task, node=node)
        record = self.record(task)
        self.same = record.get("seat") == node and record.get("wanted") != "removed"

    @rule(ids=st.lists(tasks, max_size=3))
    def seen(self, ids: list[str]) -> None:
        """Tell that tasks are in hand."""
        self.agent.seen(ids)

    # What becomes of nodes.

    @rule(node=nodes, engine=st.sampled_from([None, None, None, "new"]))
    def join(self, node: str, engine: str | None) -> None:
        """Let an agent start, mostly on the node's own engine."""
        engine, age, view = engine or ENGINES[node], self.age(node), self.before.views.get(node)
        instance = f"{node}#{len(self.instances[node])}"
        address, page = "10.0.0.1", "http://127.0.0.1:5556"
        try:
            self.agent.join(NodeCard(node, instance, address, page, engine, "24", "linux", "amd64", "0", {}, CAPACITY))
        except NodeTaken:
            self.same = True
            assert view
            assert view["engine"] != engine
        else:
            self.instances[node].append(instance)
            assert not view or view["engine"] == engine or view["lost"] == "1" or age > LOST_MS - MARGIN_MS

    @rule(node=nodes, old=st.booleans(), foreign=st.sampled_from([False, False, False, True]), ill=st.booleans())
    def heartbeat(self, node: str, old: bool, foreign: bool, ill: bool) -> None:
        """Let an agent live: the node's own, one that was replaced, or one of another cluster."""
        trouble = Reason(Code.ENGINE_DOWN, "Down.") if ill else None
        cluster = "another" if foreign else self.cluster
        answer = self.agent.heartbeat(
            Heartbeat(node, self._instance(node, old), cluster, CAPACITY, 0.1, trouble=trouble)
        )
        heard = not foreign and node in self.before.views
        assert (answer.known, answer.known and answer.replaced) == (heard, heard and not self._is_current(node, old))
        self.same = not answer.known or answer.replaced

    @rule(node=nodes, old=st.booleans(), verb=st.sampled_from(["take", "synced", "leave"]))
    def tell(self, node: str, old: bool, verb: str) -> None:
        """Take the inbox, report a complete pass, or go: only the instance that is the node may."""
        instance = self._instance(node, old)
        if verb == "take":
            taken = self.agent.take(node, instance)
            inbox = set(self.before.keys.get(f"node:{node}:inbox", []))
            assert {t.id for t in taken.tasks} | set(taken.gone) == (inbox if self._is_current(node, old) else set())
        elif verb == "synced":
            self.agent.synced(node, instance, orphans=["x"])
        else:
            self.agent.leave(node, instance)
        self.same = not self._is_current(node, old)

    def _instance(self, node: str, old: bool) -> str:
        return self.instances[node][0 if old else -1]

    def _is_current(self, node: str, old: bool) -> bool:
        known: str | None = self.before.keys.get(f"node:{node}", {}).get("instance")
        return known == self._instance(node, old)

    @rule(node=nodes, mode=st.sampled_from(["active", "active", "draining", "cordoned"]))
    def mark(self, node: str, mode: str) -> None:
        """Say what a node is for, and take its tasks when it is drained."""
        if node in self.before.views:
            self.deck.mark_node(node, mode=mode, by="ann", why=None)
            if mode == "draining":
                self.deck.drain(node)

    @rule(node=nodes)
    def lose(self, node: str) -> None:
        """Judge a node: only one that is silent or useless for too long loses its tasks."""
        since = int(self.before.keys.get("loops", {}).get("since", 0))
        ill = int(self.before.keys.get(f"node:{node}", {}).get("trouble_since", now_ms()))
        silent = min(self.age(node), now_ms() - since)
        self.deck.lose(node, silent_s=9, code=Code.NODE_LOST, text="Lost.", useless_ms=USELESS_MS)
        self.same = silent < LOST_MS - MARGIN_MS and now_ms() - ill < USELESS_MS - MARGIN_MS

    @rule()
    def unstall(self) -> None:
        """Move the starts of which nothing was heard for long."""
        spoke = self.before.keys.get("scheduled", {})
        moved = self.deck.unstall(IDS, age_ms=STALLED_MS)
        assert {task for task in moved if now_ms() - spoke[task] < STALLED_MS - MARGIN_MS} == set()
        self.same = not moved

    @rule(node=nodes)
    def forget(self, node: str) -> None:
        """Remove a node's record."""
        try:
            self.deck.forget_node(node)
        except (StillRunning, NodeNotFound):
            self.same = True

    @rule()
    def clean_up(self) -> None:
        """Remove ended tasks by age, and keys of what is not there any more."""
        self.deck.prune(self.deck.ended_before(now_ms() - 60_000), why="Old.")
        self.deck.sweep(*self.deck.strays())

    @rule()
    def watch(self) -> None:
        """Let liveness begin its turn: after a gap every node's silence is counted anew."""
        loops = self.before.keys.get("loops", {})
        gap = now_ms() - int(loops.get("liveness:began", 0))
        turn = self.deck.begin("liveness", interval_ms=1000)
        assert gap < 2000 or turn.since_ms > now_ms() - MARGIN_MS
        assert gap > 2000 - MARGIN_MS or turn.since_ms == int(loops["since"])

    # What time and Redis do.

    @rule(seconds=st.sampled_from([1, 5, 10, 70, 700]))
    def wait(self, seconds: int) -> None:
        """Let time pass: whatever was noted was noted so much earlier."""
        ms, keys = seconds * 1000, self.deck.keys
        with self.redis.pipeline() as pipe:
            for key, name in (
                (keys.heartbeats, "nodes:heartbeats"),
                (keys.scheduled, "scheduled"),
                (keys.pending, "pending"),
            ):
                for member in self.before.keys.get(name, {}):
                    pipe.zincrby(key, -ms, member)
            for task in self.before.keys.get("ended", {}):
                pipe.zincrby(keys.ended, -ms, task)
            for task in self.before.keys.get("pending", {}):
                pipe.hincrby(keys.task(task), "next", -ms)
            for name in self.before.keys.get("loops", {}):
                pipe.hincrby(keys.loops, name, -ms)
            for node, fields in self.before.all("node").items():
                if "trouble_since" in fields:
                    pipe.hincrby(keys.node(node), "trouble_since", -ms)
            pipe.execute()

    @rule()
    def save(self) -> None:
        """Let what Redis has in its file be what it holds now."""
        self.file = {name: self.plain.dump(name) for name in self.redis.keys(f"{self.deck.settings.prefix}*")}

    @precondition(lambda self: self.file is not None)
    @rule()
    def lose_the_tail(self) -> None:
        """Let Redis come back with its file, which ends before what everybody else remembers."""
        self.redis.flushdb(), self.deck.rest()
        for name, packed in (self.file or {}).items():
            self.plain.restore(name, 0, packed)
        self.told, self.cut = self.redis.xrevrange(self.deck.keys.events, count=1)[0][0], True

    def teardown(self) -> None:
        """Remove everything; once all agents have confirmed, nothing of any task is left."""
        if self.broken:
            return
        for task in self.before.listed:
            self.deck.remove(self.known(task), force=True)
        for node in self.before.views:
            for task in IDS:
                self.agent.confirm(task, node=node)
        self.look()
        assert self.before.tasks == self.before.all("spec") == self.before.all("engine") == {}
        assert all(view["rcpu"] == view["tasks"] == "0" for view in self.before.views.values())


def test_nothing_breaks_the_store(settings: Settings) -> None:
    """In whatever order verbs come, sums, ports, indexes, events and fences hold, and refusals change nothing."""
    deck, agent = LoopStore.connect(settings, "deck"), AgentStore.connect(settings, "agent")
    plain = Redis.from_url(settings.redis_url)
    run_state_machine_as_test(lambda: Store(deck, agent, plain), settings=walks(60, steps=50))
    for store in (deck, agent, plain):
        store.close()
