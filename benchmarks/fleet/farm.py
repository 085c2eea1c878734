"""One process of simulated nodes: the agents' own code, each on an engine in memory, on its own Celery queue.

    python -m benchmarks.fleet.farm FIRST COUNT EARS          with ORMEN_REDIS_URL in the environment

What is the agent's own: joining, heartbeats, the inbox, the lanes, starting, reporting, passes over the engine,
checks, proofs of consumption. What differs from `worker_agent.app`: the threads. There an agent has five of its own
and some in each lane; here all agents of a process share a few, since 5,000 nodes would need 40,000. And a ring does
not wait for what it has handed in: only Flower reads its result.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from celery import Celery, bootsteps
from kombu import Consumer

from ormen import messages
from ormen.broker import make_app, queue
from ormen.collector import spare_what_is_there
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from worker_agent import facts
from worker_agent.agent import Agent, Home, Ways
from worker_agent.fake_engine import Behaviour, Pace
from worker_agent.fake_runtime import FakeRuntime
from worker_agent.fake_streams import Journal
from worker_agent.lanes import WIDTHS, Lanes
from worker_agent.runtime import Engine, RuntimeEvent
from worker_agent.station import Station
from worker_agent.sync import LIST_EVERY_S

HANDS = 200
"""Threads that do the lanes' work of all nodes of a process; most of them wait for a container to start."""
log = logging.getLogger("farm")

LOTS = 100
"""How many groups there are of nodes that can be given tasks apart from the others, by their label ``lot``."""
LOOKERS = 4
"""Threads that pass over the engines of a process: with one, the waits for Redis of thousands add up to starvation."""
SWITCH_S = 0.01
"""How long a thread computes before another has its turn: with half a millisecond turns cost half of a start's CPU."""
PACE = Pace(create_s=0.0126, start_s=0.28, stop_s=0.05, sigma=0.15)
"""How long Docker takes: the medians that `benchmarks.start_latency` and `stop_latency` measured."""
IMAGES = {"acme/worker:7": "sha256:" + "7" * 64}
"""What each engine has under a digest, as an image is that was pulled."""
CORES, MEMORY = 16, 64 * 1024**3
"""What each node has."""


class SharedLanes(Lanes):
    """A node's lanes, worked off by hands that all nodes share; no lane is wider than it is in an agent of its own."""

    def __init__(self, hands: ThreadPoolExecutor) -> None:
        super().__init__(threads=False)
        self._hands = hands
        self._at_work = dict.fromkeys(WIDTHS, 0)

    def _enqueue(self, lane: str, key: str) -> None:
        super()._enqueue(lane, key)
        if not self._closed and self._at_work[lane] < WIDTHS[lane]:
            self._at_work[lane] += 1
            self._hands.submit(self._work_off, lane)

    def _work_off(self, lane: str) -> None:
        while True:
            with self._lock:
                if not self._queues[lane]:
                    self._at_work[lane] -= 1
                    return
                key = self._queues[lane].popleft()
            self._run(key)


class Told(Journal):
    """The events of an engine, each heard by the agent at once: instead of a stream with a thread that waits."""

    hear: Callable[[RuntimeEvent], None] | None = None

    def add(self, cluster: str | None, event: RuntimeEvent) -> None:
        """Append an event, and let the agent hear it."""
        super().add(cluster, event)
        if self.hear is not None:
            self.hear(event)


class SimulatedNode:
    """An agent, its engine, and what of it is due again and again."""

    def __init__(self, farm: Farm, number: int) -> None:
        name = f"n{number}"
        engine = Engine(uuid.uuid4().hex, "20.10.24", "linux", "amd64", CORES, MEMORY, "/")
        self.runtime = FakeRuntime(Behaviour(pace=PACE, engine=engine))
        self.runtime.meant.update(IMAGES)
        self.runtime.journal = journal = Told()
        card = replace(facts.card(farm.settings, engine, instance=uuid.uuid4().hex), name=name)
        card = replace(card, labels={"lot": str(number % LOTS)})
        joined = farm.store.join(card)
        station = Station(name, card.instance, joined.cluster, "127.0.0.1", farm.store, self.runtime)
        ways = Ways(post_proof=lambda: farm.ringer.prove(name), restart=farm.note, leave=farm.note)
        self.agent = Agent(station, SharedLanes(farm.hands), ways=ways, home=Home(card, "/", farm.pulse))
        self.agent.watcher.open()
        journal.hear = self.agent.watcher.hear

    def ring(self) -> None:
        """Answer a ring, and let the work go on without being waited for."""
        self.agent.proof.heard(time.monotonic())
        self.agent.take()

    def beat(self) -> float:
        """Send the heartbeat; return when the next is due."""
        self.agent.pulse.step(time.monotonic())
        return self.agent.pulse.due

    def look(self) -> float:
        """Pass over the engine."""
        now = time.monotonic()
        self.agent.sync.step(now)
        self.agent.deadlines.step(now)
        self.agent.watcher.tick()
        return now + LIST_EVERY_S

    def prove(self) -> float:
        """Prove that the queue is consumed."""
        pulse = self.agent.pulse
        self.agent.proof.step(time.monotonic(), interval_s=pulse.interval_s, well=pulse.well)
        return time.monotonic() + pulse.interval_s

    def probe(self) -> float:
        """Hand in the checks that are due."""
        return self.agent.probing.step(time.monotonic())


