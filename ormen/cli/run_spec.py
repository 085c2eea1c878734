"""From the flags of ``ormen run`` to a spec. Every fault of the flags is found before anything is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ormen.cli import run_values as read
from ormen.cli.errors import Faulty
from ormen.cli.render.problem import fault_text, fault_title, path_of
from ormen.cli.run_values import Wrong, sentences_of
from ormen.units import UnitError

Spec = dict[str, Any]
Flags = Mapping[str, Any]
Rows = list[tuple[str, ...]]

FIELDS: Mapping[str, str] = {
    "image": "IMAGE",
    "command": "COMMAND",
    "cpu": "--cpus",
    "ports": "--publish",
    "labels": "--label",
    "constraints": "--constraint",
    "preferences": "--prefer",
    "volumes": "--volume",
    "stop_grace": "--stop-timeout",
    "extra_hosts": "--add-host",
    "ulimits": "--ulimit",
    "devices": "--device",
    "sysctls": "--sysctl",
    "log": "--log-opt",
}
"""The flag that sets a field of the spec, where it has another name."""

_UNREAD = object()
"""Stands for a field whose flag could not be read: the spec's rules then judge the others without it."""


def is_given(value: object) -> bool:
    """Return whether a flag was given at all."""
    return value is not None and value != () and value is not False


def flag_of(pointer: str, flags: Flags | None = None) -> str:
    """Return the flag that a fault's pointer is about: ``/0/memory`` → ``--memory``; `flags` are those given."""
    path = path_of(pointer)
    path = path[1:] if path and isinstance(path[0], int) else path
    if not path:
        return "IMAGE"
    field, below = str(path[0]), path[1] if len(path) > 1 else None
    if field == "health":
        return {"grace": "--health-start-period", "command": "--health-cmd"}.get(str(below), _health_flag(below))
    if field == "deadline":
        return f"--deadline-{below if below in ('wait', 'run') else 'wait'}"
    if field == "log" and below == "driver":
        return "--log-driver"
    if (flags or {}).get("mounts") and _is_mount(field, below, flags or {}):
        return "--mount"
    return FIELDS.get(field, f"--{field.replace('_', '-')}")


def _health_flag(below: object) -> str:
    return f"--health-{below}" if below in ("interval", "timeout", "retries") else "--health"


def _is_mount(field: str, below: object, flags: Flags) -> bool:
    """Return whether a volume or tmpfs came from ``--mount``, whose own come after those of the other flags."""
    if field == "volumes":
        return isinstance(below, int) and below >= len(flags.get("volumes") or ())
    return field == "tmpfs" and str(below) not in dict(map(read.tmpfs, flags.get("tmpfs") or ()))


def spec_of(image: str, command: Sequence[str], flags: Flags) -> Spec:
    """Return the spec that image, command and flags ask for; raise Faulty with all that is wrong with them.

    Values that can be read go to the deck, which judges them. If any cannot, the same rules judge the rest here, so
    that nobody repairs a command twice.
    """
    rows: Rows = []
    spec: Spec = {"image": image}
    if command:
        spec["command"] = list(command)
    for field, (flag, reader) in _READERS.items():
        if is_given(flags.get(field)):
            spec[field] = _read(flag, reader, flags[field], rows)
    _add_env_files(spec, flags, rows)
    _add_mounts(spec, flags, rows)
    _add_log(spec, flags, rows)
    if health := _health(flags, rows):
        spec["health"] = health
    if deadline := _deadline(flags, rows):
        spec["deadline"] = deadline
    if rows:
        rows += _of_the_rest(spec, flags, {flag for flag, _ in rows})
        raise Faulty(fault_title("", len(rows)), rows)
    return spec


def _read(flag: str, reader: Callable[[Any], Any], value: object, rows: Rows) -> Any:
    """Return what a flag says; if it cannot be read, add the rows of its faults."""
    try:
        return reader(value)
    except (Wrong, UnitError) as error:
        rows += [(flag, sentence) for sentence in sentences_of(error)]
        return _UNREAD


def _of_the_rest(spec: Spec, flags: Flags, told: set[str]) -> Rows:
    """Return the faults of the fields whose flags could be read, by the rules that the deck has."""
    from ormen.errors import InvalidSpec
    from ormen.resolving import load

    try:
        nested = [field for field in ("health", "deadline") if any(f"--{field}" in flag for flag in told)]
        load({key: value for key, value in spec.items() if key not in nested})
    except InvalidSpec as error:
        found = [(flag_of(fault.pointer, flags), fault_text(fault.to_json())) for fault in error.faults]
        return [row for row in found if row[0] not in told]
    return []


