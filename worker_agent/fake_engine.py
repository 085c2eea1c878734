"""The table behind the fake runtime, and what can happen to its containers from outside.

The programs of fake containers do nothing by themselves: `exit`, `kill`, `oom` and `say` are their lives. Faults of
the engine are scripted (`fail`, `go_down`) or drawn (`Behaviour.failure_rate`).
"""

from __future__ import annotations

import dataclasses
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ormen.reasons import Code, Reason
from ormen.registries import Login
from worker_agent import docker_args as marks
from worker_agent.docker_faults import create_refusal, network_missing, port_in_use
from worker_agent.fake_streams import Journal
from worker_agent.runtime import (
    Container,
    ContainerPlan,
    Engine,
    EngineDown,
    PlanRefused,
    ProbeResult,
    RuntimeEvent,
    RuntimeFault,
    StartRefused,
)

if TYPE_CHECKING:
    from worker_agent.fake_talk import FakeExec

MIB = 1024**2
WILD = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take: the median of a log-normal distribution in seconds, and its sigma. 0 is at once."""

    create_s: float = 0.0
    start_s: float = 0.0
    stop_s: float = 0.0
    pull_s: float = 0.0
    sigma: float = 0.3

    def draw(self, dice: random.Random, median_s: float) -> float:
        """Return one duration."""
        return dice.lognormvariate(math.log(median_s), self.sigma) if median_s > 0 else 0.0


@dataclass(slots=True)
class Behaviour:
    """What a fake engine is like. `images` None has every image; `remote` is what can be pulled, None all.

    Containers of the images `with_volume` get an anonymous volume. `networks` and `log_drivers` are those it has beside
    Docker's own. `tags` says what tags of the registry mean just now: a digest each; an image without one has none.
    `failure_rate` is the share of starts that are
    refused. `sleep` waits, so a simulation can bring its own clock.
    """

    pace: Pace = Pace()
    failure_rate: float = 0.0
    images: set[str] | None = None
    with_volume: frozenset[str] = frozenset()
    remote: set[str] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    log_drivers: frozenset[str] = frozenset()
    seed: int = 0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    engine: Engine = field(
        default_factory=lambda: Engine(uuid4().hex, "20.10.24", "linux", "amd64", 4, 8192 * MIB, "/")
    )


class FakeEngine:
    """Containers as entries of a table. Thread-safe: one lock, never held while time passes."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.journal = Journal()
        self.lock = threading.RLock()
        self.table: dict[str, Container] = {}
        self.listed: dict[str, tuple[Container, Container]] = {}
        """Each entry that was listed, and what the list showed of it."""
        self.printed: dict[str, list[bytes]] = {}
        self.image_of: dict[str, str] = {}
        self.log_driver_of: dict[str, str] = {}
        self.limits_of: dict[str, dict[str, int]] = {}
        self.volumes: set[str] = set()
        self.logins: list[Login | None] = []
        self.commands: list[FakeExec] = []
        self.meant: dict[str, str] = {}
        """What each tag meant when it was pulled here."""
        self.generation = 1
        self._dice = random.Random(self.behaviour.seed)
        self._commands: dict[tuple[str, str], ProbeResult] = {}
        self._faults: dict[str, deque[RuntimeFault]] = {}
        self._down: RuntimeFault | None = None
        self._last_ns = 0

    # What happens from outside.

    def exit(self, word: str, code: int = 0) -> None:
        """Let the program of a running container end by itself."""
        with self.lock:
            self._end(self._must_run(word), code)

    def kill(self, word: str, signal: int = 9) -> None:
        """Kill a running container as ``docker kill`` does: not by ormen."""
        with self.lock:
            found = self._must_run(word)
            self.tell(found, "kill", signal=signal)
            self._end(found, 128 + signal)

    def pause(self, word: str) -> None:
        """Let somebody freeze its processes."""
        with self.lock:
            self.tell(self.change(self._must_run(word), state="paused"), "pause")

    def unpause(self, word: str) -> None:
        """Let somebody wake them again."""
        with self.lock:
            self.tell(self.change(self._must_run(word), state="running"), "unpause")

    def oom(self, word: str) -> None:
        """Let the kernel kill a running container for want of memory."""
        with self.lock:
            found = self._must_run(word)
            self.tell(found, "oom")
            self._end(self.change(found, oom_killed=True), 137)

    def say(self, word: str, line: str) -> None:
        """Let the container print a line."""
        with self.lock:
            self.printed[self._must_exist(word).id].append(line.encode() + b"\n")
        self.journal.wake()

    def answer_command(self, word: str, program: str, *, status: int, output: str = "") -> None:
        """Say how `probe_command` of that program in that container ends from now on."""
        words = f' "{output}"' if output and status else ""
        result = ProbeResult(
            status == 0, f"{program} exited with {status}{words}", Code.HEALTH_COMMAND, 1, status, output
        )
        with self.lock:
            self._commands[self._must_exist(word).id, program] = result

    def fail(self, operation: str, fault: RuntimeFault, *, times: int = 1) -> None:
        """Let the next `times` calls of an operation, such as ``start``, raise `fault`."""
        with self.lock:
            self._faults.setdefault(operation, deque()).extend([fault] * times)

    def go_down(self, fault: RuntimeFault | None = None) -> None:
        """Be out of reach: streams end, calls raise `fault` (EngineDown). Containers run on."""
        self._down = fault or self.gone("connection refused")
        self.journal.cut(self.gone("its event stream ended"))

    def come_back(self, *, restarted: bool = False) -> None:
        """Be in reach again. After a restart every container that ran is ``exited (0)``, without an event."""
        with self.lock:
            if restarted:
                self.generation += 1
                for found in [item for item in self.table.values() if item.running]:
                    self.change(found, state="exited", exit_code=0, finished_ms=self.now_ms(), ip=None, pid=None)
            self._down = None

    # What the runtime is made of.

    def begin(self, operation: str, median_s: float = 0.0) -> float:
        """Take the operation's time and return it; raise the fault that is due."""
        with self.lock:
            took_s = self.behaviour.pace.draw(self._dice, median_s)
            fault = self._faults[operation].popleft() if self._faults.get(operation) else self._down
        if took_s:
            self.behaviour.sleep(took_s)
        if fault is not None:
            raise fault
        return took_s

    def find(self, word: str) -> Container | None:
        """Return the container with that id or name."""
        found = self.table.get(word)
        return found or next((item for item in self.table.values() if item.name == word), None)

    def add(self, plan: ContainerPlan) -> Container:
        """Put a created container into the table."""
        labels = plan.labels
        made = Container(
            id=sha256(uuid4().bytes).hexdigest(),
            name=plan.name,
            state="created",
            labels=labels,
            ports=plan.ports,
            task=labels.get(marks.TASK),
            attempt=int(labels.get(marks.ATTEMPT, "0")),
            node=labels.get(marks.NODE),
            cluster=labels.get(marks.CLUSTER),
            spec_hash=labels.get(marks.SPEC),
            fixed_hash=labels.get(marks.FIXED),
            network_mode=plan.body.get("HostConfig", {}).get("NetworkMode", "bridge"),
        )
        if plan.image in self.behaviour.with_volume:
            made = dataclasses.replace(made, volumes=(sha256(made.id.encode()).hexdigest(),))
        self.volumes.update(made.volumes)
        self.table[made.id], self.image_of[made.id] = made, plan.image
        self.log_driver_of[made.id] = log_driver(plan)
        self.limits_of[made.id] = {key: plan.body.get("HostConfig", {}).get(key, 0) for key in marks.LIMITS}
        self.printed[made.id] = []
        self.tell(made, "create")
        return made

    def run(self, found: Container) -> None:
        """Let a container run."""
        if self._dice.random() < self.behaviour.failure_rate:
            sentence = f"Docker could not start {found.name}: so drew the simulation's failure rate."
            raise StartRefused(Reason(Code.PORT_IN_USE, sentence))
        pid = self._dice.randrange(2, 2**22)
        started = self.change(found, state="running", started_ms=self.now_ms(), ip="127.0.0.1", pid=pid)
        self.tell(self.change(started, exit_code=None, finished_ms=None, oom_killed=False), "start")

    def halt(self, found: Container, signal: int) -> None:
        """End a running container by a signal of ormen's; SIGTERM is heeded, with exit code 0."""
        self.tell(found, "kill", signal=signal)
        self._end(found, 0 if signal == 15 else 128 + signal)

    def drop(self, found: Container) -> None:
        """Take a container out of the table."""
        for table in (self.table, self.printed, self.image_of, self.log_driver_of, self.limits_of):
            del table[found.id]
        self.listed.pop(found.id, None)
        self.tell(found, "destroy")

    def check_ports(self, wanting: Container) -> None:
        """Raise StartRefused if a running container has one of the host ports."""
        for port in wanting.ports:
            for other in (item for item in self.table.values() if item.running and item.id != wanting.id):
                for held in other.ports:
                    if (held.host, held.protocol) == (port.host, port.protocol) and (
                        held.bind == port.bind or WILD & {held.bind, port.bind}
                    ):
                        raise StartRefused(port_in_use(port, holder=f"by container {other.name}", message=""))

    def check_network(self, wanting: Container) -> None:
        """Raise StartRefused if the container's network is not there."""
        known = {"bridge", "host", "none", *self.behaviour.networks}
        if wanting.network_mode not in known:
            raise StartRefused(network_missing(wanting.name, wanting.network_mode, known=sorted(known)))

    def check_log_driver(self, plan: ContainerPlan) -> None:
        """Raise PlanRefused if the engine does not have the plan's log driver."""
        word = log_driver(plan)
        if word not in {"json-file", "local", "none", *self.behaviour.log_drivers}:
            said = f'error looking up logging plugin {word}: plugin "{word}" not found'
            raise PlanRefused(create_refusal(plan.name, said))

    def command_result(self, container_id: str, program: str) -> ProbeResult:
        """Return what `answer_command` said, else that the program exited with 0."""
        good = ProbeResult(True, f"{program} exited with 0", Code.HEALTH_COMMAND, 1, 0)
        return self._commands.get((container_id, program), good)

    def tell(self, found: Container, kind: str, *, exit_code: int | None = None, signal: int | None = None) -> None:
        """Write an event. Its time is later than that of every event before."""
        self._last_ns = max(self._last_ns + 1, int(self.behaviour.clock() * 10**9))
        whose = found.id, found.task or "", found.attempt
        event = RuntimeEvent(kind, *whose, exit_code, signal, self._last_ns, found.node or "")
        self.journal.add(found.cluster, event)

    def change(self, found: Container, **changes: Any) -> Container:
        """Replace fields of an entry."""
        self.table[found.id] = dataclasses.replace(found, **changes)
        return self.table[found.id]

    def now_ms(self) -> int:
        """Return the time of this engine."""
        return int(self.behaviour.clock() * 1000)

    def gone(self, detail: str) -> EngineDown:
        """Return the fault of an engine out of reach."""
        return EngineDown(Reason(Code.ENGINE_DOWN, f"Docker does not answer at fake://: {detail}; start it."))

    def _end(self, found: Container, code: int) -> None:
        ended = self.change(found, state="exited", exit_code=code, finished_ms=self.now_ms(), ip=None, pid=None)
        self.tell(ended, "die", exit_code=code)

    def _must_exist(self, word: str) -> Container:
        found = self.find(word)
        if found is None:
            raise LookupError(f"no container {word}")
        return found

    def _must_run(self, word: str) -> Container:
        found = self._must_exist(word)
        if not found.running:
            raise LookupError(f"container {word} does not run")
        return found


def log_driver(plan: ContainerPlan) -> str:
    """Return the log driver that a plan asks for."""
    config = plan.body.get("HostConfig", {}).get("LogConfig") or {}
    return str(config.get("Type", "json-file"))
