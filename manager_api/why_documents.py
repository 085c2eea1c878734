"""The document of `GET /v1/tasks/{t}/why` as OpenAPI describes it."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import choice, moment, text, whole
from ormen.task import Health, State, Wanted


def amount(description: str) -> fields.Float:
    """Return a number that may be null."""
    return fields.Float(required=True, allow_none=True, metadata={"description": description})


def flag(description: str = "") -> fields.Boolean:
    """Return a yes or no that is always there."""
    return fields.Boolean(required=True, metadata={"description": description})


class BlockedNode(ma.Schema):
    """One node, and everything that keeps the task off it."""

    node = text()
    blockers = fields.List(
        fields.Dict(),
        required=True,
        metadata={
            "description": "each with `code`, `sentence`, and amounts with their unit in the name; none: it fits"
        },
    )
    fits_if = fields.List(
        fields.Dict(), required=True, metadata={"description": "what together would make it fit; none: nothing would"}
    )


class NodeGroup(ma.Schema):
    """Further nodes that lack the same."""

    first = text("the first of them")
    last = text("the last of them")
    count = whole("how many they are")
    codes = fields.List(fields.String(), required=True)
    sentence = text("what they lack", examples=["cpu, memory"])


class FixDocument(ma.Schema):
    """A remedy."""

    sentence = text()
    command = text("the command that does it, where one does", null=True)
    kind = text("`cure`; `retry` only saves the wait for the next try")


class QueueDocument(ma.Schema):
    """A task's place among those that wait for room."""

    place = whole("1 is the one to which freed room is given first")
    length = whole()
    freed = flag("whether it is looked at again as soon as another task frees room")


class NextDocument(ma.Schema):
    """What follows by itself."""

    kind = text("`attempt`, `check`, `agent` or `node`: what acts next")
    at = moment("when")
    sentence = text()
    pauses_s = fields.List(
        fields.Float(), metadata={"description": "between the attempts on record, the last the current"}
    )


class NowDocument(ma.Schema):
    """What runs now, where the sentence tells of an earlier attempt."""

    attempt = whole()
    node = text(null=True)
    since = moment("when it started")
    memory_bytes = whole("what it uses, after an end for want of memory; null if that is not known", null=True)
    rising = fields.Boolean(required=True, metadata={"description": "whether that is more than it was just before"})
    memory_limit_bytes = whole(null=True)
    error = text("why its node did not say what it uses; null if it did, or was not asked", null=True)


class EndedAttempt(ma.Schema):
    """An attempt that has ended."""

    attempt = whole()
    node = text()
    started_at = moment("null: its container never ran")
    ended_at = moment("when its end was reported")
    ran_s = amount("how long its container ran")
    exit_code = whole(null=True)
    signal = text("the signal behind the exit code", null=True, examples=["SIGKILL"])
    peak_bytes = whole("the memory it had reached, where that is known", null=True)
    code = text(null=True)
    ended_by = text("in a few words", examples=["exit code 1"])


class ProbeDocument(ma.Schema):
    """One health check."""

    at = moment("when it was made, by the node's clock", null=False)
    ok = flag()
    status = whole("of HTTP, or the command's exit code", null=True)
    took_ms = whole()
    output = text("the beginning of what was answered")
    sentence = text()


class StepDocument(ma.Schema):
    """One step of a start."""

    step = text("`placed`, `queue`, `pull`, `start` or `check`")
    took_s = fields.Float(required=True)
    bytes = whole("what was pulled", null=True)
    bytes_per_s = whole(null=True)
    under_way = flag("whether it is still going on")


class WhyDocument(ma.Schema):
    """Why a task is as it is: one sentence, the evidence, and what helps."""

    task = text("the task's id", format="uuid")
    name = text()
    state = choice(State)
    wanted = choice(Wanted)
    health = choice(Health, null=True)
    node = text("of the latest attempt", null=True)
    attempt = whole()
    code = text("a stable code; null: nothing is wrong", null=True, examples=["FIT_MEMORY"])
    sentence = text("enough by itself to name the cause")
    page = text("where the code is explained", null=True)
    could_fit = text("of one that waits: `now`, `later` or `never`", null=True)
    since = moment("since when it is in its state")
    next_try_at = moment("when a waiting task is looked at again")
    queue = fields.Nested(QueueDocument, required=True, allow_none=True)
    nodes = fields.List(fields.Nested(BlockedNode), required=True)
    groups = fields.List(fields.Nested(NodeGroup), required=True)
    notes = fields.List(fields.String(), required=True)
    fixes = fields.List(fields.Nested(FixDocument), required=True)
    next = fields.Nested(NextDocument, required=True, allow_none=True)
    now = fields.Nested(NowDocument, required=True, allow_none=True)
    attempts = fields.List(fields.Nested(EndedAttempt), required=True)
    log_attempt = whole("whose lines stand in `log_tail`", null=True)
    log_node = text(null=True)
    log_tail = fields.List(fields.String(), required=True)
    probes = fields.List(fields.Nested(ProbeDocument), required=True)
    steps = fields.List(fields.Nested(StepDocument), required=True)
