"""The store that is asked: nodes, running tasks of all ages, and ended tasks without number between them.

The product itself runs and ends ten tasks; the others are copies of what it wrote.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.million.copies import Keys, Mould, commands, joined, plain, pour, snapshot
from manager_api import submission
from manager_api.submission import Deck
from ormen.node import Resources
from ormen.policy import Policy
from ormen.reasons import Code, Reason
from ormen.schema import load_submission
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Heartbeat, NodeCard, Remark, Report
from ormen.store.manager import ManagerStore
from ormen.task import State, Task

UNIT = 10
"""Tasks of a mould: eight end well, one fails, one is stopped."""
DAYS_MS = 6 * 86_400_000
"""Over how long the ended tasks are spread: less than what is kept."""
TEAMS = 500
"""Values of the label `team`."""
LOG = [f"{n} of 10: a line of the last words of a container, as long as such lines are" for n in range(10)]


class Silent:
    """A ringer for agents that are not there."""

    def ring_nodes(self, *args: object, **kwargs: object) -> None:
        """Ring nobody."""


class Filling:
    """What fills the store at `settings.redis_url`, which nobody else uses yet."""

    def __init__(self, settings: Settings, nodes: int) -> None:
        self.settings = settings
        self.client = plain(settings.redis_url)
        self.agent = AgentStore.connect(settings, "agent", timeout_s=60)
        self.store = ManagerStore.connect(settings, "deck", timeout_s=60)
        self.deck = Deck(self.store, Silent(), settings, Policy())  # type: ignore[arg-type]
        self.nodes = [f"node-{number:03d}" for number in range(nodes)]
        self.random = random.Random(1)
        for name in self.nodes:
            self.agent.join(card(name))
            self.agent.synced(name, "i1", orphans=[])
        self.cluster = self.store.cluster()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat)

    def __enter__(self) -> Filling:
        """Let the nodes live."""
        self._beats.start()
        return self

    def __exit__(self, *fault: object) -> None:
        """Let them die."""
        self._over.set()
        self._beats.join()

    def _beat(self) -> None:
        while not self._over.wait(0.7):
            for name in self.nodes:
                self.agent.heartbeat(Heartbeat(name, "i1", self.cluster, Resources(1000, 1 << 30, 1 << 30), 0.5))

    def submit(self, count: int, *, node: str | None = None, **more: object) -> list[Task]:
        """Submit a list as a request does, and report each of its tasks running."""
        common = {"image": "acme/worker:7", "cpu": 0.01, "memory": "16MiB", **more}
        common |= {"constraints": [f"node in ({node})"]} if node else {}
        asked = load_submission([common] * count, policy=Policy(), new_id=self._id)
        items = [replace(item, name=f"task-{item.id[:7]}") for item in asked.items]
        tasks = submission.submit(self.deck, items)
        for task in tasks:
            news = Report(task.id, str(task.node), 1, State.RUNNING, container_id=self._hex(64), sentence="it runs")
            self.agent.report(news)
        for name in {str(task.node) for task in tasks}:
            self.agent.take(name, "i1")
        return tasks

    def _id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def _hex(self, digits: int) -> str:
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def run_old(self, count: int) -> None:
        """Run tasks, then write again what was written as if they were older than all that has ended."""
        before, began = snapshot(self.client, self.settings.prefix), self.store.now_ms()
        for at in range(0, count, 1000):
            self.submit(min(1000, count - at))
        rows = commands(before, snapshot(self.client, self.settings.prefix), ["-4"])
        lasting = [row for row in rows if row[0] in ("HSET", "ZADD") and ":node" not in row[1]]
        mould = Mould.of(joined(lasting), ["no such word"], (began, self.store.now_ms()))
        pour(self.settings.redis_url, [mould.copy({}, -DAYS_MS - 3_600_000)])

    def mould(self) -> None:
        """Run and end ten tasks, keep what that has written, and remove them."""
        before, began = self._snapshot(), self.store.now_ms()
        node = self.nodes[0]
        tasks = [self.submit(1, node=node, labels={"app": "job", "team": "team-xyz"})[0] for _ in range(UNIT)]
        for number, task in enumerate(tasks):
            self._finish(task, number)
        self.agent.take(node, "i1")
        words = [word for task in tasks for word in (task.id, task.name)]
        rows = list(joined(commands(before, self._snapshot(), words)))
        self._tasks, self._began = tasks, began
        self._mould = Mould.of(rows, [*words, node, "team-xyz"], (began, self.store.now_ms()))
        self._streams = {row[1] for row in rows if row[0] == "XADD"}
        for task in tasks:
            self.store.remove(task, force=False)

    def end(self, count: int) -> None:
        """Let so many tasks have ended, a multiple of ten, as copies of those of `mould`."""
        # A stream takes nothing that is older than its last entry.
        self.client.delete(*self._streams)
        pour(self.settings.redis_url, self._copies(count // UNIT))

    def remember(self, tasks: Sequence[str]) -> None:
        """Let there be news of tasks that run."""
        for task in self.store.read(tasks).values():
            if task and not self.agent.note(Remark(task.id, str(task.node), task.attempt, "task.failing", "503")):
                raise SystemExit("the store did not take the news of a task")

    def _snapshot(self) -> Keys:
        return snapshot(self.client, self.settings.prefix)

    def _finish(self, task: Task, number: int) -> None:
        node = str(task.node)
        if number == 0:
            self.store.stop(task)
        failed = number == 1
        news = Report(
            task.id,
            node,
            1,
            State.FAILED if failed else State.COMPLETED,
            reason=Reason(*REASONS[min(number, 2)]),
            exit_code=int(failed),
            log_tail=LOG,
            release=True,
        )
        if not self.agent.report(news).accepted:
            raise SystemExit("the store did not take the end of a task")
        self.agent.confirm(task.id, node=node)

    def _copies(self, units: int) -> Iterator[bytes]:
        first, step = self.store.now_ms() - DAYS_MS - self._began, (DAYS_MS - 60_000) / max(1, units)
        for unit in range(units):
            words: dict[bytes, bytes] = {
                self.nodes[0].encode(): self.random.choice(self.nodes).encode(),
                b"team-xyz": b"team-%03d" % (unit % TEAMS),
            }
            for number, task in enumerate(self._tasks):
                words[task.id.encode()] = self._id().encode()
                words[task.name.encode()] = name_of(unit, number)
            yield self._mould.copy(words, int(first + unit * step))


REASONS: Mapping[int, tuple[Code, str]] = {
    0: (Code.STOPPED, "It was stopped."),
    1: (Code.EXIT, "It exited with 1 after 3s."),
    2: (Code.EXIT, "It exited with 0 after 3s."),
}


def name_of(unit: int, number: int) -> bytes:
    """Return a task's name; one of each thousand is another run of the same job."""
    return b"task-nightly" if number == 2 and unit % 100 == 0 else b"task-%07d" % (unit * UNIT + number)


def card(name: str) -> NodeCard:
    """Return what a node says of itself."""
    amounts = Resources(64_000, 256 << 30, 1 << 40)
    return NodeCard(
        name, "i1", "127.0.0.1", "http://127.0.0.1:1", f"e-{name}", "24", "linux", "amd64", "0", {}, amounts
    )


def shape(client: Any, prefix: str) -> str:
    """Return in one line what the store holds."""
    counts = {state: int(count) for state, count in client.hgetall(f"{prefix}counts").items() if int(count)}
    memory = client.info("memory")["used_memory"] / 1e6
    return f"{counts}, {client.xlen(f'{prefix}events')} events, {memory:.0f} MB"
