"""The API's documents as OpenAPI describes them. They only document: answers are rendered by `to_json`."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields

from ormen.node import NodeState
from ormen.task import Health, State, Wanted


def text(description: str = "", *, null: bool = False, **more: Any) -> fields.String:
    """Return a text field that is always there; with `null` it may be null."""
    return fields.String(required=True, allow_none=null, metadata={"description": description, **more})


def whole(description: str = "", *, null: bool = False) -> fields.Integer:
    """Return a whole number that is always there."""
    return fields.Integer(required=True, allow_none=null, metadata={"description": description})


def moment(description: str, *, null: bool = True) -> fields.String:
    """Return a time: RFC 3339 in UTC with milliseconds."""
    return text(description, null=null, format="date-time")


def choice(values: type[State] | type[Wanted] | type[Health] | type[NodeState], *, null: bool = False) -> fields.String:
    """Return a word of a closed set."""
    words: list[str | None] = [*(value.value for value in values), *([None] if null else [])]
    return fields.String(required=True, allow_none=null, metadata={"enum": words})


class ReasonDocument(ma.Schema):
    """Why something is as it is."""

    code = text("a stable code", examples=["FIT_MEMORY"])
    sentence = text("the thing, the amount and the place")


class PortDocument(ma.Schema):
    """A published port."""

    container = whole()
    host = whole()
    protocol = text()
    address = text("where it answers", null=True)


class TaskDocument(ma.Schema):
    """A task's record."""

    id = text(format="uuid")
    name = text()
    wanted = choice(Wanted)
    state = choice(State)
    health = choice(Health, null=True)
    attempt = whole("number of the latest attempt, 0 before the first")
    node = text("where the latest attempt was placed", null=True)
    container_name = text(null=True)
    container_id = text(null=True)
    exit_code = whole(null=True)
    reason = fields.Nested(ReasonDocument, required=True, allow_none=True)
    detail = text("what is under way", null=True)
    image_digest = text("the image that the submission's tag meant when one of its tasks first found it", null=True)
    paused_at = moment("since when somebody has its container paused, so that it runs no code")
    resizing = fields.Boolean(
        required=True, metadata={"description": "whether its node has still to give its container other limits"}
    )
    resize_refused = text("why its node could not, until the next change or attempt", null=True)
    could_fit = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "enum": ["now", "later", "never", None],
            "description": "of a task that waits for room: whether any known node could ever hold it",
        },
    )
    next_try_at = moment("when a waiting task is looked at again")
    deadline_at = moment("when it fails unless it runs by then; once it runs, when it is ended")
    created_at = moment("when it was accepted", null=False)
    started_at = moment("when the container of the latest attempt started")
    ended_at = moment("when the latest attempt ended")
    restarts = whole("tries of the restart policy that are spent")
    ports = fields.List(fields.Nested(PortDocument), required=True)
    gpus = fields.List(fields.String(), required=True, metadata={"description": "ids of the GPUs that it has"})
    placement = fields.Dict(required=True, allow_none=True, metadata={"description": "why this node"})
    labels = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    spec = fields.Dict(required=True, metadata={"description": "what was asked for, as sent"})


class TaskPage(ma.Schema):
    """A page of tasks, newest first."""

    items = fields.List(fields.Nested(TaskDocument), required=True)
    next = text("cursor of the next page; null: there is none", null=True)


class AttemptDocument(ma.Schema):
    """One run of a task on one node."""

    attempt = whole()
    node = text()
    container_id = text(null=True)
    assigned_at = moment("when the node was chosen")
    started_at = moment("when the container started")
    ended_at = moment("when it ended")
    exit_code = whole(null=True)
    reason = fields.Nested(ReasonDocument, required=True, allow_none=True)
    log_tail = fields.List(fields.String(), required=True)


class RemovalDocument(ma.Schema):
    """A task that is removed, while a container of it may still be on `node`."""

    task = text()
    node = text(null=True)


class AttemptPage(ma.Schema):
    """The attempts on record, at most ten, oldest first."""

    items = fields.List(fields.Nested(AttemptDocument), required=True)
    next = text(null=True)


class AmountsDocument(ma.Schema):
    """Amounts of what a node has or a task takes."""

    cpu = fields.Float(required=True, metadata={"description": "cores"})
    memory_bytes = whole()
    disk_bytes = whole()
    gpus = whole()


