"""What the agent asks of a container engine, and every way it can say no.

`DockerRuntime` does it with Docker, `FakeRuntime` in memory; one suite (``tests/contract``) holds both to this page.

::

    RuntimeFault            reason: a code and a sentence that names the thing, the place and the remedy
    ├── EngineDown          nothing answers at the engine's socket
    ├── EngineDenied        this process may not use the socket
    ├── EngineHung          the engine took the request and did not answer in time
    ├── NameInUse           another container has the plan's name (`holder`, as inspected)
    ├── ImageMissing        the plan's image is not on this host: pull it, then create again
    ├── PlanRefused         the engine will not create this container (CREATE_REFUSED, DISK_FULL)
    ├── StartRefused        the engine could not start it (PORT_IN_USE, COMMAND_NOT_FOUND, DISK_FULL, INTERRUPTED …)
    ├── PullRefused         the image could not be had (PULL_*, DISK_FULL)
    └── ContainerGone       there is no such container (only from `logs`; elsewhere gone is an answer, not a fault)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ormen.reasons import Code, Reason
from ormen.task import Port
from worker_agent.runtime_images import Image, ImageRuntime, OnProgress, PullProgress
from worker_agent.talking import Talking

__all__ = ["Image", "OnProgress", "PullProgress"]


class RuntimeFault(Exception):
    """Base of all; `str(fault)` is the reason's sentence."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason


class EngineDown(RuntimeFault):
    """Nothing answers at the engine's socket (ENGINE_DOWN)."""


class EngineDenied(RuntimeFault):
    """This process may not use the engine's socket (ENGINE_DENIED)."""


class EngineHung(RuntimeFault):
    """The engine took the request and did not answer in time (ENGINE_HUNG); whether it acts on it is not known."""


class NameInUse(RuntimeFault):
    """Another container has the name (NAME_TAKEN). `holder` is None if it went away before it could be inspected."""

    def __init__(self, reason: Reason, holder: Container | None) -> None:
        super().__init__(reason)
        self.holder = holder


class ImageMissing(RuntimeFault):
    """The image is not on this host (PULL_NOT_FOUND, worded for ``pull: never``)."""


class PlanRefused(RuntimeFault):
    """The engine will not create such a container."""


class StartRefused(RuntimeFault):
    """The engine could not start the container; it exists still and has to be removed."""


class PullRefused(RuntimeFault):
    """The image could not be had."""


class ContainerGone(RuntimeFault):
    """There is no such container."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The container engine of this host. `id` is its own and survives its restarts; `arch` is Go's word (amd64)."""

    id: str
    version: str
    os: str
    arch: str
    cpus: int
    memory_bytes: int
    root_dir: str
    started_at: str | None = None
    """When the engine's process started, if it can be told; another value than before means it restarted."""


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """A container to be created. `body` is that of Docker's ``POST /containers/create``; `ports` are its bindings."""

    name: str
    image: str
    body: Mapping[str, Any]
    ports: tuple[Port, ...] = ()

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the labels the container will carry."""
        labels: Mapping[str, str] = self.body.get("Labels") or {}
        return labels


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine describes it now.

    `state` is Docker's word: created, running, paused, restarting, exited, dead or removing. From `containers`
    (the list call) `exit_code` is read from the status text, and `started_ms`, `finished_ms`, `pid` are None and
    `oom_killed` is False: `inspect` tells them, and `volumes`, the anonymous ones that its image asked for. Times are
    milliseconds of the host's clock.
    """

    id: str
    name: str
    state: str
    exit_code: int | None = None
    oom_killed: bool = False
    started_ms: int | None = None
    finished_ms: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    ip: str | None = None
    network_mode: str = "bridge"
    task: str | None = None
    attempt: int = 0
    node: str | None = None
    cluster: str | None = None
    spec_hash: str | None = None
    fixed_hash: str | None = None
    pid: int | None = None
    volumes: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Return whether a process of it lives (a paused one does)."""
        return self.state in ("running", "paused", "restarting")

    @property
    def paused(self) -> bool:
        """Return whether somebody has frozen its processes: they live and run no code."""
        return self.state == "paused"

    @property
    def ended(self) -> bool:
        """Return whether it ran and runs no more."""
        return self.state in ("exited", "dead")


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """Something that happened to a container of the cluster.

    `type` is Docker's action: create, start, kill, die, oom, stop, destroy … `signal` is set for ``kill``,
    `exit_code` for ``die``. `at_ns` is nanoseconds of the engine's clock and fits `watch`'s `since`. Several nodes may
    share one engine: `node` is whose container it is.
    """

    type: str
    container_id: str
    task: str
    attempt: int
    exit_code: int | None = None
    signal: int | None = None
    at_ns: int = 0
    node: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one check said. `code` is the reason code of this kind of check, also of a good one.

    `status` is the HTTP status or the command's exit code, None if there was no answer; `output` the beginning of
    the body or of what the command printed, one line.
    """

    ok: bool
    sentence: str
    code: Code
    took_ms: int = 0
    status: int | None = None
    output: str = ""


