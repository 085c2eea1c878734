"""A whole cluster under any order of everything, and what must be so once it is healed.

Three nodes, two of them on one engine; users, schedulers and agents act one at a time, and an agent may lose its life,
Redis or its engine at any moment of what it does. The store's own invariants are checked after each step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from manager_api import placing, submission
from ormen.errors import OrmenError
from ormen.reasons import Code
from ormen.settings import Settings
from ormen.task import ENDED, State, Task, Wanted
from tests.fundamentals.world import World
from tests.properties.depth import walks
from tests.properties.fates import Clock, Mortal, docker_stop, engine, pause, rm_f
from tests.properties.raw import Raw, check
from worker_agent import docker_args
from worker_agent.fake_runtime import FakeRuntime
from worker_agent.runtime import Container, ContainerPlan

ROUNDS = 40
"""Looks of everybody after which a healed cluster must have come to rest."""
QUIET = 3
"""Looks in a row that change nothing, after which nothing more is to be expected: an exit is judged at the second."""

sailors, engines = st.integers(0, 2), st.integers(0, 1)
picks = st.integers(0, 7)
KINDS: list[dict[str, Any]] = [
    {"restart": "always"},
    {"restart": "on-failure"},
    {"restart": "no"},
    {"restart": "on-failure:1"},
    {"restart": "unless-stopped", "ports": [{"container": 80, "host": 8080}]},
]


class Fleet(RuleBasedStateMachine):
    """Everybody's steps."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__()
        self.world, self.redis, self.plain = world, world.store.client, None
        self.redis.flushdb()
        placing._turn.seed(0)
        self.clock = Clock()
        self.engines = [engine(0, self.clock), engine(1, self.clock)]
        self.world.sailors = self.sailors = [
            Mortal(world.settings, f"node-{n}", self.engines[n // 2], folder=folder, clock=self.clock) for n in range(3)
        ]
        self.tasks: list[Task] = []
        self.asked: set[str] = set()
        self.done: set[str] = set()
        self.crashed: set[str] = set()
        self.foreign = [self._foreigners(runtime) for runtime in self.engines]
        self.file: dict[str, Any] | None = None
        self.was_cut = False
        for sailor in self.sailors:
            sailor.look_at_everything()

    def _foreigners(self, runtime: FakeRuntime) -> dict[str, Container]:
        """Run containers that are nobody's of ours: no labels, another cluster's, one of ours without a record."""
        ours = {
            docker_args.CLUSTER: self.world.store.cluster(),
            docker_args.TASK: "unknown",
            docker_args.NODE: "node-0",
        }
        for number, labels in enumerate(({}, {**ours, docker_args.CLUSTER: "another"}, ours)):
            runtime.start(runtime.create(ContainerPlan(f"foreign-{number}", "x", {"Labels": labels})))
        return dict(runtime.table)

    @invariant()
    def consistent(self) -> None:
        """What is in Redis is sound, and what is not ours is as it was."""
        check(Raw.read(self.redis, self.world.settings.prefix))
        for runtime, foreign in zip(self.engines, self.foreign, strict=True):
            assert {item: runtime.table.get(item) for item in foreign} == foreign

    # Users.

    @rule(kind=st.sampled_from(KINDS))
    def submit(self, kind: dict[str, Any]) -> None:
        """Submit one more task, of which there are never too many for the room there is."""
        name = f"web-{KINDS.index(kind)}"
        try:
            self.tasks.append(self.world.submit(name, id=str(UUID(int=len(self.tasks))), cpu=1, **kind))
        except OrmenError:
            assert any(task.name == name for task in self._listed())

    @rule(pick=picks, verb=st.sampled_from(["stop", "restart", "retry", "remove", "remove"]))
    def ask(self, pick: int, verb: str) -> None:
        """Want something of a task."""
        if self.tasks:
            task = self.tasks[pick % len(self.tasks)]
            try:
                if verb == "remove":
                    submission.remove(self.world.deck, task, force=True)
                else:
                    getattr(submission, verb)(self.world.deck, task)
            except OrmenError:
                return
            if verb == "stop":
                self.asked.add(task.id)

    # Schedulers.

    @rule()
    def hear(self) -> None:
        """Heed the agents' rings."""
        self.world.hear_rings()

    @rule()
    def place(self) -> None:
        """Let the time of every next try have come, and place what waits."""
        waiting = list(self.redis.zrange(self.world.store.keys.pending, 0, -1))
        now = self.world.store.now_ms()
        for task in waiting:
            self.redis.zadd(self.world.store.keys.pending, {task: now})
            self.redis.hset(self.world.store.keys.task(task), "next", now)
        if waiting:
            self.world.loops.place(waiting)

    @rule(number=sailors)
    def lose(self, number: int) -> None:
        """Take the tasks of a node that has been silent."""
        self.world.silence(self.sailors[number].name)
        self.world.loops.liveness()

    @rule(number=sailors)
    def drain(self, number: int) -> None:
        """Want the tasks of a node moved, and let it take others at once."""
        name = self.sailors[number].name
        submission.drain(self.world.deck, name, by="ann", why=None)
        submission.activate(self.world.deck, name, by="ann")

    # Agents.

    @rule(
        number=sailors,
        what=st.sampled_from(["look_into_inbox", "look_into_inbox", "listen", "listen", "pass_over", "beat"]),
        fate=st.sampled_from(["", "", "", "", "dies", "loses_redis", "loses_engine"]),
        moment=st.integers(1, 14),
    )
    def act(self, number: int, what: str, fate: str, moment: int) -> None:
        """Let an agent do something, and maybe something happen to it meanwhile."""
        sailor = self.sailors[number]
        if sailor.alive:
            if fate:
                sailor.crossings.plan(moment, getattr(sailor, fate))
            with sailor.mortal():
                self._do(sailor, what)
            self._notice_engines()

    def _do(self, sailor: Mortal, what: str) -> None:
        if what == "pass_over":
            sailor.agent.sync.step(time.monotonic())
            sailor.agent.lanes.drain()
        else:
            getattr(sailor, what)()

    def _notice_engines(self) -> None:
        """Let agents see that their stream of events has broken."""
        for sailor in self.sailors:
            if sailor.alive and sailor.engine._down and sailor.hears:
                sailor.agent.watcher.lost()

    @rule(number=sailors)
    def kill_agent(self, number: int) -> None:
        """Kill an agent between two of its steps."""
        self.sailors[number].die()

    @rule(number=sailors)
    def start_agent(self, number: int) -> None:
        """Start an agent; without its engine it would go on trying."""
        sailor = self.sailors[number]
        if not sailor.alive and not sailor.engine._down:
            sailor.start()

    @rule(number=sailors)
    def mend_redis(self, number: int) -> None:
        """Give an agent its way to Redis back."""
        self.sailors[number].find_redis()

    # Engines and what runs there.

    @rule(number=engines, restarted=st.booleans())
    def mend_engine(self, number: int, restarted: bool) -> None:
        """Let an engine be in reach again, restarted or not; one that was in reach is restarted."""
        runtime = self.engines[number]
        runtime.go_down()
        self._notice_engines()
        runtime.come_back(restarted=restarted)
        self.foreign[number] = {item: runtime.table[item] for item in self.foreign[number]}
        for sailor in self.sailors:
            if sailor.alive and sailor.engine is runtime:
                sailor.agent.watcher.open()

    @rule(number=engines)
    def lose_engine(self, number: int) -> None:
        """Let an engine be out of reach."""
        self.engines[number].go_down()
        self._notice_engines()

    @rule(number=engines, pick=picks, code=st.sampled_from([0, 0, 1, 137]))
    def exit(self, number: int, pick: int, code: int) -> None:
        """Let a program end by itself."""
        for found in self._one(number, pick):
            (self.crashed if code else self.done).add(str(found.task))
            self.engines[number].exit(found.id, code)

    @rule(number=engines, pick=picks, how=st.sampled_from([rm_f, docker_stop, pause, lambda e, c: e.kill(c.id)]))
    def interfere(self, number: int, pick: int, how: Callable[[FakeRuntime, Container], None]) -> None:
        """Do something to a container behind its agent's back."""
        for found in self._one(number, pick):
            how(self.engines[number], found)

    def _one(self, number: int, pick: int) -> list[Container]:
        running = [found for found in self._ours(self.engines[number]) if found.running]
        return [running[pick % len(running)]] if running else []

    def _ours(self, runtime: FakeRuntime) -> list[Container]:
        known = {task.id for task in self.tasks}
        return [found for found in runtime.table.values() if found.task in known]

    @rule(seconds=st.sampled_from([1, 3, 30, 700]))
    def wait(self, seconds: int) -> None:
        """Let time pass on the hosts."""
        self.clock.now_s += seconds

    # Redis.

    @rule()
    def save(self) -> None:
        """Let what Redis has in its file be what it holds now."""
        names = self.redis.keys(f"{self.world.settings.prefix}*")
        self.file = {name: self._bytes.dump(name) for name in names}

    @precondition(lambda self: self.file is not None)
    @rule()
    def cut_the_tail(self) -> None:
        """Let Redis come back with its file; agents notice that it was away."""
        self.redis.flushdb()
        for name, packed in (self.file or {}).items():
            self._bytes.restore(name, 0, packed)
        self.was_cut = True
        for sailor in self.sailors:
            if sailor.alive:
                sailor.agent.sync.make_full()

    @property
    def _bytes(self) -> Any:
        if self.plain is None:
            from redis import Redis

            self.plain = Redis.from_url(self.world.settings.redis_url)
        return self.plain

    # The end.

    def teardown(self) -> None:
        """Heal everything, let everybody look until nothing changes any more, and compare records with engines."""
        try:
            self._heal()
            self._settle()
            self._compare()
        finally:
            for sailor in self.sailors:
                sailor.store.close()
            if self.plain is not None:
                self.plain.close()

    def _heal(self) -> None:
        for number, runtime in enumerate(self.engines):
            if runtime._down:
                self.mend_engine(number, restarted=False)
            for found in [item for item in runtime.table.values() if item.state == "paused"]:
                pause(runtime, found)
        for sailor in self.sailors:
            sailor.find_redis()
            known = self.redis.hget(self.world.store.keys.node(sailor.name), "instance")
            if not sailor.alive or known != sailor.agent.station.instance:
                sailor.start()  # an agent that hears that it was replaced ends, and is started again

    def _settle(self) -> None:
        before: object = None
        quiet = 0
        for _ in range(ROUNDS):
            self.clock.now_s += 3
            for sailor in self.sailors:
                sailor.beat()
                sailor.look_at_everything()
                sailor.look_into_inbox()
                sailor.listen()
            self.hear()
            self.place()
            states = [(task.id, task.state, task.attempt, task.container_id) for task in self._listed()]
            now = (states, [dict(runtime.table) for runtime in self.engines])
            quiet = quiet + 1 if now == before else 0
            if quiet == QUIET:
                return
            before = now
        raise AssertionError(f"the cluster does not come to rest: {before}")

    def _listed(self) -> list[Task]:
        found = self.world.store.read([task.id for task in self.tasks]).values()
        return [task for task in found if task is not None and task.wanted is not Wanted.REMOVED]

    def _compare(self) -> None:
        self.consistent()
        records = {task.id: task for task in self.world.store.read([t.id for t in self.tasks]).values() if task}
        everywhere = [found for runtime in self.engines for found in self._ours(runtime)]
        for task in records.values():
            assert task.wanted is not Wanted.REMOVED, f"the tombstone of {task.name} is never confirmed"
            running = [found for found in everywhere if found.task == task.id and found.running]
            if task.state in ENDED:
                assert running == []
                self._was_meant(task)
            elif task.state is State.RUNNING:
                assert [(found.id, found.node) for found in running] == [(task.container_id, task.node)]
                assert running[0].attempt <= task.attempt
                assert [found for found in everywhere if found.task == task.id] == running
            else:
                assert self.was_cut, f"{task.name} is {task.state}: {task.reason}"
                assert running == []
                assert task.reason
                assert task.reason.code is Code.PORT_IN_USE  # by a container whose record was in the tail
        left = {found.task for found in everywhere} - records.keys()
        assert not left or self.was_cut, left

    def _was_meant(self, task: Task) -> None:
        """Assert that the task's end was asked for or was its program's own."""
        if task.state is State.FAILED:
            assert task.id in self.crashed
        elif task.reason is None:
            assert task.id in self.done
            assert task.spec["restart"] not in ("always", "unless-stopped")
        else:
            assert task.id in self.asked


def test_whatever_happens_is_put_right(settings: Settings, tmp_path: Path) -> None:
    """Once all is healed, each wanted task runs once and nothing else does; nothing ended that was not meant to."""
    world = World(settings)
    logging.disable()
    run_state_machine_as_test(lambda: Fleet(world, tmp_path), settings=walks(40, steps=50))
    logging.disable(logging.NOTSET)
    world.sailors = []
    world.close()
