"""The dialect of the two seed systems, as pure translation: their events in, their tasks and nodes out.

Their programs are written in Go, which matches keys in any case on input, takes a missing key for the zero value
and decodes strictly by type; so every field is written, numbers as numbers, and a time that never was as the
year 1. Numbers of states: 0 pending, 1 scheduled, 2 running, 3 completed, 4 failed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ormen.clock import rfc3339
from ormen.errors import InvalidSpec, NotJson
from ormen.node import Node
from ormen.resolving import resolve
from ormen.seed_stats import stats
from ormen.spec import Spec
from ormen.task import State, Task

NO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time."""

STOP = 3
"""The wanted state of an event that stops its task; every other number asks to run it."""

_NO_ID = "00000000-0000-0000-0000-000000000000"
_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp))?", re.ASCII)

# Each key of their task, with the type Go decodes it into.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "ID": (str,), "ContainerID": (str,), "Name": (str,), "State": (int,), "Image": (str,), "Cpu": (int, float),
    "Memory": (int,), "Disk": (int,), "ExposedPorts": (dict,), "HostPorts": (dict,), "PortBindings": (dict,),
    "RestartPolicy": (str,), "StartTime": (str,), "FinishTime": (str,), "HealthCheck": (str,), "RestartCount": (int,),
}  # fmt: skip
_WORDS = {str: "a string", int: "a whole number", float: "a number", dict: "an object"}

# From our fields to theirs, for the sentence about a faulty body.
FIELDS: Mapping[str, str] = {
    "id": "ID", "name": "Name", "image": "Image", "cpu": "Cpu", "memory": "Memory", "memory_limit": "Memory",
    "disk": "Disk", "ports": "PortBindings", "restart": "RestartPolicy", "health": "HealthCheck",
}  # fmt: skip
"""From the first part of a fault's path to the key of their task that it comes from."""


class SeedError(NotJson):
    """A body that is no event; `str(error)` is one sentence for their error body's ``Message``."""


@dataclass(frozen=True, slots=True)
class SeedEvent:
    """What an event asks. `action` is ``run`` or ``stop``; `task_id` is None if the client left it to us.

    `raw` is the spec in our own fields, `{}` for a stop; it has not been validated.
    """

    action: str
    task_id: str | None
    raw: Mapping[str, Any]


def is_seed(body: object) -> bool:
    """Return whether a body is in the seeds' dialect: an envelope, or a task with one of their capital keys."""
    if not isinstance(body, Mapping):
        return False
    if any(isinstance(key, str) and key.lower() in ("sail", "task") for key in body):
        return True
    return any(key in body for key in (*_TYPES, "CPU", "Timestamp"))


def to_event(body: object) -> SeedEvent:
    """Return what an event, or a bare task, asks. Unknown keys are ignored, as Go does.

    The event's wanted `State` decides; a bare task is to be run whatever its own says. Raises SeedError.
    """
    if not isinstance(body, Mapping):
        raise SeedError("The body is not an event: a JSON object is needed.")
    keys = {key.lower(): key for key in body if isinstance(key, str)}
    envelope = [keys[key] for key in ("sail", "task") if key in keys]
    if not envelope:
        task = _typed(body)
        return SeedEvent("run", _id(task, "ID"), _raw(task))
    wanted = _typed({"ID": body.get(keys.get("id", "")), "State": body.get(keys.get("state", ""))}).get("State", 0)
    inner: object = next((body[key] for key in envelope if body[key] is not None), {})
    if not isinstance(inner, Mapping):
        raise SeedError(f"{envelope[0]} must be an object.")
    task = _typed(inner)
    task_id = _id(task, "ID")
    if wanted != STOP:
        return SeedEvent("run", task_id, _raw(task))
    if task_id is None:
        raise SeedError(f"{envelope[0]}.ID is needed to stop a task.")
    return SeedEvent("stop", task_id, {})


def sentence(error: InvalidSpec) -> str:
    """Return the faults of a translated spec as one sentence that names their keys."""
    said = []
    for fault in error.faults:
        field = FIELDS.get(str(fault.path[0]), str(fault.path[0])) if fault.path else "The task"
        said.append(f"{field}: {fault.detail}" + (f" ({fault.hint})" if fault.hint else ""))
    return "; ".join(dict.fromkeys(said)) + "."


