"""Nodes to which anything may happen between any two steps of their agents: for `test_agent_machine`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from ormen.errors import StoreUnavailable
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from tests.fundamentals.world import Sailor
from worker_agent import facts
from worker_agent.agent import Agent, Home, Ways
from worker_agent.fake_runtime import Behaviour, FakeRuntime
from worker_agent.lanes import Lanes
from worker_agent.runtime import Container
from worker_agent.station import Station

CALLS = ("create", "start", "stop", "remove", "inspect", "containers", "log_tail")
VERBS = ("run", "read")


class Killed(BaseException):
    """The agent's process was killed; nothing of it runs on, not even its handlers of faults."""


class Crossings:
    """The moments right before and right after each call that leaves an agent, and what is to happen at one of them."""

    def __init__(self) -> None:
        self.left = 0
        self.event: Callable[[str, bool], None] = lambda place, after: None

    def plan(self, number: int, event: Callable[[str, bool], None]) -> None:
        """Let `event` happen at the crossing that is `number` from now."""
        self.left, self.event = number, event

    def cross(self, place: str, *, after: bool) -> None:
        """Pass one moment."""
        self.left -= 1
        if self.left == 0:
            self.event(place, after)

    def wrap(self, owner: Any, names: tuple[str, ...], place: str) -> None:
        """Let calls of these methods of `owner` have a moment before and one after."""
        for name in names:
            setattr(owner, name, self._wrapped(getattr(owner, name), place))

    def _wrapped(self, call: Callable[..., Any], place: str) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.cross(place, after=False)
            found = call(*args, **kwargs)
            self.cross(place, after=True)
            return found

        return wrapper


class Clock:
    """The time of all hosts, which passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def wall_ms(self) -> int:
        """Return milliseconds."""
        return int(self.now_s * 1000)


class Mortal(Sailor):
    """A node whose agent may die, lose Redis or its engine at any crossing, and keeps on its disk what agents keep."""

    def __init__(self, settings: Settings, name: str, engine: FakeRuntime, *, folder: Path, clock: Clock) -> None:
        self.memory = folder / f"{name}-{uuid4().hex}.json"
        self.clock = clock
        self.crossings = Crossings()
        self.alive = self.cut = False
        self.heard = engine.journal.end
        super().__init__(settings, name, engine)

    def start(self) -> Agent:
        """Start the agent's process, which goes on hearing the engine where its file says."""
        if hasattr(self, "store"):
            self.store.close()
        self.store = AgentStore.connect(self.settings, "agent")
        self.store.on_room = self.rings.append
        card = facts.card(self.settings, self.engine.engine(), instance=uuid4().hex)
        cluster = self.store.join(card).cluster
        self.crossings.wrap(self.store, VERBS, "store")
        runtime = _Engine(self.engine, self.crossings)
        station = Station(
            self.name, card.instance, cluster, "127.0.0.1", self.store, runtime, wall_ms=self.clock.wall_ms  # type: ignore[arg-type]
        )  # fmt: skip
        ways = Ways(post_proof=lambda: True, restart=lambda why: None, leave=lambda why: None)
        self.agent = Agent(station, Lanes(threads=False), ways=ways, home=Home(card, "/", self.store, self.memory))
        self.agent.watcher.open()
        self.alive, self.cut = True, False
        return self.agent

    @contextmanager
    def mortal(self) -> Iterator[None]:
        """Let the agent die of `Killed`."""
        try:
            yield
        except Killed:
            self.die()
        finally:
            self.crossings.left = 0

    def die(self) -> None:
        """Be killed: whatever the process had in memory is gone."""
        self.alive = False

    def loses_redis(self, place: str, after: bool) -> None:
        """Lose Redis at a crossing; of a call under way nobody knows whether it was done."""
        self.lose_redis()
        self.cut = True
        if place == "store":
            raise StoreUnavailable("Redis is out of reach")

    def loses_engine(self, place: str, after: bool) -> None:
        """Lose the engine at a crossing; of a call under way nobody knows whether it was done."""
        self.engine.go_down()
        if place == "engine":
            raise self.engine.gone("the connection broke")

    def dies(self, place: str, after: bool) -> None:
        """Be killed at a crossing."""
        raise Killed

    def find_redis(self) -> None:
        """Mend the way to Redis and hear of it by the next heartbeat."""
        if self.cut:
            pool = self.store.client.connection_pool
            pool.connection_kwargs["port"] = self.port
            pool.reset()
            self.cut = False

    def listen(self) -> None:
        """Hear what the engine has said since, if it can be heard."""
        if self.hears:
            super().listen()

    @property
    def hears(self) -> bool:
        """Whether the agent's stream of events is open."""
        return bool(self.agent.station.evidence._connected)


class _Engine:
    """An agent's own way to an engine that it may share: with crossings."""

    def __init__(self, engine: FakeRuntime, crossings: Crossings) -> None:
        self._engine = engine
        for name in CALLS:
            setattr(self, name, getattr(engine, name))
        crossings.wrap(self, CALLS, "engine")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def engine(number: int, clock: Clock) -> FakeRuntime:
    """Return an engine of four cores."""
    made = FakeRuntime(Behaviour(clock=lambda: clock.now_s, sleep=lambda _: None))
    made.behaviour.engine = replace(made.behaviour.engine, id=f"engine-{number}")
    return made


def rm_f(runtime: FakeRuntime, found: Container) -> None:
    """Do what ``docker rm -f`` does."""
    with runtime.lock:
        if found.running:
            runtime.kill(found.id)
        runtime.drop(runtime.table[found.id])


def docker_stop(runtime: FakeRuntime, found: Container) -> None:
    """Do what ``docker stop`` does, with a program that ends politely."""
    with runtime.lock:
        runtime.tell(found, "kill", signal=15)
        runtime.exit(found.id, 0)


def pause(runtime: FakeRuntime, found: Container) -> None:
    """Do what ``docker pause`` does, or undo it."""
    with runtime.lock:
        paused = found.state == "paused"
        runtime.tell(runtime.change(found, state="running" if paused else "paused"), "unpause" if paused else "pause")
