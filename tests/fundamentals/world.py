"""A whole cluster in one test: a real store, a real deck, real agents, and engines that exist in memory only.

Nothing happens by itself here. A test says when an agent looks, when a loop ticks and when an engine kills something,
so each page of this course shows one thing at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from manager_api import submission
from manager_api.control.loops import Loops
from manager_api.submission import Deck
from ormen.node import Node
from ormen.policy import Policy
from ormen.reasons import Code
from ormen.ringer import Ringer
from ormen.schema import load_submission
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from ormen.task import Task
from worker_agent import facts
from worker_agent.agent import Agent, Home, Ways
from worker_agent.fake_runtime import Behaviour, FakeRuntime
from worker_agent.lanes import Lanes
from worker_agent.runtime import Container, Engine
from worker_agent.station import Station
from worker_agent.tidying import Keep

GIB = 1024**3


class Sailor:
    """One node: an agent, and the engine it looks after."""

    def __init__(self, settings: Settings, name: str, engine: FakeRuntime) -> None:
        self.settings = replace(settings, node=name)
        self.name = name
        self.engine = engine
        self.rings: list[Sequence[str]] = []
        self.port = 0
        self.agent = self.start()

    def start(self) -> Agent:
        """Start the agent's process, also anew after it was killed; containers know nothing of it."""
        self.store = AgentStore.connect(self.settings, "agent")
        self.store.on_room = self.rings.append
        card = facts.card(self.settings, self.engine.engine(), instance=uuid4().hex)
        cluster = self.store.join(card).cluster
        station = Station(self.name, card.instance, cluster, "127.0.0.1", self.store, self.engine)
        ways = Ways(post_proof=lambda: True, restart=lambda why: None, leave=lambda why: None)
        self.agent = Agent(
            station, Lanes(threads=False), ways=ways, home=Home(card, "/", self.store, keep=Keep.of(self.settings))
        )
        self.agent.watcher.open()
        self.heard = self.engine.journal.end
        self.look_at_everything()
        return self.agent

    def look_into_inbox(self) -> None:
        """Do what a ring asks for."""
        self.agent.take()
        self.agent.lanes.drain()

    def listen(self) -> None:
        """Hear what the engine has to say, and act on it."""
        self.heard, events = self.engine.journal.after(self.heard)
        for cluster, event in events:
            if cluster == self.agent.station.cluster:
                self.agent.watcher.hear(event)
        self.agent.lanes.drain()

    def look_at_everything(self) -> None:
        """Make a full pass: all records of this node, all containers of its engine."""
        self.agent.sync.make_full()
        self.agent.sync.step(time.monotonic())
        self.agent.lanes.drain()

    def beat(self) -> None:
        """Send a heartbeat and heed its answer."""
        self.agent.pulse.due = 0.0
        self.agent.pulse.step(time.monotonic())
        self.agent.lanes.drain()

    def lose_redis(self) -> None:
        """Cut the agent's way to Redis."""
        pool = self.store.client.connection_pool
        self.port, pool.connection_kwargs["port"] = pool.connection_kwargs["port"], 1
        pool.disconnect()
        pool.reset()

    def find_redis(self) -> None:
        """Mend the way to Redis; the agent then looks at everything."""
        pool = self.store.client.connection_pool
        pool.connection_kwargs["port"] = self.port
        pool.reset()
        self.look_at_everything()

    def restart_engine(self) -> None:
        """Let the engine stop and start: its containers show ``Exited (0)``, and the agent finds its stream broken."""
        self.engine.go_down()
        self.agent.watcher.lost()
        self.engine.come_back(restarted=True)
        self.agent.watcher.open()
        self.look_at_everything()

    def container(self, task: Task) -> Container | None:
        """The container that has the task's name on this engine."""
        return self.engine.inspect(task.container_name)


class World:
    """A deck, its loops, and the sailors that a test lets join."""

    def __init__(self, settings: Settings) -> None:
        # Tests share a slow machine: a node is not to fall silent because a test was.
        self.settings = replace(settings, profile="calm", docker_host="unix:///nowhere")
        self.store = LoopStore.connect(self.settings, "deck")
        self.ringer = Ringer(self.store)
        self.deck = Deck(self.store, self.ringer, self.settings, Policy(()))
        self.loops = Loops(self.store, self.ringer, self.settings)
        self.sailors: list[Sailor] = []

    def sailor(
        self,
        name: str = "node-1",
        *,
        cpus: int = 4,
        engine: str | None = None,
        keep_containers: int = 100,
        gpus: str = "none",
        **labels: str,
    ) -> Sailor:
        """Let a node join: `cpus` cores, 8 GiB, `gpus`, and every image already there."""
        about = Engine(engine or f"engine-of-{name}", "27.0", "linux", "amd64", cpus, 8 * GIB, "/")
        given = ",".join(f"{key}={value}" for key, value in labels.items())
        settings = replace(self.settings, node_labels=given, keep_containers=keep_containers, gpus=gpus)
        joined = Sailor(settings, name, FakeRuntime(Behaviour(engine=about)))
        self.sailors.append(joined)
        return joined

    def submit(self, name: str = "web", **spec: Any) -> Task:
        """Do what ``POST /v1/tasks`` does, and return the record of its answer."""
        body = {"name": name, "image": "nginx", **spec}
        items = load_submission(body, policy=self.deck.policy, new_id=lambda: str(uuid4())).items
        return submission.submit(self.deck, items)[0]

    def run(self, name: str = "web", **spec: Any) -> Task:
        """Submit a task and let everybody do their part until it runs."""
        return self.settle(self.submit(name, **spec))

    def settle(self, task: Task) -> Task:
        """Let every agent look, listen and have its news heard, until nobody has anything to say."""
        for _ in range(3):
            for sailor in self.sailors:
                sailor.look_into_inbox()
                sailor.listen()
            self.hear_rings()
        return self.now(task)

    def hear_rings(self) -> None:
        """Do what the agents' rings ask of the control worker: place what is due, or whatever waits for room."""
        for sailor in self.sailors:
            while sailor.rings:
                self.loops.hear(sailor.rings.pop(0))

    def now(self, task: Task) -> Task:
        """The task's record as it is now, also of a removed one."""
        found = self.store.read([task.id])[task.id]
        assert found is not None, f"{task.name} has no record any more"
        return found

    def node(self, name: str) -> Node:
        """What the deck knows of a node."""
        return self.store.node(name)

    def story(self, task: Task) -> list[str]:
        """The types of a task's events, in order."""
        return [event.type.removeprefix("task.") for event in self.store.events(task=task.id)]

    def silence(self, node: str, *, seconds: float = 60) -> None:
        """Let a node have been silent for so long, while liveness watched all the time."""
        now = self.store.now_ms()
        self.store.client.zadd(self.store.keys.heartbeats, {node: now - round(seconds * 1000)})
        self.store.client.hset(self.store.keys.loops, mapping={"since": 1, "liveness:began": now - 900})

    def wait_over(self, task: Task) -> None:
        """Let the time of a task's next try have come."""
        self.store.client.zadd(self.store.keys.pending, {task.id: 1})

    def close(self) -> None:
        """Close every connection."""
        self.store.close()
        for sailor in self.sailors:
            sailor.store.close()


def code_of(task: Task) -> Code | None:
    """The code of the reason a record gives."""
    return task.reason.code if task.reason else None