def _add_env_files(spec: Spec, flags: Flags, rows: Rows) -> None:
    """Put the variables of env files under those given one by one."""
    merged: dict[str, str] = {}
    for found in _each("--env-file", read.env_file, flags.get("env_file"), rows):
        merged |= found
    if merged and spec.get("env") is not _UNREAD:
        spec["env"] = {**merged, **spec.get("env", {})}


def _each(flag: str, reader: Callable[[str], Any], values: Sequence[str] | None, rows: Rows) -> list[Any]:
    return [found for value in values or () if (found := _read(flag, reader, value, rows)) is not _UNREAD]


def _add_mounts(spec: Spec, flags: Flags, rows: Rows) -> None:
    for field, found in _each("--mount", read.mount, flags.get("mounts"), rows):
        if field == "volumes" and spec.get("volumes") is not _UNREAD:
            spec.setdefault("volumes", []).append(found)
        elif field == "tmpfs":
            spec.setdefault("tmpfs", {}).update([found])


def _add_log(spec: Spec, flags: Flags, rows: Rows) -> None:
    log: Spec = {"driver": flags["log_driver"]} if flags.get("log_driver") else {}
    if flags.get("log_opt"):
        log["options"] = _read("--log-opt", read.pairs, flags["log_opt"], rows)
    if log:
        spec["log"] = log


def _health(flags: Flags, rows: Rows) -> Spec | None:
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
    for field, (flag, reader) in _HEALTH_READERS.items():
        value = flags.get(flag.removeprefix("--").replace("-", "_"))
        if value is None:
            continue
        health[field] = _read(flag, reader, value, rows)
        if not (check or command):
            rows.append((flag, "says nothing without --health or --health-cmd"))
    return health or None


def _deadline(flags: Flags, rows: Rows) -> Spec:
    given = {field: flags.get(f"deadline_{field}") for field in ("wait", "run")}
    return {
        field: _read(f"--deadline-{field}", read.time, value, rows)
        for field, value in given.items()
        if value is not None
    }


_HEALTH_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "interval": ("--health-interval", read.time),
    "timeout": ("--health-timeout", read.time),
    "retries": ("--health-retries", read.whole),
    "grace": ("--health-start-period", read.time),
}


def _as_is(value: Any) -> Any:
    return value


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("--name", _as_is),
    "entrypoint": ("--entrypoint", lambda word: [word] if word else []),
    "env": ("--env", read.variables),
    "cpu": ("--cpus", read.cores),
    "cpu_limit": ("--cpu-limit", read.cores),
    "memory": ("--memory", read.size),
    "memory_limit": ("--memory-limit", read.size),
    "disk": ("--disk", read.size),
    "ports": ("--publish", read.ports),
    "volumes": ("--volume", read.every(read.volume)),
    "labels": ("--label", read.pairs),
    "constraints": ("--constraint", list),
    "strategy": ("--strategy", _as_is),
    "priority": ("--priority", read.whole),
    "preferences": ("--prefer", read.every(read.preference)),
    "spread": ("--spread", _as_is),
    "max_per_node": ("--max-per-node", read.whole),
    "near": ("--near", _as_is),
    "far": ("--far", _as_is),
    "count": ("--count", read.whole),
    "restart": ("--restart", _as_is),
    "retry_on": ("--retry-on", read.codes),
    "stop_grace": ("--stop-timeout", read.time),
    "stop_signal": ("--stop-signal", _as_is),
    "pull": ("--pull", read.pull),
    "workdir": ("--workdir", _as_is),
    "user": ("--user", _as_is),
    "hostname": ("--hostname", _as_is),
    "init": ("--init", _as_is),
    "stdin": ("--interactive", _as_is),
    "tty": ("--tty", _as_is),
    "read_only": ("--read-only", _as_is),
    "privileged": ("--privileged", _as_is),
    "network": ("--network", _as_is),
    "extra_hosts": ("--add-host", read.hosts),
    "dns": ("--dns", list),
    "tmpfs": ("--tmpfs", lambda values: dict(map(read.tmpfs, values))),
    "gpus": ("--gpus", read.gpus),
    "shm_size": ("--shm-size", read.size),
    "ulimits": ("--ulimit", read.every(read.ulimit)),
    "cap_add": ("--cap-add", list),
    "cap_drop": ("--cap-drop", list),
    "devices": ("--device", read.every(read.device)),
    "security_opt": ("--security-opt", read.every(read.security)),
    "sysctls": ("--sysctl", read.pairs),
}
"""For each field of the spec: its flag, and what reads the flag's value."""