class EngineDocument(ma.Schema):
    """A node's Docker engine."""

    version = text()
    os = text()
    arch = text()


class NodeDocument(ma.Schema):
    """A node."""

    name = text()
    state = choice(NodeState)
    state_reason = fields.Nested(ReasonDocument, required=True, allow_none=True)
    address = text()
    labels = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    agent_version = text()
    engine = fields.Nested(EngineDocument, required=True)
    last_heartbeat_at = moment("by Redis's clock")
    joined_at = moment("when this agent joined")
    clock_skew_ms = whole("its clock against Redis's")
    tasks = whole()
    ports = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    capacity = fields.Nested(AmountsDocument, required=True)
    reserved = fields.Nested(AmountsDocument, required=True)
    used = fields.Nested(AmountsDocument, required=True)


class StrangerDocument(ma.Schema):
    """An agent of another cluster that calls here: it changes nothing until it is started again."""

    name = text()
    cluster = text("the id of the cluster it has joined")
    last_heartbeat_at = moment("by Redis's clock", null=False)


class NodePage(ma.Schema):
    """Every node, node-2 before node-10."""

    items = fields.List(fields.Nested(NodeDocument), required=True)
    strangers = fields.List(fields.Nested(StrangerDocument), required=True)
    next = text(null=True)


class BrakeDocument(ma.Schema):
    """Whether a mass loss is held back, and what waits. While it is not, the amounts are 0."""

    on = fields.Boolean(required=True)
    since = moment("since when it holds")
    silent = whole("how many nodes are gone")
    known = whole("of how many that were there")
    nodes = fields.List(
        fields.String(), required=True, metadata={"description": "those whose tasks wait for their return"}
    )
    tasks = whole("how many tasks wait")
    moves_at = moment("when those tasks are placed anew, once so many nodes are back that it lets go")
    sentence = text("the same in words", null=True)


class EventDocument(ma.Schema):
    """Something that happened."""

    id = text("orders the events")
    type = text(examples=["task.running"])
    at = moment("by Redis's clock", null=False)
    task = text(null=True)
    name = text(null=True)
    attempt = whole(null=True)
    node = text(null=True)
    reason = fields.Nested(ReasonDocument, required=True, allow_none=True)
    sentence = text()
    to = choice(State, null=True)


EventDocument._declared_fields["from"] = choice(State, null=True)  # a keyword of Python's


class EventPage(ma.Schema):
    """A page of events, oldest first."""

    items = fields.List(fields.Nested(EventDocument), required=True)
    next = text("cursor of the next page", null=True)


class PrunedImage(ma.Schema):
    """An image that ormen pulled and nothing needs."""

    name = text()
    bytes = whole("freed at most: layers may be shared")


class PrunedNode(ma.Schema):
    """What went, or may go, of one node. A kind that was not asked for is listed and stays."""

    node = text()
    containers = whole("of the ended tasks")
    left = whole("of these, not confirmed gone yet")
    images = fields.List(fields.Nested(PrunedImage), required=True)
    volumes = fields.List(fields.String(), required=True, metadata={"description": "left by images' VOLUME lines"})
    orphans = fields.List(fields.String(), required=True, metadata={"description": "containers without a record"})
    error = text("why the node has not said", null=True)


class PruneDocument(ma.Schema):
    """What was removed, or with `dry_run` would be."""

    dry_run = fields.Boolean(required=True)
    kinds = fields.List(fields.String(), required=True)
    tasks = whole("ended tasks, at most 1,000 a request")
    names = fields.List(fields.String(), required=True, metadata={"description": "of the first hundred"})
    more = fields.Boolean(required=True, metadata={"description": "whether to ask again"})
    nodes = fields.List(fields.Nested(PrunedNode), required=True)


class Alive(ma.Schema):
    """The process lives."""

    status = text()


class Readiness(ma.Schema):
    """Whether the deck can do its work, and if not, why."""

    ready = fields.Boolean(required=True)
    reasons = fields.List(fields.String(), required=True)
    remarks = fields.List(
        fields.String(), required=True, metadata={"description": "what an operator should know of a ready deck"}
    )
    loops = fields.Dict(keys=fields.String(), values=fields.Float(allow_none=True), required=True)


class VersionDocument(ma.Schema):
    """What answers."""

    version = text()
    cluster = text("the cluster's id")
