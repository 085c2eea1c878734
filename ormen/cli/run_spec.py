"""From the flags of ``ormen run`` to a spec. Every fault of the flags is found before anything is said."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ormen.cli.errors import Faulty
from ormen.cli.render.problem import fault_title
from ormen.units import UnitError, parse_duration, parse_size

Spec = dict[str, Any]
Flags = Mapping[str, Any]

FIELDS: Mapping[str, str] = {
    "image": "IMAGE",
    "command": "COMMAND",
    "cpu": "--cpus",
    "cpu_limit": "--cpu-limit",
    "memory": "--memory",
    "memory_limit": "--memory-limit",
    "disk": "--disk",
    "ports": "--publish",
    "env": "--env",
    "labels": "--label",
    "constraints": "--constraint",
    "volumes": "--volume",
    "stop_grace": "--stop-timeout",
    "health": "--health",
}
"""The flag that sets a field of the spec, where it has another name."""

_CORES = re.compile(r"\d+(\.\d+)?|\.\d+", re.ASCII)


def flag_of(pointer: str) -> str:
    """Return the flag that a fault's pointer is about: ``/0/memory`` → ``--memory``."""
    parts = [part for part in pointer.split("/")[1:] if not part.isdigit()]
    if not parts:
        return "IMAGE"
    if parts[0] == "health" and len(parts) > 1 and parts[1] in ("interval", "timeout", "retries"):
        return f"--health-{parts[1]}"
    return FIELDS.get(parts[0], f"--{parts[0].replace('_', '-')}")


class Wrong(ValueError):
    """One flag's value cannot be read."""


def spec_of(image: str, command: Sequence[str], flags: Flags) -> Spec:
    """Return the spec that image, command and flags ask for; raise Faulty with all that is wrong with them."""
    rows: list[tuple[str, ...]] = []
    spec: Spec = {"image": image}
    if command:
        spec["command"] = list(command)
    for field, (flag, read) in _READERS.items():
        value = flags.get(field)
        if value is None or value == ():
            continue
        try:
            spec[field] = read(value)
        except (Wrong, UnitError) as error:
            hint = getattr(error, "hint", None)
            rows.append((flag, f"{error}; {hint}" if hint else str(error)))
    spec = _with_env_files(spec, flags.get("env_file") or (), rows)
    health = _health(flags, rows)
    if health:
        spec["health"] = health
    if rows:
        raise Faulty(fault_title("", len(rows)), rows)
    return spec


def _size(text: str) -> str:
    parse_size(text)
    return text


def _time(text: str) -> str | float:
    seconds = parse_duration(text)
    if not text.replace(".", "", 1).isdigit():
        return text
    return int(seconds) if seconds.is_integer() else seconds


def _cores(text: str) -> float:
    if not _CORES.fullmatch(text):
        milli = text.removesuffix("m")
        guess = f"; did you mean {int(milli) / 1000:g}?" if milli.isdigit() and text.endswith("m") else ""
        raise Wrong(f"{text} is not a number of cores{guess}")
    amount = float(text)
    return int(amount) if amount.is_integer() else amount


def _pull(word: str) -> str:
    if word not in ("missing", "if-missing", "always", "never"):
        raise Wrong(f'"{word}" is not one of missing, always, never')
    return "if-missing" if word == "missing" else word


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Wrong(f"{text} is not a whole number")
    return int(text)


def _codes(text: str) -> list[int]:
    return [_whole(word.strip()) for word in text.split(",")]


