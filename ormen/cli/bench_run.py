"""One measurement from its first task to its last removal: the rounds on the cluster, and those by hand beside them."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ormen import __version__
from ormen.cli.bench_figures import DOCKER, OF_A_LIFE, ORMEN, THROUGHPUT, Collected
from ormen.cli.bench_tasks import Tasks, life
from ormen.cli.errors import Failure
from ormen.cli.render.text import count, rfc3339_now, small
from ormen.cli.session import Session, is_terminal
from ormen.client import Client
from ormen.errors import OrmenError
from ormen.transport import Document

if TYPE_CHECKING:
    from ormen.cli.bench_docker import Engine

MOST_BURSTS = 3
"""Rounds of throughput at most: each starts many tasks."""

PATIENCE_S = 30.0
"""For how long the removal of what was started is tried again while the deck is away."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be measured: the `measures`, each in so many `rounds`, with tasks of this `spec`.

    `tasks` is how many throughput starts at once, `timeout_s` the longest wait for one step; `docker`: compare.
    """

    measures: tuple[str, ...]
    rounds: int
    tasks: int
    spec: Mapping[str, Any]
    timeout_s: float
    docker: bool


class Bench:
    """One measurement. `close` must follow `measure`, however that ends."""

    def __init__(self, session: Session, client: Client, wish: Wish) -> None:
        """Look at the cluster as it is before anything is started."""
        self.image = str(wish.spec["image"])
        self._session, self._client, self._wish = session, client, wish
        self._tasks = Tasks(client, wish.spec, timeout_s=wish.timeout_s)
        self._found = Collected(wish.tasks)
        self._nodes = client.nodes()
        self._deck = client.version()
        self._began, self._load = time.time(), os.getloadavg()[0]
        self._engine: Engine | None = None
        self._no_docker = "" if wish.docker else "not asked for"
        self._elsewhere = 0
        self._left: list[str] | None = None
        self._trouble = ""
        self._block: Any = None

    def rehearse(self) -> None:
        """Raise InvalidSpec for faults of the spec, and Failure where not all tasks would run at once."""
        (one,) = self._client.plan(self._tasks.specs(1))["items"]
        many = self._wish.tasks if THROUGHPUT in self._wish.measures else 1
        rows = self._client.plan(self._tasks.specs(many))["items"] if one["node"] and many > 1 else [one]
        waiting = [row["reason"] for row in rows if row["node"] is None]
        if waiting:
            fit, (first, *_) = len(rows) - len(waiting), waiting
            sentence = f"{count(len(waiting), 'task')} of {len(rows)} would wait: {small(first['sentence'])}"
            hint = f"--tasks {fit} would fit now." if fit > 1 else None
            raise Failure(f"{sentence}; nothing was started", code=first["code"], hint=hint)

    def measure(self) -> None:
        """Go through all rounds; raise TaskFailed, WaitedTooLong, ClientError at the first that fails."""
        if is_terminal(sys.stderr) and not self._session.quiet:
            from ormen.cli.live import Block

            self._block = Block()
        if self._wish.docker:
            self._meet_engine()
        self._warm_up()
        lives = [name for name in OF_A_LIFE if name in self._wish.measures]
        for number in range(self._wish.rounds if lives else 0):
            self._tell(f"{', '.join(lives)}: round {number + 1} of {self._wish.rounds}")
            self._both(number, lambda: self._life(lives), lambda engine: engine.life(lives))
        bursts = min(self._wish.rounds, MOST_BURSTS) if THROUGHPUT in self._wish.measures else 0
        for number in range(bursts):
            self._tell(f"{THROUGHPUT}: {self._wish.tasks} tasks at once, round {number + 1} of {bursts}")
            self._both(number, self._burst, lambda engine: {THROUGHPUT: engine.burst(self._wish.tasks)})

    def close(self) -> None:
        """Remove everything that was started here, and give the terminal back."""
        if self._block is not None:
            self._block.show("")
            self._block.close()
        place = self._session.place()
        left: list[str] = []
        try:
            left += self._tasks.close(Client(place.url, place.token, patience=PATIENCE_S))
        except OrmenError as error:
            left.append("its tasks")
            self._trouble = error.sentence
        if self._engine is not None:
            try:
                left += [f"container {name}" for name in self._engine.close()]
            except OrmenError as error:
                left.append("its containers")
                self._trouble = error.sentence
        self._left = left

    def document(self, *, complete: bool) -> Document:
        """Return all that is known; `left` is null where the removal was cut off."""
        used = [node for node in self._nodes if node["name"] in self._tasks.nodes]
        comparable = self._engine is not None and not self._elsewhere and not self._no_docker
        return {
            "id": self._tasks.id,
            "at": rfc3339_now(self._began),
            "complete": complete,
            "image": self.image,
            "command": self._wish.spec.get("command"),
            "tasks": self._wish.tasks,
            "deck": {"address": str(self._client.address), "version": self._deck},
            "client": self._client_facts(),
            "nodes": [_node(node) for node in used],
            "other_tasks": sum(int(node["tasks"]) for node in self._nodes),
            "docker": {"version": self._engine.version, "same_engine": not self._elsewhere} if self._engine else None,
            "docker_missing": self._no_docker or None,
            "pulled": self._tasks.pulled,
            "killed": self._tasks.killed,
            "measures": self._found.measures(comparable=comparable),
            "left": self._left,
            "left_because": self._trouble or None,
        }

    def _client_facts(self) -> Document:
        return {"host": platform.node(), "cpus": os.cpu_count(), "load": round(self._load, 2), "version": __version__}

    def _meet_engine(self) -> None:
        from ormen.cli.bench_docker import Engine

        try:
            self._engine = Engine(self._tasks.id, self.image, self._wish.spec.get("command") or ())
        except OrmenError as error:
            self._no_docker = error.sentence

    def _warm_up(self) -> None:
        """Go through one round that does not count: the image is fetched, and its program seen to stay up."""
        self._tell(f"one start of {self.image} that does not count")
        (task,), _ = self._tasks.start()
        self._tasks.stay(task)
        self._tasks.clear()
        self._by_hand(lambda engine: engine.life(OF_A_LIFE), keep=False)
        self._tasks.pulled = 0

    def _both(self, number: int, ours: Callable[[], None], theirs: Callable[[Engine], dict[str, float]]) -> None:
        """Do a round on the cluster and one by hand; which comes first changes from round to round."""
        if number % 2:
            self._by_hand(theirs)
        ours()
        if not number % 2:
            self._by_hand(theirs)

    def _life(self, wanted: list[str]) -> None:
        self._finish(life(self._tasks, wanted), 1)

    def _burst(self) -> None:
        _, took_s = self._tasks.start(self._wish.tasks)
        self._finish({THROUGHPUT: took_s}, self._wish.tasks)

    def _finish(self, found: dict[str, float], amount: int) -> None:
        self._found.add(ORMEN, found)
        if self._engine is not None and not self._no_docker:
            self._by_hand(lambda engine: self._note_elsewhere(amount - engine.count(self._tasks.label)), keep=False)
        self._tasks.clear()

    def _note_elsewhere(self, amount: int) -> dict[str, float]:
        self._elsewhere += max(0, amount)
        return {}

    def _by_hand(self, work: Callable[[Engine], dict[str, float]], *, keep: bool = True) -> None:
        """Do something with this machine's engine; once it has refused, nothing more is compared."""
        if self._engine is None or self._no_docker:
            return
        try:
            found = work(self._engine)
        except OrmenError as error:
            self._no_docker = error.sentence
            return
        if keep:
            self._found.add(DOCKER, found)

    def _tell(self, text: str) -> None:
        if self._block is not None:
            self._block.show(text)


def _node(node: Mapping[str, Any]) -> Document:
    return {
        "name": node["name"],
        "cpu": node["capacity"]["cpu"],
        "memory_bytes": node["capacity"]["memory_bytes"],
        "engine": node["engine"]["version"],
        "agent_version": node["agent_version"],
    }
