"""The fields of a spec as types, for whoever writes them in Python: what `docs/api.md` and the schema say in words.

A field that is left out has the deck's default, and so has None. The deck judges the values: nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

Size = int | str
"""Bytes, or text with a binary unit: ``"512MiB"``."""

Duration = float | str
"""Seconds, or text: ``"1m30s"``."""


class PortObject(TypedDict, total=False):
    """A container port to publish."""

    container: int
    host: int | None
    protocol: Literal["tcp", "udp"] | None
    bind: str | None


Ports = Mapping[int, int | None] | Sequence[PortObject]
"""Container port to host port (None: a free one), or the spec's own list."""


class HealthCheck(TypedDict, total=False):
    """Exactly one of `http`, `tcp` and `command`."""

    http: str | None
    expect: str | None
    tcp: int | None
    command: Sequence[str] | None
    grace: Duration | None
    interval: Duration | None
    timeout: Duration | None
    retries: int | None


class Mount(TypedDict, total=False):
    """A volume by `name`, or a `host` path that the policy allows."""

    name: str | None
    host: str | None
    target: str
    read_only: bool | None


class Deadline(TypedDict, total=False):
    """How long a task may wait to run, and each of its attempts may run."""

    wait: Duration | None
    run: Duration | None


class PreferenceFields(TypedDict, total=False):
    """Something that is wished of a node: an expression, and a weight from -100 to 100."""

    constraint: str
    weight: int | None


class SpecFields(TypedDict, total=False):
    """Every field of a spec but `image`, `ports` and `count`."""

    id: str | None
    name: str | None
    command: Sequence[str] | None
    entrypoint: Sequence[str] | None
    env: Mapping[str, str | int | float] | None
    cpu: float | None
    cpu_limit: float | None
    memory: Size | None
    memory_limit: Size | None
    disk: Size | None
    restart: str | None
    health: HealthCheck | None
    labels: Mapping[str, str] | None
    constraints: Sequence[str] | None
    volumes: Sequence[Mount] | None
    pull: Literal["if-missing", "always", "never"] | None
    stop_grace: Duration | None
    strategy: Literal["epvm", "spread", "binpack", "greedy", "roundrobin"] | None
    retry_on: Sequence[int] | None
    deadline: Deadline | None
    priority: int | None
    preferences: Sequence[PreferenceFields] | None
    spread: str | None
    max_per_node: int | None
    near: str | None
    far: str | None
    workdir: str | None
    user: str | None
    hostname: str | None
    stop_signal: str | None
    init: bool | None
    tty: bool | None
    stdin: bool | None
    read_only: bool | None
    privileged: bool | None
    gpus: int | Sequence[str] | None
    tmpfs: Mapping[str, str] | None
    shm_size: Size | None
    ulimits: Sequence[Mapping[str, str | int]] | None
    sysctls: Mapping[str, str | int | float] | None
    devices: Sequence[Mapping[str, str]] | None
    security_opt: Sequence[str] | None
    cap_add: Sequence[str] | None
    cap_drop: Sequence[str] | None
    network: str | None
    extra_hosts: Mapping[str, str] | None
    dns: Sequence[str] | None
    log: Mapping[str, Any] | None


class ChangeFields(TypedDict, total=False):
    """What can be changed of a task that is there; a label that is None is taken away."""

    name: str
    labels: Mapping[str, str | None] | None
    cpu: float | None
    cpu_limit: float | None
    memory: Size | None
    memory_limit: Size | None


def port_objects(ports: Ports | None) -> dict[str, Any]:
    """Return the spec's member ``ports``, nothing without ports."""
    if not ports:
        return {}
    if not isinstance(ports, Mapping):
        return {"ports": [dict(port) for port in ports]}
    return {
        "ports": [
            {"container": inner} if outer is None else {"container": inner, "host": outer}
            for inner, outer in ports.items()
        ]
    }
