"""One agent on a fake engine and a real store, stepped by the test: no thread, no clock of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ormen.image_pin import pin_id
from ormen.reasons import Code, Reason
from ormen.schema import resolve
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Report
from ormen.store.loops import LoopStore
from ormen.store.orders import Assignment, NewTask
from ormen.task import Port, State, Task
from worker_agent import facts
from worker_agent.agent import Agent, Home, Ways
from worker_agent.fake_runtime import Behaviour, FakeRuntime
from worker_agent.lanes import Lanes
from worker_agent.runtime import Container
from worker_agent.station import Station


class AgentBench:
    """A deck's store, an engine in memory, and the agent between them."""

    def __init__(self, settings: Settings, node: str = "node-1", behaviour: Behaviour | None = None) -> None:
        self.deck = LoopStore.connect(settings, "deck")
        self.settings = settings
        self.node = node
        self.runtime = FakeRuntime(behaviour)
        self.left: list[str] = []
        self.restarts: list[str] = []
        self.wall_offset_ms = 0
        self.agent = self.new_agent()

    def new_agent(self, instance: str = "i1") -> Agent:
        """Return an agent that has just joined, as after its process was killed and started again."""
        store = AgentStore.connect(self.settings, "agent")
        card = replace(facts.card(self.settings, self.runtime.engine(), instance=instance), name=self.node)
        joined = store.join(card)
        station = Station(self.node, instance, joined.cluster, "127.0.0.1", store, self.runtime, wall_ms=self.wall_ms)
        ways = Ways(post_proof=lambda: True, restart=self.restarts.append, leave=self.left.append)
        agent = Agent(station, Lanes(threads=False), ways=ways, home=Home(card, "/", store))
        self._heard = self.runtime.journal.end
        self.now = time.monotonic()
        agent.watcher.open()
        agent.sync.step(self.now)
        return agent

    def wall_ms(self) -> int:
        """Return the host's time, which the test may move."""
        return int(time.time() * 1000) + self.wall_offset_ms

    def submit(self, name: str = "web", *, ports: tuple[Port, ...] = (), node: str | None = None, **spec: Any) -> Task:
        """Store a task and give it to a node."""
        raw = {"image": "busybox", "name": name, **spec}
        task_id = str(uuid4())
        asked = resolve(raw)
        pin = pin_id(task_id, asked.image, pull=asked.pull)
        new = NewTask(task_id, name, task_id, "digest", f"{name}.{task_id[:10]}", asked.resources, pin_id=pin)
        self.deck.create([new], {task_id: raw})
        self.assign(task_id, ports=ports, node=node)
        return self.task(task_id)

    def assign(self, task_id: str, *, ports: tuple[Port, ...] = (), node: str | None = None) -> None:
        """Give a pending task to a node."""
        assignment = Assignment(task_id, node or self.node, "10.0.0.1", ports, {}, "placed")
        result = self.deck.assign([assignment])[0]
        assert result.placed, result

    def lose(self, task: Task) -> None:
        """Let the deck take the task from this node as from a lost one; the agent hears nothing of it."""
        reason = Reason(Code.NODE_LOST, "node-1 is lost.")
        outcome = self.agent.station.store.report(
            Report(task.id, self.node, task.attempt, State.PENDING, reason=reason, release=True)
        )
        assert outcome.accepted

    def join_other(self, name: str) -> None:
        """Let a node of another engine join, whose agent does nothing."""
        store = self.agent.station.store
        store.join(replace(facts.card(self.settings, self.runtime.engine(), instance="o"), name=name, engine="other"))
        store.synced(name, "o", orphans=[])

    def task(self, task_id: str) -> Task:
        """Return the record."""
        found = self.deck.read([task_id])[task_id]
        assert found is not None
        return found

    def container(self, task: Task) -> Container | None:
        """Return the container that has the task's name."""
        return self.runtime.inspect(task.container_name)

    def work(self) -> None:
        """Ring the agent, let it hear the engine, and let all lanes run dry."""
        self.agent.take()
        self.agent.lanes.drain()
        self.hear()

    def hear(self) -> None:
        """Let the agent hear what the engine had to say, and act on it."""
        while self._heard < self.runtime.journal.end:
            self._heard, events = self.runtime.journal.after(self._heard)
            for cluster, event in events:
                if cluster == self.agent.station.cluster:
                    self.agent.watcher.hear(event)
            self.agent.lanes.drain()

    def sync(self, after_s: float = 2.0) -> None:
        """Let the next pass over Docker come."""
        self.now += after_s
        self.agent.sync.step(self.now)
        self.agent.lanes.drain()

    def running(self, name: str = "web", **spec: Any) -> Task:
        """Return a task that runs here."""
        task = self.submit(name, **spec)
        self.work()
        return self.task(task.id)

    def close(self) -> None:
        """Close every connection."""
        self.deck.close()
        self.agent.station.store.close()


def events_of(bench: AgentBench, task: Task) -> list[str]:
    """Return the types of a task's events, in order."""
    return [event.type for event in bench.deck.events(limit=1000, task=task.id)]
