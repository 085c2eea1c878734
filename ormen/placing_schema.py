"""The schema of what says on which nodes a task may be, and what is tried again.

`PLACING_FIELDS` are fields of a task like any other: `ormen.task_schema` includes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import fields

from ormen import fields as read
from ormen.errors import Fault
from ormen.groups import base_of
from ormen.node_labels import KEY
from ormen.scheduler import constraints as grammar
from ormen.spec import USUAL_PRIORITY, USUAL_WEIGHT
from ormen.strict import DURATION, TEXT, Leaf, Objects, Strict

_WHOLE = {"type": "integer"}


def constraint(value: object) -> str:
    """Return an expression that constraints and preferences share."""
    word = read.text(value, most=1024, empty=False)
    try:
        grammar.parse(word)
    except ValueError as error:
        said, _, remedy = str(error).partition("; write ")
        form = remedy or "it as zone=eu, gpu!=none, disk in (ssd,nvme), zone~^eu- or kernel>=6.1"
        raise read.bad("MALFORMED", said, value, hint=f"write {form}") from None
    return word


def node_label(value: object) -> str:
    """Return the key of a node's label, or of a fact that every node has."""
    word = read.text(value, most=255, empty=False)
    if not KEY.fullmatch(word):
        hint = "name the label alone, such as zone" if "=" in word else None
        raise read.bad("MALFORMED", f"{word[:60]} is no key of a node's label", value, hint=hint)
    return word


class PreferenceSchema(Strict):
    """Something that is wished of a node."""

    constraint = Leaf(
        constraint,
        TEXT | {"description": "An expression as of constraints.", "example": "disk=ssd"},
        required=True,
    )
    weight = Leaf(
        read.whole(-100, 100, "a weight"),
        _WHOLE | {"minimum": -100, "maximum": 100, "default": USUAL_WEIGHT, "example": 80,
                  "description": "How much it is wished; below 0, that it is not so."},
    )  # fmt: skip


YEAR_S = 365 * 86400.0


class DeadlineSchema(Strict):
    """How long it may wait, and run; then it fails, whatever its restart policy."""

    wait = Leaf(
        read.duration(1, YEAR_S, "1s to 8760h"),
        DURATION
        | {
            "description": "Longest wait to run, from being accepted or from the end of a run.",
            "example": "10m",
        },
    )
    run = Leaf(
        read.duration(1, YEAR_S, "1s to 8760h"),
        DURATION | {"description": "Longest run of each attempt, from its container's start.", "example": "1h"},
    )

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a fault for a deadline that says nothing."""
        if not sent:
            yield Fault((), "REQUIRED", "one of wait, run is needed", hint="leave deadline out for none")


PLACING_FIELDS: dict[str, Any] = {
    "priority": Leaf(
        read.whole(0, 100, "a priority"),
        _WHOLE | {"minimum": 0, "maximum": 100, "default": USUAL_PRIORITY, "example": 80,
                  "description": "Of the tasks that wait, those with a higher one are placed first."},
    ),
    "preferences": Objects(
        fields.Nested(PreferenceSchema), allow_none=True,
        metadata={"maxItems": 64, "description": "Wishes: of the nodes that fit, those where most is met are taken."},
    ),
    "spread": Leaf(
        node_label,
        TEXT | {"example": "zone",
                "description": "Label of nodes over whose values tasks of the same group (web for web-3) are even."},
    ),
    "max_per_node": Leaf(
        read.whole(1, 1000, "a number of tasks"),
        _WHOLE | {"minimum": 1, "maximum": 1000, "example": 1,
                  "description": "Most tasks of the same group (web for web-3) on one node."},
    ),
    "near": Leaf(
        read.name, TEXT | {"example": "cache", "description": "A task, or a group, that must be on the same node."}
    ),
    "far": Leaf(
        read.name, TEXT | {"example": "db", "description": "A task, or a group, that must not be on the same node."}
    ),
    "deadline": fields.Nested(DeadlineSchema, allow_none=True),
    "retry_on": Leaf(
        read.each(read.whole(1, 255, "an exit code"), most=64),
        {"type": "array", "items": _WHOLE | {"minimum": 1, "maximum": 255}, "minItems": 1, "maxItems": 64,
         "description": "With on-failure: only after these exit codes it is tried again.", "example": [75]},
    ),
}  # fmt: skip
"""Each field of a task that this page describes."""


def placing_conflicts(found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong between these fields of a task, which are each right by themselves."""
    mode = found.get("restart", ("on-failure", None))[0]
    if "retry_on" in found and not found["retry_on"]:
        yield Fault(("retry_on",), "MALFORMED", "must not be empty", hint="leave it out for every code but 0")
    elif "retry_on" in found and mode != "on-failure":
        yield Fault(("retry_on",), "CONFLICT", f"says nothing beside restart {mode}", hint="restart: on-failure")
    yield from neighbour_conflicts(found)


def neighbour_conflicts(found: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong between a task's name and those that it is to be near to or far from."""
    own = found.get("name")
    for field in ("near", "far"):
        other = found.get(field)
        if other is None or own is None:
            continue
        if other in (own, base_of(own)) or ("count" in found and base_of(other) == own):
            hint = "max_per_node: 1 keeps its copies apart" if field == "far" else "leave it out"
            yield Fault((field,), "CONFLICT", f"{other} is the task itself, or its own group", other, hint)
    if found.get("near") is not None and found["near"] == found.get("far"):
        yield Fault(("far",), "CONFLICT", f"near asks for {found['far']} on the same node", found["far"])