def _pairs(values: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not key or not equals:
            raise Wrong(f'"{value}" is not KEY=VALUE')
        pairs[key] = rest
    return pairs


def _env(values: Sequence[str]) -> dict[str, str]:
    """Read variables; one without a value is taken from here, and left out if it is not set here."""
    found = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not key:
            raise Wrong(f'"{value}" is not KEY=VALUE')
        if equals:
            found[key] = rest
        elif key in os.environ:
            found[key] = os.environ[key]
    return found


def _with_env_files(spec: Spec, paths: Sequence[str], rows: list[tuple[str, ...]]) -> Spec:
    """Put the variables of env files under those given one by one."""
    merged: dict[str, str] = {}
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            merged |= _env([line for line in (raw.strip() for raw in lines) if line and not line.startswith("#")])
        except (OSError, UnicodeDecodeError) as error:
            rows.append(("--env-file", f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}"))
        except Wrong as error:
            rows.append(("--env-file", f"{path}: {error}"))
    return {**spec, "env": {**merged, **spec.get("env", {})}} if merged else spec


def _ports(values: Sequence[str]) -> list[Spec]:
    return [_port(value) for value in values]


def _port(text: str) -> Spec:
    """Read ``[IP:][HOST:]CONTAINER[/udp]``; an IPv6 address stands in brackets."""
    where, slash, protocol = text.partition("/")
    match = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?:(\d*):)?(\d+)", where, re.ASCII)
    if match is None or (slash and protocol not in ("tcp", "udp")):
        raise Wrong(f'"{text}" is not [IP:][HOST:]CONTAINER[/udp]')
    bind, host, container = match.groups()
    if bind is not None and host is None and "." not in bind and not bind.startswith("["):
        bind, host = None, bind
    for number in (host, container):
        if number and not 1 <= int(number) <= 65535:
            raise Wrong(f"{number} is not a port: 1 to 65535")
    port: Spec = {"container": int(container)}
    if host:
        port["host"] = int(host)
    if slash:
        port["protocol"] = protocol
    if bind:
        port["bind"] = bind.strip("[]")
    return port


def _volumes(values: Sequence[str]) -> list[Spec]:
    return [_volume(value) for value in values]


def _volume(text: str) -> Spec:
    source, colon, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not colon or not target or mode not in ("", "ro", "rw"):
        raise Wrong(f'"{text}" is not SRC:DST[:ro]')
    volume: Spec = {"host" if source.startswith("/") else "name": source, "target": target}
    return {**volume, "read_only": True} if mode == "ro" else volume


def _health(flags: Flags, rows: list[tuple[str, ...]]) -> Spec | None:
    check, command = flags.get("health"), flags.get("health_cmd")
    health: Spec = {}
    for flag, given in (("--health", check), ("--health-cmd", command)):
        if given is not None and not str(given).strip():
            rows.append((flag, "is empty; leave it out for no check"))
    if check and command:
        rows.append(("--health", "give --health or --health-cmd, not both"))
    elif check:
        port = str(check).removeprefix("tcp:")
        if port != check and port.isdigit():
            health["tcp"] = int(port)
        elif re.match(r"(:\d+)?/", str(check)):
            health["http"] = check
        else:
            rows.append(("--health", f'"{check}" is not /path, :PORT/path or tcp:PORT'))
    elif command:
        health["command"] = ["/bin/sh", "-c", str(command)]
    for field, (flag, read) in _HEALTH_READERS.items():
        value = flags.get(flag.removeprefix("--").replace("-", "_"))
        if value is None:
            continue
        try:
            health[field] = read(value)
        except (Wrong, UnitError) as error:
            rows.append((flag, str(error)))
        if not (check or command):
            rows.append((flag, "says nothing without --health or --health-cmd"))
    return health or None


_HEALTH_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "interval": ("--health-interval", _time),
    "timeout": ("--health-timeout", _time),
    "retries": ("--health-retries", _whole),
    "grace": ("--health-start-period", _time),
}


def _as_is(value: Any) -> Any:
    return value


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("--name", _as_is),
    "entrypoint": ("--entrypoint", lambda word: [word] if word else []),
    "env": ("--env", _env),
    "cpu": ("--cpus", _cores),
    "cpu_limit": ("--cpu-limit", _cores),
    "memory": ("--memory", _size),
    "memory_limit": ("--memory-limit", _size),
    "disk": ("--disk", _size),
    "ports": ("--publish", _ports),
    "volumes": ("--volume", _volumes),
    "labels": ("--label", _pairs),
    "constraints": ("--constraint", list),
    "strategy": ("--strategy", _as_is),
    "count": ("--count", _whole),
    "restart": ("--restart", _as_is),
    "retry_on": ("--retry-on", _codes),
    "stop_grace": ("--stop-timeout", _time),
    "pull": ("--pull", _pull),
}
"""For each field of the spec: its flag, and what reads the flag's value."""
