"""What is wrong between the fields of a task that are each right by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ormen.container_check import container_conflicts
from ormen.errors import Fault
from ormen.fields import MOST_NAME
from ormen.spec import Spec
from ormen.units import format_cores, format_size

MOST_START_BYTES = 1024**2
"""Bytes of command, entrypoint and variables together: half of what Linux hands to a program by default."""

_DEFAULT = Spec(image="")
_WILDCARDS = ("0.0.0.0", "::")


def task_conflicts(found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults; `found` holds the fields of `sent` that could be read, None where a list's item could not."""
    yield from _limits(found)
    yield from _ports(found.get("ports") or ())
    yield from _targets(found.get("volumes") or ())
    # Ports that were sent but could not be read have a fault of their own.
    if not ("ports" in sent and "ports" not in found):
        yield from _check(found)
    yield from _lengths(found)
    yield from container_conflicts(found, sent)


def _limits(found: Mapping[str, Any]) -> Iterator[Fault]:
    memory = found.get("memory", _DEFAULT.resources.memory_bytes)
    limit = found.get("memory_limit", memory)
    if limit < memory:
        default = "" if "memory" in found else " by default"
        yield Fault(
            ("memory_limit",),
            "CONFLICT",
            f"{format_size(limit)} is less than memory, {format_size(memory)}{default}",
            limit,
            None if default == "" else f"give memory, too: at most {format_size(limit)}",
        )
    cpu = found.get("cpu", _DEFAULT.resources.cpu_milli)
    most = found.get("cpu_limit", cpu)
    if most < cpu:
        default = "" if "cpu" in found else " by default"
        yield Fault(
            ("cpu_limit",),
            "CONFLICT",
            f"{format_cores(most)} is less than cpu, {format_cores(cpu)}{default}",
            most / 1000,
            None if default == "" else f"give cpu, too: at most {format_cores(most)}",
        )


def _ports(ports: Any) -> Iterator[Fault]:
    for index, port in enumerate(ports):
        for earlier, other in enumerate(ports[:index]):
            if port and other and port.get("host") is not None and _collide(port, other):
                where = f"ports[{earlier}] already takes host port {port['host']}/{port.get('protocol', 'tcp')}"
                yield Fault(("ports", index, "host"), "DUPLICATE", where, port["host"])
                break


def _collide(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two ports ask for the same host port; a wildcard address takes it on every other, too."""
    if one["host"] != other.get("host") or one.get("protocol", "tcp") != other.get("protocol", "tcp"):
        return False
    binds = (one.get("bind"), other.get("bind"))
    return binds[0] == binds[1] or (None not in binds and any(bind in _WILDCARDS for bind in binds))


def _targets(volumes: Any) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, volume in enumerate(volumes):
        target = (volume or {}).get("target")
        if target is None:
            continue
        earlier = seen.setdefault(target.rstrip("/"), index)
        if earlier != index:
            yield Fault(
                ("volumes", index, "target"), "DUPLICATE", f"{target} is where volumes[{earlier}] is mounted", target
            )


def _check(found: Mapping[str, Any]) -> Iterator[Fault]:
    path = (found.get("health") or {}).get("http", "")
    ports = found.get("ports") or ()
    if not path.startswith("/") or None in ports or any(port.get("protocol", "tcp") == "tcp" for port in ports):
        return
    hint = f"write it as :PORT{path[:60]}, or publish a port"
    yield Fault(("health", "http"), "CONFLICT", "no port to ask: ports names no TCP port", path, hint)


def _lengths(found: Mapping[str, Any]) -> Iterator[Fault]:
    words = {key: sum(len(word.encode()) + 1 for word in found.get(key) or ()) for key in ("command", "entrypoint")}
    words["env"] = sum(len(key.encode()) + len(value.encode()) + 2 for key, value in found.get("env", {}).items())
    total = sum(words.values())
    if total > MOST_START_BYTES:
        longest = max(words, key=lambda key: words[key])
        detail = f"command, entrypoint and env have {total} bytes together; the most is {MOST_START_BYTES}"
        yield Fault((longest,), "TOO_LONG", detail)
    name, count = found.get("name"), found.get("count")
    if name and count and len(f"{name}-{count}") > MOST_NAME:
        detail = f"{name}-{count} has {len(f'{name}-{count}')} characters; the most is {MOST_NAME}"
        yield Fault(("name",), "TOO_LONG", detail, name)
