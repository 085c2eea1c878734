"""The schema of what says on which nodes a task may be, and what is tried again.

`PLACING_FIELDS` are fields of a task like any other: `ormen.task_schema` includes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import fields

from ormen import fields as read
from ormen.errors import Fault
from ormen.scheduler import constraints as grammar
from ormen.spec import USUAL_PRIORITY
from ormen.strict import DURATION, Leaf, Strict

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
