"""Real agents on the real engine: each a process of its own, on a store of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from manager_api import submission
from manager_api.control.loops import Loops
from ormen.policy import Policy
from ormen.ringer import Ringer
from ormen.schema import load_submission
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from ormen.task import State, Task
from tests.engine import engine_api
from tests.sweep import announce
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = 'trap "exit 0" TERM; while [ ! -e /end ]; do sleep 0.05; done; exit $(cat /end)'
"""Runs until it is told by which code to exit, and heeds SIGTERM."""


@dataclass
class Node:
    """One agent's process."""

    settings: Settings
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, settings: Settings, folder: Path) -> Node:
        """Start an agent; its log goes to a file."""
        log = folder / f"{settings.node}.log"
        env = {**os.environ, **settings.to_env()}
        with open(log, "ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker_agent"], env=env, cwd=ROOT, stderr=out, stdout=out
            )
        return cls(settings, log, process)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send the signal and return how the process ended."""
        self.process.send_signal(number)
        return self.process.wait(20)


@dataclass
class Harbour:
    """A deck without processes of its own, the engine, and the nodes that were started."""

    settings: Settings
    image: str
    folder: Path
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = LoopStore.connect(self.settings, "deck")
        self.deck = submission.Deck(self.store, Ringer(self.store), self.settings, Policy(()))
        self.loops = Loops(self.store, self.deck.ringer, self.settings)
        self.docker = engine_api()
        announce(f"ormen.cluster={self.cluster}")

    def node(self, name: str = "node-1", *, ready: bool = True, **settings: Any) -> Node:
        """Start an agent and wait until it takes tasks."""
        made = Node.start(replace(self.settings, node=name, bind="127.0.0.1", status_port=0, **settings), self.folder)
        self.nodes.append(made)
        if ready:
            wait_until(lambda: self.joined(made, name), what=f"for {name}: {made.log.read_text()}")
        return made

    def joined(self, made: Node, name: str) -> bool:
        """Return whether this very process is the node and has made its first pass."""
        found = [node for node in self.store.nodes() if node.name == name]
        return bool(found) and found[0].takes_tasks and found[0].facts.get("pid") == made.process.pid

    def run(self, name: str = "web", *, state: State = State.RUNNING, **spec: Any) -> Task:
        """Submit a task and wait for its state."""
        raw = {"image": self.image, "name": name, "command": ["sh", "-c", PROGRAM], **spec}
        body = load_submission(raw, policy=Policy(()), new_id=lambda: str(uuid4()))
        task = submission.submit(self.deck, body.items)[0]
        return self.until(task, state)

    def until(self, task: Task, state: State, *, attempt: int = 0) -> Task:
        """Return the task once it is in the state."""
        try:
            wait_until(lambda: self.task(task).state is state and self.task(task).attempt >= attempt)
        except AssertionError as vain:
            logs = "\n".join(node.log.read_text() for node in self.nodes)
            raise AssertionError(f"{vain} for {task.name} to be {state.value}: {self.task(task)}\n{logs}") from None
        return self.task(task)

    def task(self, task: Task) -> Task:
        """Return the record as it is now."""
        found = self.store.task(task.id)
        assert found is not None
        return found

    def state_of(self, task: Task) -> str:
        """Return Docker's word for the task's container, ``gone`` if there is none."""
        found = self.docker.containers(all=True, filters={"name": f"^/{task.container_name}$"})
        return str(found[0]["State"]) if found else "gone"

    def end_by(self, task: Task, code: int) -> None:
        """Let the program of a task exit by itself."""
        script = ["sh", "-c", f"echo {code} > /e; mv /e /end"]
        self.docker.exec_start(self.docker.exec_create(task.container_name, script)["Id"])

    def close(self) -> None:
        """End every process that was started here and remove the cluster's containers."""
        for node in self.nodes:
            if node.process.poll() is None:
                node.end()
        for found in self.docker.containers(all=True, filters={"label": f"ormen.cluster={self.cluster}"}):
            self.docker.remove_container(found["Id"], force=True)
        self.docker.close()
        self.store.close()

    @property
    def cluster(self) -> str:
        """Return the cluster's id."""
        return self.store.cluster()
