"""A task's spec, resolved: what the user asked for, with defaults filled in and units made whole numbers.

Built by `ormen.schema.load_task` only; never changed by ormen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ormen.node import Resources

UNASKED = Resources(cpu_milli=100, memory_bytes=128 * 1024**2)
"""What is reserved for a task that asks for nothing: 0.1 cores and 128 MiB."""


USUAL_PRIORITY = 50
"""The priority of a task that names none."""


USUAL_WEIGHT = 50
"""The weight of a preference that names none."""


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A container port to publish. `host` None takes one from the pool, `bind` None the agent's own default."""

    container: int
    host: int | None = None
    protocol: str = "tcp"
    bind: str | None = None


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """A check: exactly one of `http` (a path), `tcp` (a container port) and `command` is set.

    `port` is the container port of an HTTP check. `expect` is the inclusive range of good statuses.
    """

    http: str | None = None
    port: int | None = None
    expect: tuple[int, int] = (200, 399)
    tcp: int | None = None
    command: tuple[str, ...] | None = None
    grace_s: float = 30.0
    interval_s: float = 10.0
    timeout_s: float = 3.0
    retries: int = 3


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """Either a named volume (`name`) or a path of the host (`host`), mounted at `target`."""

    target: str
    name: str | None = None
    host: str | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class UlimitSpec:
    """A limit that Linux sets each process, by its name (``nofile``); -1 is no limit."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device of the host, where it is in the container, and what of ``rwm`` the container may do with it."""

    host: str
    container: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class LogSpec:
    """Where Docker writes what the container prints: the driver, and all options that it is given."""

    driver: str
    options: Mapping[str, str] = field(default_factory=dict)


ROTATED = LogSpec("json-file", {"max-size": "10m", "max-file": "3"})
"""Where nothing else was asked: Docker's own default keeps every line for ever."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When an attempt's own end is followed by another. `most` is the number of restarts, None without end.

    `retry_on` are the exit codes after which ``on-failure`` tries again; empty: every code but 0.
    """

    mode: str = "on-failure"
    most: int | None = None
    retry_on: tuple[int, ...] = ()

    @property
    def always(self) -> bool:
        """Return whether a good exit is followed by a new attempt, too."""
        return self.mode in ("always", "unless-stopped")

    def allows(self, *, exit_code: int, spent: int) -> bool:
        """Return whether another attempt follows an own exit with `exit_code` after `spent` earlier tries."""
        if self.mode == "no":
            return False
        if self.always:
            return True
        return self.counts(exit_code) and (self.most is None or spent < self.most)

    def counts(self, exit_code: int) -> bool:
        """Return whether ``on-failure`` takes this exit code for a failure that another attempt may cure."""
        return exit_code != 0 and (not self.retry_on or exit_code in self.retry_on)


@dataclass(frozen=True, slots=True)
class Preference:
    """What is wished of a node: an expression as of `constraints`, and how much, -100 to 100; below 0: not to be so."""

    constraint: str
    weight: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What a task asks of its nodes beyond room: what is wished of them, and who else is there.

    `most` is the number of tasks of its group that one node may have, `spread` the label over whose values the group is
    to be even. `near` and `far` name a task, or a group, that must be or must not be on the same node.
    """

    preferences: tuple[Preference, ...] = ()
    spread: str | None = None
    most: int | None = None
    near: str | None = None
    far: str | None = None


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class DeadlineSpec:
    """The longest a task may wait to run, and the longest that each of its attempts may run; None: for ever."""

    wait_s: float | None = None
    run_s: float | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """All that one task asks for.

    `image` always has a tag or digest. `memory_limit_bytes` None means no limit, `cpu_limit_milli` likewise.
    `constraints` are the expressions as sent; `ormen.scheduler.constraints.parse` reads them. `strategy` None is
    the cluster's. `command` replaces the image's CMD and `entrypoint` its ENTRYPOINT; None keeps the image's, as it
    does for `workdir`, `user`, `hostname` (Docker's own choice) and `stop_signal`. `gpus` is a number of them, or the
    ids of some. `network` is ``bridge``, ``host`` or a network's name. `log` None is json-file with three files of
    10 MB. Capabilities are without ``CAP_``.
    """

    image: str
    id: str | None = None
    name: str | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = UNASKED
    cpu_limit_milli: int | None = None
    memory_limit_bytes: int | None = None
    ports: tuple[PortSpec, ...] = ()
    restart: RestartPolicy = RestartPolicy()
    health: HealthSpec | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    pull: str = "if-missing"
    stop_grace_s: float = 10.0
    strategy: str | None = None
    count: int | None = None
    workdir: str | None = None
    user: str | None = None
    hostname: str | None = None
    stop_signal: str | None = None
    init: bool = False
    tty: bool = False
    stdin: bool = False
    read_only: bool = False
    privileged: bool = False
    gpus: int | tuple[str, ...] | None = None
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    shm_size_bytes: int | None = None
    ulimits: tuple[UlimitSpec, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[DeviceSpec, ...] = ()
    security_opt: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    network: str = "bridge"
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    log: LogSpec | None = None
    deadline: DeadlineSpec = DeadlineSpec()
    priority: int = USUAL_PRIORITY
    rules: Rules | None = None

    @property
    def on_host_network(self) -> bool:
        """Return whether its ports are the host's own, so that nothing is published."""
        return self.network == "host"
