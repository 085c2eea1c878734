"""Where an agent stands: its name, its store, its engine, and what it has seen of exits."""

from __future__ import annotations

import json
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from ormen.schema import resolve
from ormen.spec import Spec
from ormen.store.agent import AgentStore
from ormen.task import Task
from worker_agent.evidence import Evidence
from worker_agent.runtime import Container, Runtime

SPECS_KEPT = 512
"""How many resolved specs are kept; the tasks of one submission share one."""


def _wall_ms() -> int:
    return int(time.time() * 1000)


class SpecCache:
    """Resolved specs by their content: resolving costs a schema pass, and a task's record is read many times."""

    def __init__(self, most: int = SPECS_KEPT) -> None:
        self._most = most
        self._known: OrderedDict[str, Spec] = OrderedDict()
        self._lock = Lock()

    def of(self, task: Task) -> Spec:
        """Return the task's spec, resolved."""
        key = json.dumps(task.spec, sort_keys=True, separators=(",", ":"))
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        spec = resolve(task.spec)
        with self._lock:
            self._known[key] = spec
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return spec


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
    specs: SpecCache = field(default_factory=SpecCache)
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
