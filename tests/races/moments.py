"""Two who act at once, moment by moment: between any two calls of an agent, somebody else does something.

The agent is real and steps through one flow on a fake engine and a real store. Each call it makes to either is a
moment; `Moments` lets a second actor act just before the N-th.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from manager_api import submission
from ormen.errors import OrmenError
from ormen.task import State, Task, Wanted
from tests.fundamentals.world import GIB, Sailor, World
from worker_agent import facts
from worker_agent.fake_runtime import Behaviour, FakeRuntime
from worker_agent.runtime import Engine

IMAGE = "nginx:latest"


class Moments:
    """Counts calls while armed, and acts once, just before the N-th."""

    def __init__(self) -> None:
        self.count = 0
        self.at = 0
        self.act: Callable[[], object] | None = None

    def arm(self, at: int, act: Callable[[], object]) -> None:
        """Count from now on, and act before call number `at`."""
        self.count, self.at, self.act = 0, at, act

    def disarm(self) -> None:
        """Count no more."""
        self.act = None

    def pass_by(self) -> None:
        """A call is about to be made."""
        if self.act is None:
            return
        self.count += 1
        if self.count == self.at:
            act, self.act = self.act, lambda: None
            act()


class Watched(FakeRuntime):
    """A fake engine whose calls are moments."""

    def __init__(self, behaviour: Behaviour, moments: Moments) -> None:
        super().__init__(behaviour)
        self._moments = moments

    def begin(self, operation: str, median_s: float = 0.0) -> float:
        """Let the moment pass, then take the operation's time."""
        self._moments.pass_by()
        return super().begin(operation, median_s)


class Races:
    """A world of two nodes; the first one's agent is watched."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.moments = Moments()
        self.replaced = False
        self.sailors = [self._sailor("node-1", self.moments)]
        self._watch(self.sailors[0])

    def _sailor(self, name: str, moments: Moments) -> Sailor:
        about = Engine(f"engine-of-{name}", "27.0", "linux", "amd64", 4, 8 * GIB, "/")
        settings = replace(self.world.settings)
        joined = Sailor(settings, name, Watched(Behaviour(engine=about, images={IMAGE}), moments))
        self.world.sailors.append(joined)
        return joined

    def _watch(self, sailor: Sailor) -> None:
        client: Any = sailor.store.client
        command, pipeline = client.execute_command, client.pipeline

        def watched(call: Callable[..., Any]) -> Callable[..., Any]:
            def made(*words: Any, **options: Any) -> Any:
                self.moments.pass_by()
                return call(*words, **options)

            return made

        client.execute_command, client.pipeline = watched(command), watched(pipeline)

    def second_node(self) -> None:
        """Let another node join, so that what leaves the first has somewhere to go."""
        self.sailors.append(self._sailor("node-2", Moments()))

    @property
    def first(self) -> Sailor:
        """The node whose agent is watched."""
        return self.sailors[0]

    def heal(self, task: Task) -> Task | None:
        """Let everybody look until nothing changes, with every pause over; return the record that is left."""
        self.moments.disarm()
        if self.replaced:
            self.first.store.close()
            self.first.start()
        for _ in range(6):
            for sailor in self.sailors:
                sailor.beat()
                sailor.look_at_everything()
                sailor.look_into_inbox()
                sailor.listen()
            self.world.hear_rings()
            if self.world.store.client.zscore(self.world.store.keys.pending, task.id) is not None:
                self.world.wait_over(task)
            self.world.loops.place(self.world.store.due(10, now_ms=self.world.store.now_ms()))
        return self.world.store.read([task.id])[task.id]

    def verdict(self, task: Task) -> list[str]:
        """Everything that is wrong once all is healed, in sentences; nothing if all is as it is wanted."""
        record = self.heal(task)
        where = [
            (sailor.name, item)
            for sailor in self.sailors
            for item in sailor.engine.table.values()
            if item.task == task.id
        ]
        running = [(name, item.id) for name, item in where if item.running]
        faults = self._books()
        if record is None:
            return faults + [f"removed, and {name} has {item.name}" for name, item in where]
        if record.wanted is Wanted.REMOVED:
            return [*faults, "its tombstone stays"]
        if record.wanted is Wanted.STOPPED and (running or record.state is not State.COMPLETED):
            faults.append(f"stopped, and {record.state.value} with {running}")
        if record.wanted is Wanted.RUNNING and (
            record.state is not State.RUNNING or running != [(record.node, record.container_id)]
        ):
            faults.append(f"wanted, and {record.state.value} on {record.node} ({record.container_id}) with {running}")
        return faults

    def _books(self) -> list[str]:
        """Compare what nodes and engines have given away with what the records hold."""
        store, faults = self.world.store, []
        seats: dict[str, int] = {}
        for task in store.tasks(limit=1000)[0]:
            if task.seat:
                seats[task.seat] = seats.get(task.seat, 0) + 1
        for node in store.nodes():
            held = store.taken_ports([node.engine])[node.engine]
            if node.tasks != seats.get(node.name, 0):
                faults.append(f"{node.name} counts {node.tasks} tasks, and {seats.get(node.name, 0)} sit there")
            if len(held) > seats.get(node.name, 0) or any(len(holders) > 1 for holders in held.values()):
                faults.append(f"{node.name} has given away {held}")
        return faults


def gone(act: Callable[[], object]) -> None:
    """Act; that it comes too late for what it wants is no fault."""
    try:
        act()
    except (OrmenError, LookupError):
        return


def wishes(races: Races, task: Task) -> dict[str, Callable[[], object]]:
    """What somebody else may do to the task, its container, its node or its agent, by name."""
    world, engine = races.world, races.first.engine
    deck = world.deck

    def record() -> Task:
        found = world.store.task(task.id)
        if found is None:
            raise LookupError("it is removed already")
        return found

    def lost() -> None:
        world.silence("node-1")
        world.loops.liveness()

    return {
        "stop": lambda: submission.stop(deck, record()),
        "remove": lambda: submission.remove(deck, record(), force=True),
        "restart": lambda: submission.restart(deck, record()),
        "drain": lambda: submission.drain(deck, "node-1", by="ann", why=None),
        "loss": lost,
        "twin": lambda: twin(races),
        "exit": lambda: engine.exit(task.container_name, 1),
        "kill": lambda: engine.kill(task.container_name),
        "rm": lambda: engine.remove(task.container_name),
        "engine": lambda: restart_engine(races),
    }


def twin(races: Races) -> None:
    """Let another instance join under the node's name and engine: the one at work does not know that it is replaced."""
    first = races.first
    first.store.join(facts.card(first.settings, first.engine.engine(), instance="another"))
    races.replaced = True


def restart_engine(races: Races) -> None:
    """Let the engine stop and start again, as the agent's watcher finds it."""
    first = races.first
    first.engine.go_down()
    first.agent.watcher.lost()
    first.engine.come_back(restarted=True)
    first.agent.watcher.open()