def _typed(body: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the known keys in their own spelling; null and missing are left out, a wrong type is refused."""
    spelling = {key.lower(): key for key in _TYPES}
    found: dict[str, Any] = {}
    for key, value in body.items():
        name = spelling.get(key.lower()) if isinstance(key, str) else None
        if name is None or value is None:
            continue
        kinds = _TYPES[name]
        if int in kinds and isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise SeedError(f"{key} must be {_WORDS[kinds[-1]]}.")
        found[name] = value
    return found


def _id(task: Mapping[str, Any], key: str) -> str | None:
    text = task.get(key, _NO_ID)
    try:
        if len(text) != 36:
            raise ValueError(text)
        found = str(uuid.UUID(text))
    except ValueError:
        raise SeedError(f"{key} is not a UUID such as bb1d59ef-9fc1-4e4b-a44d-db571eeed203.") from None
    return None if found == _NO_ID else found


def _raw(task: Mapping[str, Any]) -> dict[str, Any]:
    raw: dict[str, Any] = {"id": _id(task, "ID"), "name": task.get("Name"), "image": task.get("Image")}
    cpu = task.get("Cpu", 0)
    # Their numbers have any precision, ours three decimals; what was given is never rounded to nothing.
    finite = isinstance(cpu, int) or abs(cpu) < 1e9
    raw["cpu"] = max(0.001, round(cpu, 3)) if finite and cpu > 0 else cpu
    raw |= {"memory": task.get("Memory"), "disk": task.get("Disk"), "ports": _ports(task)}
    raw["restart"] = task.get("RestartPolicy")
    if path := task.get("HealthCheck"):
        raw["health"] = {"http": path if path.startswith("/") else f"/{path}", "expect": "200"}
    return {key: value for key, value in raw.items() if value}


def _ports(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    bindings: Mapping[str, Any] = task.get("PortBindings", {})
    asked: dict[tuple[int, str], str] = {_port(key, "ExposedPorts"): "" for key in task.get("ExposedPorts", {})}
    for key, host in bindings.items():
        if not isinstance(host, str):
            raise SeedError(f'PortBindings["{key[:40]}"] must be a string such as "7777".')
        asked[_port(key, "PortBindings")] = host
    ports = []
    for (container, protocol), host in asked.items():
        port: dict[str, Any] = {"container": container}
        if host not in ("", "0"):
            if not re.fullmatch(r"[0-9]{1,5}", host, re.ASCII):
                raise SeedError(f'PortBindings["{container}/{protocol}"]: "{host[:40]}" is not a port.')
            port["host"] = int(host)
        if protocol != "tcp":
            port["protocol"] = protocol
        ports.append(port)
    return ports


def _port(key: object, where: str) -> tuple[int, str]:
    match = _PORT.fullmatch(key) if isinstance(key, str) else None
    if match is None:
        raise SeedError(f'{where}: "{str(key)[:40]}" is not a port such as 7777/tcp.')
    return int(match[1]), match[2] or "tcp"


def render_task(task: Task) -> dict[str, Any]:
    """Return the task as the seeds' clients decode it, each field present and in their order.

    Cpu, Memory and Disk are what was asked, 0 if nothing was; HostPorts are the real bindings.
    """
    spec = resolve(task.spec)
    given = {key for key, value in task.spec.items() if value is not None}
    cores = spec.resources.cpu_milli / 1000
    ports: dict[str, dict[str, str]] = {f"{port.container}/{port.protocol}": {} for port in spec.ports}
    return {
        "ID": task.id,
        "ContainerID": task.container_id or "",
        "Name": task.name,
        "State": task.state.number,
        "Image": task.spec["image"],
        "Cpu": (int(cores) if cores.is_integer() else cores) if "cpu" in given else 0,
        "Memory": spec.resources.memory_bytes if "memory" in given else 0,
        "Disk": spec.resources.disk_bytes,
        "ExposedPorts": ports or None,
        "HostPorts": _host_ports(task),
        "PortBindings": _bindings(spec),
        "RestartPolicy": _restart_policy(spec, "restart" in given),
        "StartTime": rfc3339(task.started_ms) or NO_TIME,
        "FinishTime": rfc3339(task.ended_ms) or NO_TIME,
        "HealthCheck": str((task.spec.get("health") or {}).get("http") or ""),
        "RestartCount": task.tries,
    }


def _host_ports(task: Task) -> dict[str, list[dict[str, str]]] | None:
    found: dict[str, list[dict[str, str]]] = {}
    for port in task.ports if task.state is State.RUNNING else ():
        bindings = found.setdefault(f"{port.container}/{port.protocol}", [])
        bindings.append({"HostIp": port.bind, "HostPort": str(port.host)})
    return found or None


def _bindings(spec: Spec) -> dict[str, str] | None:
    asked = {f"{port.container}/{port.protocol}": str(port.host) for port in spec.ports if port.host is not None}
    return asked or None


def _restart_policy(spec: Spec, given: bool) -> str:
    # Their empty string is Docker's "no"; a policy that was not given was the empty string, too.
    return spec.restart.mode if given and spec.restart.mode != "no" else ""


def render_node(node: Node) -> dict[str, Any]:
    """Return the node as the seeds' clients decode it: Memory in kB, Disk in bytes, Api its status page's URL."""
    return {
        "Name": node.name,
        "Ip": node.address,
        "Api": node.status_url or "",
        "Memory": node.capacity.memory_bytes // 1024,
        "MemoryAllocated": node.reserved.memory_bytes // 1024,
        "Disk": node.capacity.disk_bytes,
        "DiskAllocated": node.reserved.disk_bytes,
        "Stats": stats(node.facts.get("stats"), tasks=node.tasks),
        "Role": "worker",
        "TaskCount": node.tasks,
    }
