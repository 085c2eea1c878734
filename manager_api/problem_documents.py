"""What a refusal is as JSON: the problem document with every member it can have, and the seeds' error body."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import text, whole


class FaultDocument(ma.Schema):
    """One thing wrong with a body or a query."""

    pointer = text("JSON pointer, or the parameter's name after a slash")
    code = text()
    detail = text()
    value = fields.Raw(required=True, allow_none=True)
    hint = text(null=True)


class MatchDocument(ma.Schema):
    """A task that an ambiguous word fits."""

    id = text()
    name = text()
    state = text()
    node = text(null=True)


class TakenDocument(ma.Schema):
    """An id or a name that another task has."""

    code = text("ID_TAKEN or NAME_TAKEN")
    name = text("what the new task was to be called")
    task = text("id of the task in the way")


class ProblemDocument(ma.Schema):
    """A refusal (RFC 9457)."""

    type = text()
    title = text()
    status = whole()
    code = text()
    detail = text("what is wrong, with names and amounts")
    hint = text("the remedy", null=True)
    request_id = text()
    errors = fields.List(fields.Nested(FaultDocument), metadata={"description": "every fault of a body or a query"})
    near = fields.List(fields.String(), metadata={"description": "names that are nearly the one asked for"})
    matches = fields.List(fields.Nested(MatchDocument), metadata={"description": "what an ambiguous word fits"})
    taken = fields.List(
        fields.Nested(TakenDocument), metadata={"description": "all that is taken, where it is several"}
    )
    task = fields.String(metadata={"description": "id of the task in the way, or of the one to be repeated"})
    line = fields.Integer(metadata={"description": "where the body stops being JSON"})
    column = fields.Integer()
    allow = fields.List(fields.String(), metadata={"description": "the methods that this path takes"})
    tasks = fields.Integer(metadata={"description": "how many tasks the body has"})
    most = fields.Integer(metadata={"description": "how many it may have"})
    node = fields.String(metadata={"description": "the node that has no room"})
    token = fields.String(metadata={"description": "the name of the token in question"})
    role = fields.String(metadata={"description": "the role it has"})
    needed = fields.String(metadata={"description": "the role that is needed"})


class SeedError(ma.Schema):
    """The seeds' error body."""

    HTTPStatusCode = whole()
    Message = text()
