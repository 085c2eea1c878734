"""``python -m worker_agent``: the agent of one node, from the environment's settings.

Exit codes: 0 ended as asked, 4 another agent is this node, 5 the engine refuses us, 6 the deck does not list this
node, 2 a setting cannot be read. An engine or a Redis that does not answer is waited for.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import socket
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from celery.exceptions import SecurityWarning

from ormen.errors import NodeRefused, NodeTaken, StoreUnavailable
from ormen.reasons import Code
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Joined, NodeCard
from ormen.store.talks import TalkStore
from ormen.task import State
from worker_agent import app as process_app
from worker_agent import facts
from worker_agent.agent import Agent, Home, Ways
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.evidence import Evidence
from worker_agent.inventory import Inventory
from worker_agent.kernel_kills import KernelKills
from worker_agent.lanes import Lanes
from worker_agent.operations import register
from worker_agent.runtime import Engine, EngineDenied, RuntimeFault
from worker_agent.station import Station
from worker_agent.status_api import StatusPage
from worker_agent.tidying import Keep

log = logging.getLogger("ormen.sailor")

WRONG_USE, NODE_TAKEN, ENGINE_DENIED, NODE_REFUSED = 2, 4, 5, 6
PULSE_TIMEOUT_S = 1.0
"""How long a heartbeat waits for its answer before its second try."""
CONNECTIONS = 3
"""To Redis at most for the agent's work, beside the heartbeat's one and the broker's four. A call needs one for about a
millisecond, and a large cluster has thousands of them."""
TWIN_WAIT_S = 3.0
"""How long the lock is waited for: an agent that was just killed lets go of it within moments."""
SAY_EVERY_S = 10.0

T = TypeVar("T")


class Exit(Exception):
    """The agent cannot start; `str` is the sentence for stderr."""

    def __init__(self, sentence: str, *, code: int, name: str, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.code, self.name, self.hint = code, name, hint


@dataclass(frozen=True, slots=True)
class Files:
    """What an agent keeps on its host: the lock of its node, what it remembers, and what it brought."""

    lock: Path
    memory: Path
    inventory: Path

    @classmethod
    def of(cls, settings: Settings, engine: Engine, node: str) -> Files:
        """Return the files of this engine's node in the state folder, which is made."""
        state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        folder = Path(settings.state_dir or Path(state) / "ormen" / "agents")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise unusable(folder, fault) from fault
        stem = f"{node}-{hashlib.sha256(engine.id.encode()).hexdigest()[:10]}"
        return cls(folder / f"{stem}.lock", folder / f"{stem}.json", folder / f"{stem}.inventory.json")


def main() -> int:
    """Run the agent until a signal; return the exit code."""
    try:
        settings = Settings.from_env()
        node = facts.node_name(settings)
        set_up_log(settings.log_level)
        # Who may use Docker is root anyway, and messages are JSON that carries no orders.
        warnings.simplefilter("ignore", SecurityWarning)
        return run(settings, node)
    except ValueError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return WRONG_USE
    except Exit as end:
        print(f"error: {str(end).rstrip('.')}.  [{end.name}]", file=sys.stderr)
        if end.hint:
            print(f"hint:  {end.hint}.", file=sys.stderr)
        return end.code


def run(settings: Settings, node: str) -> int:
    """Check the engine, take the node's lock, join, and work."""
    runtime = DockerRuntime(settings.docker_host, stall_s=settings.pull_stall_s)
    engine = patiently(runtime.engine)
    files = Files.of(settings, engine, node)
    lock = take_lock(files.lock, node)
    card = facts.card(settings, engine, instance=uuid.uuid4().hex)
    store = AgentStore.connect(settings, f"sailor-{node}", most=CONNECTIONS)
    name = hold_name(f"{patiently(store.cluster)} {engine.id} {node}", node)
    joined = patiently(lambda: store.join(card))
    say_joined(settings, card)
    say_others(patiently(lambda: runtime.others(joined.cluster)))
    process = process_app.Process()
    celery = process_app.make_agent_app(settings, node)
    ringer = Ringer(store)
    store.on_room = lambda ids: _ring(ringer, ids)
    evidence, inventory = Evidence(kills=KernelKills()), Inventory(files.inventory)
    station = Station(node, card.instance, joined.cluster, settings.bind, store, runtime, evidence, inventory)
    pulse_store = AgentStore.connect(settings, f"pulse-{node}", timeout_s=PULSE_TIMEOUT_S)
    talk_store = TalkStore.connect(settings, f"talks-{node}")
    home = Home(card, engine.root_dir, pulse_store, files.memory, Keep.of(settings), talk_store)
    agent = Agent(station, Lanes(), ways=_ways(process, ringer, node), home=home)
    process.agent = agent
    register(celery, agent)
    process_app.attach(celery, process_app.Crew(agent), process)
    page = status_page(settings, agent)
    code = process_app.work(celery, node)
    if not process.asked:
        # Celery ends itself when Redis drops while a delivery is in hand; nobody asked it to.
        time.sleep(1.0)
        process.restart(f"the worker ended with code {code}")
    if page is not None:
        page.close()
    os.close(lock)
    name.close()
    log.info("ended; containers run on" if not agent.controller.going_down else "ended with its containers")
    return process.exit_code


