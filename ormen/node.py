"""A node: a host with an agent, as placement and the API see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ormen.clock import rfc3339
from ormen.reasons import Code, Reason


class NodeState(StrEnum):
    """What a node is good for. The first that holds is shown: lost, suspect, draining, cordoned, ready."""

    READY = "ready"
    SUSPECT = "suspect"
    LOST = "lost"
    DRAINING = "draining"
    CORDONED = "cordoned"


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts of what a node has or a task takes, whole numbers: milli-cores, bytes, and GPUs."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    gpus: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpu_milli + other.cpu_milli,
            self.memory_bytes + other.memory_bytes,
            self.disk_bytes + other.disk_bytes,
            self.gpus + other.gpus,
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            self.cpu_milli - other.cpu_milli,
            self.memory_bytes - other.memory_bytes,
            self.disk_bytes - other.disk_bytes,
            self.gpus - other.gpus,
        )

    def fits_in(self, room: Resources) -> bool:
        """Return whether each amount is at most that of `room`."""
        return (
            self.cpu_milli <= room.cpu_milli
            and self.memory_bytes <= room.memory_bytes
            and self.disk_bytes <= room.disk_bytes
            and self.gpus <= room.gpus
        )

    def to_json(self) -> dict[str, Any]:
        """Return ``cpu`` in cores and the bytes under names that carry their unit."""
        return {
            "cpu": self.cpu_milli / 1000,
            "memory_bytes": self.memory_bytes,
            "disk_bytes": self.disk_bytes,
            "gpus": self.gpus,
        }


@dataclass(frozen=True, slots=True)
class Node:
    """A node's facts, and what placement has taken from it.

    `capacity` is what may be reserved (its share of the host), `used` what the host really uses now. `gpus` are the ids
    of those that it has, `lent` says which task has which of them.
    `engine` is the Docker engine's own id: nodes that share an engine share its host ports. `synced` is false
    until the agent's first full look at Docker has been reported; such a node gets nothing.
    `declared_lost` says that its tasks have been taken from it; `shown` is the
    state that was last told as an event, None until liveness has told one. `held` says that it is lost and the brake
    keeps its tasks from being moved. `heartbeat_ms` is
    the age-giving time of the last heartbeat; `state` is derived from it when the node is read.
    `since_ms` is since when it is in its state, None where that is not known; `marked_by` and `marked_why` say who has
    drained or cordoned it. `facts` holds the rest of what the agent measured, by name.
    """

    name: str
    state: NodeState
    state_reason: Reason | None = None
    address: str = ""
    status_url: str | None = None
    engine: str = ""
    engine_version: str = ""
    os: str = "linux"
    arch: str = "amd64"
    agent_version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Resources = Resources()
    reserved: Resources = Resources()
    used: Resources = Resources()
    gpus: tuple[str, ...] = ()
    lent: Mapping[str, str] = field(default_factory=dict)
    tasks: int = 0
    synced: bool = True
    declared_lost: bool = False
    held: bool = False
    shown: str | None = None
    heartbeat_ms: int = 0
    heartbeat_age_s: float = 0.0
    joined_ms: int = 0
    skew_ms: int = 0
    since_ms: int | None = None
    marked_by: str | None = None
    marked_why: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def free(self) -> Resources:
        """Return what can still be reserved."""
        return self.capacity - self.reserved

    @property
    def silent_s(self) -> float | None:
        """Return for how long its agent has said nothing; None for one that went down on purpose."""
        return self.heartbeat_age_s if self.heartbeat_ms else None

    @property
    def silent(self) -> bool:
        """Return whether its agent has said nothing for so long that it is suspect or lost for that alone."""
        codes = (Code.NODE_SUSPECT, Code.NODE_LOST, Code.BRAKE)
        return self.state_reason is not None and self.state_reason.code in codes

    @property
    def takes_tasks(self) -> bool:
        """Return whether placement may choose this node at all."""
        return self.state is NodeState.READY and self.synced

    def to_json(self, ports: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the node as the API shows it; `ports` maps ``8080/tcp`` to the name of the task that holds it."""
        return {
            "name": self.name,
            "state": self.state.value,
            "state_reason": self.state_reason.to_json() if self.state_reason else None,
            "address": self.address,
            "labels": dict(self.labels),
            "agent_version": self.agent_version,
            "engine": {"version": self.engine_version, "os": self.os, "arch": self.arch},
            "last_heartbeat_at": rfc3339(self.heartbeat_ms or None),
            "joined_at": rfc3339(self.joined_ms or None),
            "clock_skew_ms": self.skew_ms,
            "tasks": self.tasks,
            "ports": dict(ports or {}),
            "capacity": self.capacity.to_json(),
            "reserved": self.reserved.to_json(),
            "used": self.used.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Stranger:
    """An agent whose heartbeats come to this Redis although it has joined another cluster."""

    name: str
    cluster: str
    heartbeat_ms: int

    def to_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"name": self.name, "cluster": self.cluster, "last_heartbeat_at": rfc3339(self.heartbeat_ms)}


def strange(names: Sequence[str]) -> str:
    """Return the sentence that says whose agents call here, and the remedy; `names` are theirs, at least one."""
    if len(names) == 1:
        return (
            f"An agent of another cluster calls here: {names[0]}. Its containers run on; "
            "start the agent again to join this cluster."
        )
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return (
        f"{len(names)} agents of another cluster call here: {shown}. Their containers run on; "
        "start the agents again to join this cluster."
    )
