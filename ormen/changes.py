"""What may be changed of a task that is there: from a patch to the spec as it is then, with every fault at once. Pure.

Everything else is fixed when a task is made: another image or another port is another container.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from ormen import fields as read
from ormen.errors import Fault, InvalidSpec
from ormen.resolving import load, resolve
from ormen.spec import Spec
from ormen.strict import HABITS
from ormen.task_schema import TaskSchema
from ormen.units import format_cores, format_size

CHANGEABLE = ("name", "labels", "cpu", "cpu_limit", "memory", "memory_limit")
"""The fields of a patch. In each of them null is the default; a label that is null is taken away."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task as it is to be. `resize` says that a container that runs has to be given other limits."""

    name: str
    raw: Mapping[str, Any]
    spec: Spec
    resize: bool
    sentence: str


def change_of(name: str, raw: Mapping[str, Any], patch: object) -> Change | None:
    """Return what a patch makes of the task `name` with the spec `raw`; None if nothing.

    Raises InvalidSpec with every fault of the patch, and of the spec that it would make.
    """
    if not isinstance(patch, Mapping):
        raise InvalidSpec([Fault((), "WRONG_TYPE", f"a change is an object, not {read.kind(patch)}")])
    faults = [_refused(str(key), value) for key, value in patch.items() if key not in CHANGEABLE]
    new = {**raw, **{key: value for key, value in patch.items() if key in CHANGEABLE and key != "labels"}}
    if "name" in patch and new["name"] is None:
        faults.append(Fault(("name",), "MALFORMED", "a task has a name", None, "leave it out to keep the one it has"))
    if "name" in patch:
        # A name of its own is no longer one of NAME-1 to NAME-N.
        new.pop("count", None)
    try:
        new["labels"] = {**(raw.get("labels") or {}), **_labels(patch.get("labels"))}
        new["labels"] = {key: value for key, value in new["labels"].items() if value is not None}
    except ValidationError as error:
        faults += read.below("labels", error)
    new = {key: value for key, value in new.items() if value is not None and not (key == "labels" and not value)}
    try:
        spec = load(new)
    except InvalidSpec as error:
        raise InvalidSpec([*faults, *error.faults]) from None
    if faults:
        raise InvalidSpec(faults)
    return _change(name, resolve(raw), str(patch.get("name", name)), new, spec)


def _change(name: str, before: Spec, new_name: str, raw: Mapping[str, Any], spec: Spec) -> Change | None:
    told = [f"its name is {new_name}, was {name}"] if new_name != name else []
    told += [f"{what} {now}, was {was}" for what, was, now in _amounts(before, spec) if was != now]
    told += [f"label {key}={value}" for key, value in spec.labels.items() if before.labels.get(key) != value]
    told += [f"no label {key}" for key in before.labels if key not in spec.labels]
    if not told:
        return None
    resize = (before.resources, before.cpu_limit_milli, before.memory_limit_bytes) != (
        spec.resources,
        spec.cpu_limit_milli,
        spec.memory_limit_bytes,
    )
    return Change(new_name, raw, spec, resize, "; ".join(told))


def _amounts(before: Spec, spec: Spec) -> list[tuple[str, str, str]]:
    def cores(milli: int | None) -> str:
        return "none" if milli is None else format_cores(milli)

    def size(amount: int | None) -> str:
        return "none" if amount is None else format_size(amount)

    return [
        ("cpu", cores(before.resources.cpu_milli), cores(spec.resources.cpu_milli)),
        ("cpu limit", cores(before.cpu_limit_milli), cores(spec.cpu_limit_milli)),
        ("memory", size(before.resources.memory_bytes), size(spec.resources.memory_bytes)),
        ("memory limit", size(before.memory_limit_bytes), size(spec.memory_limit_bytes)),
    ]


def _labels(value: object) -> dict[str, str | None]:
    """Read labels to set; null removes one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise read.bad("WRONG_TYPE", f"must be a map, not {read.kind(value)}", value)
    kept = read.mapping(read.label_key, read.text, most_bytes=65536)(
        {key: text for key, text in value.items() if text is not None}
    )
    return {**kept, **{str(key): None for key, text in value.items() if text is None}}


def _refused(key: str, value: object) -> Fault:
    if key in TaskSchema().fields:
        detail, hint = f"{key} is fixed when a task is made", "run another task, and remove this one"
        return Fault((key,), "CONFLICT", detail, read.shown(value), hint)
    near = read.did_you_mean(key, CHANGEABLE, {k: v for k, v in HABITS.items() if v in CHANGEABLE})
    return Fault((key,), "UNKNOWN_FIELD", "unknown field", read.shown(value), near)
