"""What every schema here shares: strict loading that names all faults, and fields that carry their documentation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, missing, types

from ormen import fields as read
from ormen.errors import Fault

HABITS = {
    "args": "command", "cmd": "command", "cpus": "cpu", "cpu_count": "cpu", "environment": "env", "mem": "memory",
    "mem_limit": "memory_limit", "replicas": "count", "healthcheck": "health", "health_check": "health",
    "restart_policy": "restart", "mounts": "volumes", "publish": "ports", "pull_policy": "pull",
    "stop_grace_period": "stop_grace", "host_port": "host", "container_port": "container", "path": "http",
    "start_period": "grace", "source": "host", "destination": "target", "readonly": "read_only",
    "working_dir": "workdir", "workingdir": "workdir", "domainname": "hostname", "network_mode": "network",
    "networks": "network", "stopsignal": "stop_signal", "readonlyrootfs": "read_only", "shmsize": "shm_size",
    "capadd": "cap_add", "capdrop": "cap_drop", "capabilities": "cap_add", "add_host": "extra_hosts",
    "add_hosts": "extra_hosts", "logging": "log", "log_driver": "log", "log_opt": "log", "type": "driver",
    "config": "options", "pathonhost": "host", "pathincontainer": "container", "cgrouppermissions": "permissions",
    "securityopt": "security_opt", "tmp_fs": "tmpfs", "device_requests": "gpus", "run_as": "user",
    "missing": "if-missing", "ifnotpresent": "if-missing", "never": "no", "onfailure": "on-failure",
}  # fmt: skip
"""Words of other tools, and the word here."""

_SIZE_TEXT = {"type": "string", "pattern": "^[0-9]+([.][0-9]+)? ?[kKmMgGtT]([iI][bB])?$"}
_DURATION_TEXT = {"type": "string", "pattern": "^([0-9]+([.][0-9]+)?|([0-9]+([.][0-9]+)?(ms|s|m|h))+)$"}
MOST_UNKNOWN = 100
"""Unknown fields of one object that are named: looking for what was meant takes a third of a millisecond each."""

SIZE = {"anyOf": [{"type": "integer", "minimum": 0}, _SIZE_TEXT], "x-unit": "bytes"}
DURATION = {"anyOf": [{"type": "number", "minimum": 0}, _DURATION_TEXT], "x-unit": "seconds"}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": {"type": "string"}}


class Leaf(fields.Raw):
    """A field that `reader` reads. `doc` is its JSON Schema; an optional field also takes null for "left out"."""

    def __init__(self, reader: Callable[[object], Any], doc: Mapping[str, Any], *, required: bool = False) -> None:
        metadata = dict(doc)
        if not required and "type" in metadata:
            metadata["type"] = [metadata["type"], "null"]
            metadata |= {"enum": [*metadata["enum"], None]} if "enum" in metadata else {}
        elif not required:
            metadata["anyOf"] = [*metadata["anyOf"], {"type": "null"}]
        super().__init__(required=required, metadata=metadata, error_messages={"required": "is required"})
        self.reader = reader

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return self.reader(value)


class Objects(fields.List[Any]):
    """A list of objects of one schema. An object with faults leaves None at its place, so places stay true."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise read.bad("WRONG_TYPE", f"must be a list, not {read.kind(value)}", value)
        most = self.metadata["maxItems"]
        if len(value) > most:
            raise read.bad("TOO_LONG", f"has {len(value)} items; the most is {most}")
        found: list[Any] = [None] * len(value)
        faults: dict[int | str, Any] = {}
        for index, item in enumerate(value):
            try:
                found[index] = self.inner.schema.load(item)  # type: ignore[attr-defined]  # always a Nested
            except ValidationError as error:
                faults[index] = error.messages
        if faults:
            raise ValidationError(faults, valid_data=found)
        return found


class Strict(Schema):
    """A schema that names every fault at once: unknown fields, faulty fields, and what contradicts each other."""

    class Meta:
        """Unknown fields are faults; the document says so, `load` finds them."""

        unknown = RAISE

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong between fields; `found` holds those of `sent` that are right by themselves."""
        yield from ()

    def unknown_field(self, key: object, value: object) -> Fault:
        """Return the fault of a field that this schema has not, with the one probably meant."""
        hint = read.did_you_mean(key, list(self.fields), {k: v for k, v in HABITS.items() if v in self.fields})
        return Fault((), "UNKNOWN_FIELD", "unknown field", read.shown(value), hint)

    def load(
        self,
        data: Any,
        *,
        many: bool | None = None,
        partial: bool | types.StrSequenceOrSet | None = None,
        unknown: types.UnknownOption | None = None,
    ) -> Any:
        """Return the values of the fields that were sent, or raise ValidationError; null counts as not sent."""
        if not isinstance(data, Mapping):
            raise read.bad("WRONG_TYPE", f"must be an object, not {read.kind(data)}", data)
        faults: dict[str | int | None, Any] = {}
        strange = [key for key in data if not (isinstance(key, str) and key in self.fields)]
        for key in strange[:MOST_UNKNOWN]:
            faults[str(key)] = [self.unknown_field(key, data[key])]
        sent = {key: value for key, value in data.items() if key in self.fields and value is not None}
        # A field that was not sent and has nothing to say to that is not looked at: of fifty most tasks have five.
        narrow = copy.copy(self)
        narrow.load_fields = {
            key: field
            for key, field in self.load_fields.items()
            if key in sent or field.required or field.load_default is not missing
        }
        try:
            found = super(Strict, narrow).load(sent, partial=partial)
        except ValidationError as error:
            faults |= error.messages if isinstance(error.messages, dict) else {None: error.messages}
            found = error.valid_data
        crossed = list(self.conflicts(found if isinstance(found, Mapping) else {}, sent))
        if len(strange) > MOST_UNKNOWN:
            crossed.append(
                Fault((), "TOO_LONG", f"has {len(strange)} unknown fields; the first {MOST_UNKNOWN} are named")
            )
        if crossed:
            faults[None] = crossed
        if faults:
            raise ValidationError(faults, valid_data=found)
        return found


def flatten(messages: object, path: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield marshmallow's nested messages as faults with whole paths; those between fields stand under None."""
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            yield from flatten(below, path if key is None else (*path, key))
    elif isinstance(messages, Sequence) and not isinstance(messages, str):
        for message in messages:
            yield from flatten(message, path)
    elif isinstance(messages, Fault):
        yield Fault((*path, *messages.path), messages.code, messages.detail, messages.value, messages.hint)
    else:  # marshmallow's own words are those of the schema: a required field is missing
        yield Fault(path, "REQUIRED", str(messages))
