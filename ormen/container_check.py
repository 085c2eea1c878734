"""What is wrong between the fields that Docker is told about a container, and between them and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ormen.errors import Fault

NO_PORTS = "none"
"""The network without any."""


def container_conflicts(found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults; `found` holds the fields of `sent` that could be read, None where a list's item could not."""
    yield from _network(found)
    yield from _twice(found.get("ulimits") or (), "ulimits", "name")
    yield from _twice(found.get("devices") or (), "devices", "container")
    yield from _tmpfs(found)
    both = {*found.get("cap_add", ())} & {*found.get("cap_drop", ())}
    for name in sorted(both):
        yield Fault(("cap_drop", found["cap_drop"].index(name)), "CONFLICT", f"{name} is also in cap_add", name)


def _network(found: Mapping[str, Any]) -> Iterator[Fault]:
    network = found.get("network", "bridge")
    if network == "host":
        yield from _on_host(found)
    if network != NO_PORTS:
        return
    if found.get("ports"):
        yield Fault(("ports",), "CONFLICT", "network none publishes no port", None, "give it another network")
    for check in ("http", "tcp"):
        if check in (found.get("health") or {}):
            detail = f"nothing reaches a container of network none to check it by {check}"
            yield Fault(("health", check), "CONFLICT", detail, None, "use command")


def _on_host(found: Mapping[str, Any]) -> Iterator[Fault]:
    taken: dict[tuple[int, str], int] = {}
    for index, port in enumerate(found.get("ports") or ()):
        if port is None or "container" not in port:
            continue
        number, protocol, host = port["container"], port.get("protocol", "tcp"), port.get("host")
        if host is not None and host != number:
            detail = f"on the host's network port {number} is the host's own, and cannot be {host}"
            yield Fault(("ports", index, "host"), "CONFLICT", detail, host, f"leave it out, or write {number}")
        if port.get("bind") is not None:
            detail = "on the host's network the program itself chooses the address it listens on"
            yield Fault(("ports", index, "bind"), "CONFLICT", detail, port["bind"], "leave it out")
        earlier = taken.setdefault((number, protocol), index)
        # Where both name the host port, that rule has said it.
        if earlier != index and not (host is not None and found["ports"][earlier].get("host") == host):
            detail = f"ports[{earlier}] already takes host port {number}/{protocol}"
            yield Fault(("ports", index, "container"), "DUPLICATE", detail, number)
    for name in found.get("sysctls") or ():
        if name.startswith("net."):
            detail = f"on the host's network {name} is the host's, and Docker does not set it"
            yield Fault(("sysctls", name), "CONFLICT", detail)


def _twice(items: Any, field: str, key: str) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        word = (item or {}).get(key, (item or {}).get("host"))
        if word is None:
            continue
        earlier = seen.setdefault(word, index)
        if earlier != index:
            place = key if key in item else "host"
            yield Fault((field, index, place), "DUPLICATE", f"{word} is also in {field}[{earlier}]", word)


def _tmpfs(found: Mapping[str, Any]) -> Iterator[Fault]:
    volumes = {
        volume["target"].rstrip("/"): index
        for index, volume in enumerate(found.get("volumes") or ())
        if volume and "target" in volume
    }
    seen: dict[str, str] = {}
    for target in found.get("tmpfs") or {}:
        bare = target.rstrip("/")
        if bare in volumes:
            detail = f"{target} is where volumes[{volumes[bare]}] is mounted"
            yield Fault(("tmpfs", target), "DUPLICATE", detail, None)
        elif seen.setdefault(bare, target) != target:
            yield Fault(("tmpfs", target), "DUPLICATE", f"{target} is the same folder as {seen[bare]}", None)
