"""From one spec as sent to the resolved `Spec`: defaults filled in, units made whole numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from marshmallow import ValidationError

from ormen import fields
from ormen.errors import InvalidSpec
from ormen.node import Resources
from ormen.placing_schema import neighbour_conflicts
from ormen.spec import (
    NO_RULES,
    ROTATED,
    USUAL_WEIGHT,
    DeadlineSpec,
    DeviceSpec,
    HealthSpec,
    LogSpec,
    PortSpec,
    Preference,
    RestartPolicy,
    Rules,
    Spec,
    UlimitSpec,
    VolumeSpec,
)
from ormen.strict import flatten
from ormen.task_schema import TaskSchema

_SCHEMA = TaskSchema()
_DEFAULT = Spec(image="")
_HEALTH = HealthSpec()

OWN: Mapping[str, Callable[[object], str]] = {"id": fields.task_id, "name": fields.name}
"""The fields in which the tasks of a list differ, and what reads them: a twentieth of the work of reading a spec."""

LONGEST_REMEMBERED = 16 * 1024
"""Characters of a template that is remembered: 4,096 of them must not fill the memory of a deck or an agent."""

AS_SENT = (
    "image", "id", "name", "command", "entrypoint", "env", "labels", "constraints", "pull", "strategy", "count",
    "workdir", "user", "hostname", "stop_signal", "init", "tty", "stdin", "read_only", "privileged", "gpus", "tmpfs",
    "sysctls", "security_opt", "cap_add", "cap_drop", "network", "extra_hosts", "dns", "priority",
)  # fmt: skip
"""Fields that are in a `Spec` what their reader made of them, under the same name."""


def resolve(raw: Mapping[str, Any]) -> Spec:
    """Return the spec of what was sent and stored, without id and name, which are its task's.

    What is alike but for those is read once and then remembered, unless it is very long. Raises InvalidSpec if it is
    faulty after all, as a spec stored by a later version may be.
    """
    return of_template(template(raw))


def of_template(text: str) -> Spec:
    """Return the spec of a `template`; see `resolve`."""
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else load(json.loads(text))


def template(raw: Mapping[str, Any]) -> str:
    """Return as text what a spec has in common with those that differ in id and name only."""
    return json.dumps({field: value for field, value in raw.items() if field not in OWN}, separators=(",", ":"))


def own_of(common: Spec, raw: Mapping[str, Any]) -> dict[str, str | None]:
    """Return id and name of `raw`, of whose template `common` is the spec; raise InvalidSpec with every fault of it."""
    try:
        own = {field: None if raw.get(field) is None else read(raw[field]) for field, read in OWN.items()}
    except ValidationError:
        own = {}
    rules = common.rules
    if not own or (rules and any(neighbour_conflicts({**own, "near": rules.near, "far": rules.far}))):
        whole = load(raw)
        own = {"id": whole.id, "name": whole.name}
    return own


@lru_cache(maxsize=4096)
def _remembered(text: str) -> Spec:
    return load(json.loads(text))


def load(raw: object) -> Spec:
    """Return the spec of one task's fields; raise InvalidSpec with every fault, paths beginning with the field."""
    try:
        found = _SCHEMA.load(raw)
    except ValidationError as error:
        raise InvalidSpec(tuple(flatten(error.messages))) from None
    return _spec(found)


def _spec(found: Mapping[str, Any]) -> Spec:
    memory = found.get("memory")
    ports = _ports(found)
    mode, most = found.get("restart", (_DEFAULT.restart.mode, _DEFAULT.restart.most))
    resources = Resources(
        found.get("cpu", _DEFAULT.resources.cpu_milli),
        _DEFAULT.resources.memory_bytes if memory is None else memory,
        found.get("disk", 0),
        gpus if isinstance(gpus := found.get("gpus") or 0, int) else len(gpus),
    )
    return Spec(
        resources=resources,
        cpu_limit_milli=found.get("cpu_limit"),
        memory_limit_bytes=found.get("memory_limit", memory),
        ports=ports,
        restart=RestartPolicy(mode, most, tuple(found.get("retry_on") or ())),
        health=_health(found["health"], ports) if "health" in found else None,
        volumes=tuple(VolumeSpec(**volume) for volume in found.get("volumes") or ()),
        stop_grace_s=found.get("stop_grace", _DEFAULT.stop_grace_s),
        shm_size_bytes=found.get("shm_size"),
        ulimits=tuple(
            UlimitSpec(item["name"], item["soft"], item.get("hard", item["soft"]))
            for item in found.get("ulimits") or ()
        ),
        devices=tuple(
            DeviceSpec(item["host"], item.get("container", item["host"]), item.get("permissions", "rwm"))
            for item in found.get("devices") or ()
        ),
        log=_log(found["log"]) if "log" in found else None,
        rules=_rules(found),
        deadline=DeadlineSpec(**{f"{key}_s": value for key, value in found.get("deadline", {}).items()}),
        **{key: found[key] for key in AS_SENT if key in found},
    )


def _rules(found: Mapping[str, Any]) -> Rules | None:
    rules = Rules(
        preferences=tuple(
            Preference(item["constraint"], item.get("weight", USUAL_WEIGHT)) for item in found.get("preferences") or ()
        ),
        spread=found.get("spread"),
        most=found.get("max_per_node"),
        near=found.get("near"),
        far=found.get("far"),
    )
    return None if rules == NO_RULES else rules


def _ports(found: Mapping[str, Any]) -> tuple[PortSpec, ...]:
    ports = found.get("ports") or ()
    if found.get("network") == "host":
        # Nothing is published there: the port is the host's own, on whatever address the program listens.
        return tuple(
            PortSpec(port["container"], port["container"], port.get("protocol", "tcp"), "0.0.0.0") for port in ports
        )
    return tuple(PortSpec(**port) for port in ports)


def _log(found: Mapping[str, Any]) -> LogSpec:
    driver = found.get("driver", ROTATED.driver)
    return LogSpec(driver, {**(ROTATED.options if driver == ROTATED.driver else {}), **found.get("options", {})})


def _health(found: Mapping[str, Any], ports: Sequence[PortSpec]) -> HealthSpec:
    http, port = found.get("http"), None
    if http is not None and http.startswith(":"):
        digits, slash, rest = http[1:].partition("/")
        http, port = slash + rest, int(digits)
    elif http is not None:
        port = next(item.container for item in ports if item.protocol == "tcp")
    return HealthSpec(
        http=http,
        port=port,
        expect=found.get("expect", _HEALTH.expect),
        tcp=found.get("tcp"),
        command=found.get("command"),
        grace_s=found.get("grace", _HEALTH.grace_s),
        interval_s=found.get("interval", _HEALTH.interval_s),
        timeout_s=found.get("timeout", _HEALTH.timeout_s),
        retries=found.get("retries", _HEALTH.retries),
    )
