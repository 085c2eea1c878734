"""Where an agent stands: its name, its store, its engine, and what it has seen of exits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ormen.store.agent import AgentStore
from ormen.task import Task
from worker_agent.evidence import Evidence
from worker_agent.held import Held
from worker_agent.inventory import Inventory
from worker_agent.runtime import Container, Runtime


def _wall_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Station:
    """One agent's place and tools, shared by all its parts. `wall_ms` is the host's clock, which Docker shares."""

    node: str
    instance: str
    cluster: str
    bind: str
    store: AgentStore
    runtime: Runtime
    evidence: Evidence = field(default_factory=Evidence)
    inventory: Inventory = field(default_factory=Inventory)
    held: Held = field(default_factory=Held)
    rng: random.Random = field(default_factory=random.Random)
    wall_ms: Callable[[], int] = _wall_ms

    def owns(self, container: Container, task_id: str) -> bool:
        """Return whether the container is this cluster's, this node's and this task's: no other is ever touched."""
        return (container.cluster, container.node, container.task) == (self.cluster, self.node, task_id)

    def container_of(self, task: Task) -> Container | None:
        """Return the task's container on this node: by the record's id, else by its name; None if there is none."""
        for word in (task.container_id if task.node == self.node else None, task.container_name):
            found = self.runtime.inspect(word) if word else None
            if found is not None and self.owns(found, task.id):
                return found
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """How one look at a task ended: in a word for people, with the record and the container as they are now.

    `again`: something could not be done or known yet, and the next pass looks once more.
    """

    word: str
    task: Task | None = None
    container: Container | None = None
    again: bool = False