class Rounds:
    """A thread that does what is due, of all nodes, one after the other."""

    def __init__(self, name: str, parts: Sequence[Callable[[], float]], *, within_s: float) -> None:
        begin, step = time.monotonic(), within_s / max(1, len(parts))
        self._due = [(begin + number * step, number, part) for number, part in enumerate(parts)]
        self.late_s = 0.0
        threading.Thread(target=self._go_round, name=name, daemon=True).start()

    def _go_round(self) -> None:
        while True:
            due, number, part = self._due[0]
            now = time.monotonic()
            if due > now:
                time.sleep(due - now)
            self.late_s = max(0.0, now - due)
            try:
                following = part()
            except Exception:
                log.exception("a step failed")
                following = time.monotonic() + 1.0
            heapq.heapreplace(self._due, (following, number, part))


class Farm:
    """The nodes of this process, and the Celery worker that consumes all their queues."""

    def __init__(self, settings: Settings, first: int, size: int) -> None:
        self.settings = settings
        self.app = make_app(settings, f"farm-{first}", queues=[f"farm.{first}"])
        self.store = AgentStore.connect(settings, f"farm-{first}", timeout_s=30)
        self.store.on_room = self._room
        self.ringer = Ringer(self.store)
        self.pulse = AgentStore.connect(settings, f"pulse-{first}", timeout_s=30)
        self.hands = ThreadPoolExecutor(HANDS, thread_name_prefix="hand")
        self.ended = 0
        self.nodes = {messages.node_queue(f"n{n}"): SimulatedNode(self, n) for n in range(first, first + size)}
        nodes = list(self.nodes.values())
        self.rounds = (
            Rounds("beats", [node.beat for node in nodes], within_s=1.0),
            *(
                Rounds("looks", [node.look for node in nodes[turn::LOOKERS]], within_s=LIST_EVERY_S)
                for turn in range(LOOKERS)
            ),
            Rounds("checks", [part for node in nodes for part in (node.prove, node.probe)], within_s=1.0),
        )

    def note(self, why: str) -> None:
        """Count an agent that wanted to end or to start itself anew: here it goes on. The first of them is told."""
        self.ended += 1
        if self.ended == 1:
            log.error("an agent would have ended, and others may have: %s", why)

    def _room(self, ids: object) -> None:
        with contextlib.suppress(OSError):
            self.ringer.ring_control(list(ids))  # type: ignore[call-overload]

    def work(self, each: int) -> int:
        """Consume, so many queues a channel, until told to end."""
        register(self.app, self.nodes)
        self.app.steps["consumer"].add(ears(list(self.nodes), each))
        worker = self.app.Worker(
            hostname=f"farm@{next(iter(self.nodes))}", pool="solo", concurrency=1, loglevel=logging.WARNING,
            quiet=True, purge=True, without_gossip=True, without_mingle=True, without_heartbeat=True,
            redirect_stdouts=False,
        )  # fmt: skip
        worker.start()
        return int(worker.exitcode or 0)


def register(app: Celery, nodes: Mapping[str, SimulatedNode]) -> None:
    """Give the app the doorbells of all nodes; the queue that a message came by says whose it is."""

    def ring(self: Any, names: Sequence[str]) -> None:
        """Take the inbox."""
        nodes[self.request.delivery_info["routing_key"]].ring()

    def prove(self: Any, _: Sequence[str]) -> None:
        """Hear the node's own message."""
        nodes[self.request.delivery_info["routing_key"]].agent.proof.heard(time.monotonic())

    for name, function in ((messages.RUN, ring), (messages.STOP, ring), (messages.PROOF, prove)):
        app.task(name=name, shared=False, bind=True)(function)


def ears(names: Sequence[str], each: int) -> type[bootsteps.StartStopStep]:
    """Return the step of a worker's consumer that listens to these queues, a few on each channel."""

    class Ears(bootsteps.StartStopStep):
        """Consumes the nodes' queues as the worker consumes its own."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Any) -> None:
            handle = parent.create_task_handler()
            for at in range(0, len(names), each):
                channel = parent.connection.channel()
                queues = [queue(name) for name in names[at : at + each]]
                Consumer(channel, queues=queues, accept=["json"], on_message=handle).consume()

    return Ears


def main() -> int:
    """Be so many nodes until a signal."""
    logging.basicConfig(level=logging.WARNING)
    sys.setswitchinterval(SWITCH_S)
    first, size, each = map(int, sys.argv[1:])
    farm = Farm(replace(Settings.from_env(), status_port=0, address="127.0.0.1"), first, size)
    spare_what_is_there()
    print(f"ready {size}", flush=True)
    return farm.work(each)


if __name__ == "__main__":
    raise SystemExit(main())
