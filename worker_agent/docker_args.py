"""From a task's record and spec to the body of Docker's ``POST /containers/create``: values in, value out.

Docker's own restart policy is always ``no``: ormen restarts. Privileges are those of the spec, which the deck's policy
has let pass.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ormen.spec import Spec, VolumeSpec
from ormen.task import Port, Task
from ormen.units import format_cores, format_size
from worker_agent.docker_options import container_options, host_options
from worker_agent.runtime import ContainerPlan

CLUSTER = "ormen.cluster"
TASK = "ormen.task"
ATTEMPT = "ormen.attempt"
NODE = "ormen.node"
SPEC = "ormen.spec"
FIXED = "ormen.fixed"
"""The labels that say whose a container is. SPEC is `spec_hash`, and tells whether a container can be adopted; so does
FIXED, the hash of what no change of a running task touches, for one whose labels or limits have changed since."""

LIMITS = ("CpuShares", "MemoryReservation", "NanoCpus", "Memory", "MemorySwap")
"""What of a HostConfig can be changed while the container runs."""


def plan(task: Task, spec: Spec, *, cluster: str, bind: str, image: str | None = None) -> ContainerPlan:
    """Return the container for the task's current attempt on its current node, of `image` if that is not the spec's.

    `bind` is the host address for a port of the record that names none. On the host's network nothing is published:
    there the record's ports only keep others from them. Two plans have the same ``ormen.spec``
    label exactly if everything that is fixed when a container is created is the same; the attempt is not part of it,
    nor is `image`, which is another name for what the spec's meant.
    """
    # Docker gives every container that asks for one GPU the first: the record says which are this task's.
    spec = replace(spec, gpus=task.gpus or spec.gpus)
    published = () if spec.on_host_network else task.ports
    ports = tuple(Port(port.container, port.host, port.protocol, port.bind or bind) for port in published)
    body = _body(spec, ports)
    ours = {
        CLUSTER: cluster,
        TASK: task.id,
        ATTEMPT: str(task.attempt),
        NODE: task.node or "",
        SPEC: spec_hash(body),
        FIXED: fixed_hash(body),
    }
    return ContainerPlan(
        name=task.container_name,
        image=image or spec.image,
        body={**body, "Image": image or spec.image, "Labels": {**spec.labels, **ours}},
        ports=ports,
    )


def spec_hash(body: Mapping[str, Any]) -> str:
    """Return 16 hex digits of what is fixed at create: of the whole body but ormen's own labels."""
    labels = {key: value for key, value in (body.get("Labels") or {}).items() if not key.startswith("ormen.")}
    canonical = json.dumps({**body, "Labels": labels}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def fixed_hash(body: Mapping[str, Any]) -> str:
    """Return the hash of what stays as it was at create, whatever is changed of a running task."""
    host = {key: value for key, value in (body.get("HostConfig") or {}).items() if key not in LIMITS}
    return spec_hash({**body, "HostConfig": host, "Labels": {}})


def limits(spec: Spec) -> dict[str, int]:
    """Return what a container of this spec may use, as members of a HostConfig; 0 is no limit."""
    most = spec.memory_limit_bytes
    return {
        "CpuShares": cpu_shares(spec.resources.cpu_milli),
        # Docker refuses a reservation above the limit.
        "MemoryReservation": min(spec.resources.memory_bytes, most or spec.resources.memory_bytes),
        "NanoCpus": (spec.cpu_limit_milli or 0) * 1_000_000,
        "Memory": most or 0,
        # MemorySwap is memory and swap together: equal means no swap.
        "MemorySwap": most or 0,
    }


def shown(spec: Spec) -> str:
    """Return what a task reserves and may use, for people: ``0.5 cpu (at most 1) and 512 MiB (at most 512 MiB)``."""
    cpu, memory = format_cores(spec.resources.cpu_milli), format_size(spec.resources.memory_bytes)
    cores = f" (at most {format_cores(spec.cpu_limit_milli)})" if spec.cpu_limit_milli else ""
    most = f" (at most {format_size(spec.memory_limit_bytes)})" if spec.memory_limit_bytes else ""
    return f"{cpu} cpu{cores} and {memory}{most}"


def cpu_shares(cpu_milli: int) -> int:
    """Return the weight a reservation has when cores are short: 1,024 a core, at least the 2 that Linux demands.

    The formula is Kubernetes' own. Where cores are idle a container takes more than it reserved, up to its limit.
    """
    return max(2, cpu_milli * 1024 // 1000)


def _body(spec: Spec, ports: tuple[Port, ...]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Labels": dict(spec.labels),
        "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in ports},
        # Docker counts whole seconds; rounding down would shorten what the user granted.
        "StopTimeout": math.ceil(spec.stop_grace_s),
        "HostConfig": _host_config(spec, ports),
        **container_options(spec),
    }
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        # An ENTRYPOINT without a Cmd beside it drops the image's CMD: the engine does that by itself. An empty
        # list would mean "the image's"; one empty string is Docker's way to say "none".
        body["Entrypoint"] = list(spec.entrypoint) or [""]
    return body


def _host_config(spec: Spec, ports: tuple[Port, ...]) -> dict[str, Any]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.bind, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(binding)
    return {
        **{key: value for key, value in limits(spec).items() if value},
        "PortBindings": bindings,
        "Mounts": [_mount(volume) for volume in spec.volumes],
        "RestartPolicy": {"Name": "no"},
        **host_options(spec),
    }


def _mount(volume: VolumeSpec) -> dict[str, Any]:
    # A bind as a mount is refused where the path is missing; the older form would create it, owned by root.
    kind, source = ("volume", volume.name) if volume.name is not None else ("bind", volume.host)
    return {"Type": kind, "Source": source, "Target": volume.target, "ReadOnly": volume.read_only}