def patiently(ask: Callable[[], T]) -> T:
    """Return what `ask` returns, waiting for an engine or a Redis that does not answer, and saying so."""
    said_at = -SAY_EVERY_S
    while True:
        try:
            return ask()
        except NodeTaken as fault:
            raise Exit(str(fault), code=NODE_TAKEN, name=fault.code, hint=fault.hint) from fault
        except NodeRefused as fault:
            raise Exit(str(fault), code=NODE_REFUSED, name=fault.code, hint=fault.hint) from fault
        except EngineDenied as fault:
            hint = "join the group docker and log in again, or set DOCKER_HOST"
            raise Exit(str(fault), code=ENGINE_DENIED, name=Code.ENGINE_DENIED.value, hint=hint) from fault
        except (StoreUnavailable, RuntimeFault) as fault:
            if time.monotonic() - said_at >= SAY_EVERY_S:
                said_at = time.monotonic()
                log.warning("%s; waiting for it", str(fault).rstrip("."))
            time.sleep(0.5)


def take_lock(path: Path, node: str) -> int:
    """Hold the node's lock on this host until the process ends; a twin is refused by its pid."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise unusable(path.parent, fault) from fault
    deadline = time.monotonic() + TWIN_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise twin(os.pread(handle, 20, 0).decode(errors="replace").strip(), node) from None
            time.sleep(0.1)
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def unusable(folder: Path, fault: OSError) -> ValueError:
    """Return the refusal of a state folder that the agent cannot write to."""
    why = (fault.strerror or str(fault)).lower()
    return ValueError(f"ORMEN_STATE_DIR: {folder} cannot be used: {why}; name a folder that this user may write to")


def hold_name(what: str, node: str) -> socket.socket:
    """Hold the node's name on this host whatever state folder was named; the kernel lets go when the process ends."""
    holder = socket.socket(socket.AF_UNIX)
    address = "\0ormen-agent-" + hashlib.sha256(what.encode()).hexdigest()[:32]
    deadline = time.monotonic() + TWIN_WAIT_S
    while True:
        try:
            holder.bind(address)
            break
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                log.debug("the name is not held on this host: %s", fault)  # no abstract addresses outside Linux
                return holder
            if time.monotonic() > deadline:
                raise twin("", node) from None
            time.sleep(0.1)
    return holder


def twin(pid: str, node: str) -> Exit:
    """Return the refusal of a second agent of the same name."""
    who = f"the agent with pid {pid}" if pid else "another agent"
    hint = "choose another --name, or stop that agent"
    return Exit(f"{who} on this host is {node}", code=NODE_TAKEN, name="NODE_TAKEN", hint=hint)


def say_joined(settings: Settings, card: NodeCard) -> None:
    """Log one line that names the place, the node and what it brings."""
    parts = urlsplit(settings.redis_url)
    place = f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    cores, memory = card.capacity.cpu_milli / 1000, card.capacity.memory_bytes / 1024**3
    log.info("joined %s as %s, %g cpu, %.1f GiB, Docker %s", place, card.name, cores, memory, card.engine_version)


def say_others(found: Mapping[str, int]) -> None:
    """Log whose containers are here beside ours: another cluster's, or those of one whose Redis was emptied."""
    if not found:
        return
    amount = sum(found.values())
    shown = ", ".join(cluster[:8] for cluster in sorted(found)[:3]) + (" …" if len(found) > 3 else "")
    log.warning(
        "%d %s of other clusters (%s) on this engine: left alone; docker ps -a --filter label=ormen.cluster lists them",
        amount,
        "container" if amount == 1 else "containers",
        shown,
    )


def status_page(settings: Settings, agent: Agent) -> StatusPage | None:
    """Start the agent's page; a port that is taken costs the page, not the agent."""
    try:
        page = StatusPage(
            (settings.status_host, settings.status_port),
            stats=lambda: facts.seed_stats(len(agent.controller.known())),
            tasks=lambda: seed_tasks(agent),
            fault=agent.fault,
        )
    except OSError as fault:
        log.warning("no status page: %s:%d: %s", settings.status_host, settings.status_port, fault.strerror)
        return None
    page.start()
    return page


def seed_tasks(agent: Agent) -> list[dict[str, object]]:
    """Return the node's running tasks as the seed systems' workers show them."""
    from ormen.seed import render_task

    held = agent.station.store.held(agent.station.node)
    return [render_task(task) for task in held if task.state in (State.SCHEDULED, State.RUNNING)]


def set_up_log(level: str) -> None:
    """Log to stderr, one plain line each with its level; who supervises us shows time and name before it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("ormen", "worker_agent"):
        logging.getLogger(name).setLevel(level.upper())


def _ways(process: process_app.Process, ringer: Ringer, node: str) -> Ways:
    def leave(why: str) -> None:
        print(f"error: {why.rstrip('.')}.  [NODE_TAKEN]", file=sys.stderr)
        process.leave(NODE_TAKEN)

    return Ways(post_proof=lambda: ringer.prove(node), restart=process.restart, leave=leave)


def _ring(ringer: Ringer, ids: object) -> None:
    with suppress(OSError):
        ringer.ring_control(list(ids))  # type: ignore[call-overload]


__all__ = ["Joined", "main"]

if __name__ == "__main__":
    raise SystemExit(main())
