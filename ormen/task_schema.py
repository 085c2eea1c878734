"""The schema of one task: every field, its unit, its rule and its example, in the order people write them.

The metadata of the fields is what the OpenAPI document says about them; the readers are what is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from marshmallow import fields

from ormen import fields as read
from ormen import image_reference
from ormen.container_schema import CONTAINER_FIELDS
from ormen.crosscheck import task_conflicts
from ormen.errors import Fault
from ormen.part_schemas import DAY_S, HealthSchema, PortSchema, VolumeSchema, words
from ormen.placing_schema import PLACING_FIELDS, constraint, placing_conflicts
from ormen.strict import DURATION, HABITS, SIZE, TEXT, TEXTS, Leaf, Objects, Strict
from ormen.units import MIB

STRATEGIES = ("epvm", "spread", "binpack", "greedy", "roundrobin")
RESTARTS = ("no", "on-failure", "always", "unless-stopped")
PULLS = ("if-missing", "always", "never")
MOST_COUNT = 1000


def _restart(value: object) -> tuple[str, int | None]:
    if value is False:  # YAML 1.1 reads an unquoted no as false
        return "no", None
    if value is True:
        raise read.bad("WRONG_TYPE", "must be a string, not a boolean", value, hint="did you mean always?")
    word = read.text(value)
    mode, colon, most = word.partition(":")
    if mode == "on-failure" and colon:
        if not re.fullmatch(r"[0-9]{1,9}", most, re.ASCII):
            raise read.bad("MALFORMED", "what follows on-failure: is a number of restarts", value)
        read.whole(1, 1_000_000, "a number of restarts")(int(most))
        return mode, int(most)
    return read.choice(RESTARTS, {"never": "no", "false": "no", "onfailure": "on-failure"})(value), None


def _labels(value: object) -> dict[str, str]:
    return read.mapping(read.label_key, read.text, most_bytes=65536)(value)


class TaskSchema(Strict):
    """One task: an image and what it needs. Only `image` is required."""

    class Meta(Strict.Meta):
        """Unknown fields stay faults; the further fields have pages of their own."""

        include = CONTAINER_FIELDS | PLACING_FIELDS

    id = Leaf(
        read.task_id,
        TEXT | {"format": "uuid", "description": "Chosen by the client, so that repeating a request is safe."},
    )
    name = Leaf(
        read.name,
        TEXT | {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", "example": "web",
                "description": "One live task has it; left out, the image's last part and four digits of the id, "
                               "more where that is taken."},
    )  # fmt: skip
    image = Leaf(
        image_reference.image,
        TEXT
        | {
            "minLength": 1,
            "maxLength": 1024,
            "description": "Docker reference; without a tag latest.",
            "example": "nginx:1.28",
        },
        required=True,
    )
    command = Leaf(
        words, TEXTS | {"minItems": 1, "description": "Replaces the image's CMD.", "example": ["work", "--fast"]}
    )
    entrypoint = Leaf(
        words, TEXTS | {"minItems": 1, "description": "Replaces the image's ENTRYPOINT, and drops its CMD."}
    )
    env = Leaf(
        read.mapping(read.env_name, read.env_value, most_bytes=1024**2),
        {"type": "object", "additionalProperties": {"type": ["string", "number"]}, "example": {"PORT": 8080},
         "description": "Variables; a number is written out."},
    )  # fmt: skip
    cpu = Leaf(
        read.cores,
        {"type": "number", "exclusiveMinimum": 0, "maximum": 100000, "default": 0.1, "x-unit": "cores",
         "description": "Cores reserved, at most three decimals.", "example": 0.5},
    )  # fmt: skip
    cpu_limit = Leaf(
        read.cores,
        {"type": "number", "exclusiveMinimum": 0, "maximum": 100000, "x-unit": "cores",
         "description": "Most cores it may use, at least cpu; left out, no limit.", "example": 2},
    )  # fmt: skip
    memory = Leaf(
        read.size(6 * MIB, "6 MiB, the least Docker takes"),
        SIZE | {"description": "Reserved, at least 6 MiB; if given, also the limit.", "default": "128MiB",
                "example": "512MiB"},
    )  # fmt: skip
    memory_limit = Leaf(
        read.size(6 * MIB, "6 MiB, the least Docker takes"),
        SIZE | {"description": "Most it may use, at least memory; left out, memory if that was given.",
                "example": "1GiB"},
    )  # fmt: skip
    disk = Leaf(read.size(), SIZE | {"description": "Reserved only.", "default": 0, "example": "10GiB"})
    ports = Objects(
        fields.Nested(PortSchema), allow_none=True, metadata={"maxItems": 64, "description": "Published ports."}
    )
    restart = Leaf(
        _restart,
        {"anyOf": [{"type": "string", "pattern": "^(no|on-failure(:[0-9]+)?|always|unless-stopped)$"},
                   {"type": "boolean", "enum": [False]}],
         "default": "on-failure", "example": "on-failure:3",
         "description": "on-failure:N restarts N times; false means no, as an unquoted no in YAML does."},
    )  # fmt: skip
    health = fields.Nested(HealthSchema, allow_none=True)
    labels = Leaf(
        _labels,
        {"type": "object", "additionalProperties": {"type": "string"}, "example": {"app": "shop"},
         "description": "For selection; keys that begin with ormen. are reserved."},
    )  # fmt: skip
    constraints = Leaf(
        read.each(constraint, most=64),
        TEXTS | {"maxItems": 64, "example": ["zone=eu-west", "disk in (ssd,nvme)"],
                 "description": "All must hold, on node labels and node, os, arch, engine."},
    )  # fmt: skip
    volumes = Objects(fields.Nested(VolumeSchema), allow_none=True, metadata={"maxItems": 64, "description": "Mounts."})
    pull = Leaf(
        read.choice(PULLS, HABITS),
        TEXT
        | {
            "enum": list(PULLS),
            "default": "if-missing",
            "description": "When to pull. But for `never`, a tag is settled once for all tasks of a request.",
        },
    )
    stop_grace = Leaf(
        read.duration(0, DAY_S, "0 to 24h"),
        DURATION | {"description": "Between asking it to stop and killing it.", "default": "10s", "example": "30s"},
    )
    strategy = Leaf(
        read.choice(STRATEGIES),
        TEXT | {"enum": list(STRATEGIES), "description": "How a node is chosen; left out, the cluster's way."},
    )
    count = Leaf(
        read.whole(1, MOST_COUNT, "a number of tasks"),
        {"type": "integer", "minimum": 1, "maximum": MOST_COUNT, "example": 3,
         "description": "That many tasks, NAME-1 to NAME-N; the answer is a list, even for 1."},
    )  # fmt: skip

    def unknown_field(self, key: object, value: object) -> Fault:
        """Return the fault; `tasks:` belongs into a file, a request holds the list itself."""
        fault = super().unknown_field(key, value)
        return replace(fault, hint="send the list itself, without tasks") if key == "tasks" else fault

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong between the fields of a task."""
        yield from task_conflicts(found, sent)
        yield from placing_conflicts(found, sent)