T_co = TypeVar("T_co", covariant=True)


class Stream(Protocol[T_co]):
    """An iterator whose `close` may be called from any thread: whoever waits in it is released."""

    def __iter__(self) -> Iterator[T_co]: ...

    def __next__(self) -> T_co: ...

    def close(self) -> None:
        """End the stream. The iteration stops, or raises what its maker promised."""
        ...


class Runtime(ImageRuntime, Talking, Protocol):
    """A container engine. Every method may raise EngineDown, EngineDenied or EngineHung; all are thread-safe."""

    def engine(self) -> Engine:
        """Return what the engine says of itself."""
        ...

    def create(self, plan: ContainerPlan, *, meanwhile: Callable[[], object] = ...) -> str:
        """Create the container and return its id; waits while an older one of that name is being removed.

        `meanwhile` is called at each try while the engine works at it, so that what it does costs no time; it raises
        nothing.

        Raise NameInUse, ImageMissing or PlanRefused. The name is the mutex: of two creates at once one wins.
        """
        ...

    def start(self, container_id: str) -> None:
        """Start a created container; one that runs already is fine. Raise StartRefused.

        A container that went away meanwhile is StartRefused with INTERRUPTED: create it again.
        """
        ...

    def resize(self, container_id: str, limits: Mapping[str, int]) -> None:
        """Give it other limits while it runs, members of a HostConfig; 0 is none. Gone is fine. Raise PlanRefused."""
        ...

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """Send the stop signal, after `grace_s` SIGKILL; return when it has exited. Not running or gone is fine."""
        ...

    def remove(self, container_id: str) -> None:
        """Remove the container, running or not, and return when it is gone. Gone is fine; volumes always stay."""
        ...

    def inspect(self, word: str) -> Container | None:
        """Return the container with that id or name in full, None if there is none."""
        ...

    def containers(self, cluster: str) -> list[Container]:
        """Return every container labelled with the cluster, in any state, from one cheap call."""
        ...

    def others(self, cluster: str) -> dict[str, int]:
        """Return how many containers, in any state, are labelled with which other cluster."""
        ...

    def remove_volume(self, name: str) -> bool:
        """Remove a volume; False if a container has it. Gone is fine."""
        ...

    def watch(self, cluster: str, *, since: int | None = None) -> Stream[RuntimeEvent]:
        """Return the stream of the cluster's events; it ends only by raising EngineDown (also when closed).

        It is connected when this returns: whatever happens afterwards is seen, and with `since` (`at_ns` of an
        event already seen) also what happened after that event.
        """
        ...

    def log_tail(self, container_id: str, lines: int = 50) -> tuple[str, ...]:
        """Return the last lines it printed, without time; empty if it is gone or its driver cannot be read."""
        ...

    def logs(
        self,
        container_id: str,
        *,
        tail: int | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> Stream[bytes]:
        """Stream what it printed, both outputs, as it comes; `since_s` and `until_s` are seconds since the epoch.

        A line has one time, that of its beginning, however long it is. The stream ends at the container's end, or when
        closed. Raise ContainerGone; reading raises EngineDown if the engine breaks off.
        """
        ...

    def use(self, container_id: str) -> Mapping[str, Any] | None:
        """Return the figures of Docker's ``GET /containers/ID/stats`` of one look; None if the container is gone."""
        ...

    def probe_command(self, container_id: str, command: tuple[str, ...], *, timeout_s: float) -> ProbeResult:
        """Run a command inside; exit 0 within `timeout_s` is good (HEALTH_COMMAND)."""
        ...

    def close(self) -> None:
        """Let go of the engine's connections; an iterator that waits ends with EngineDown."""
        ...
