"""The document of `POST /v1/plan` as OpenAPI describes it."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import ReasonDocument, text, whole


class PlannedDocument(ma.Schema):
    """Where one task would go, or why it would wait."""

    task = text("the id that was sent", null=True)
    name = text()
    node = text("where it would go, or is; null: it would wait", null=True)
    because = text("what speaks for this node", null=True, examples=["cost 0.041; next node-3, 0.046"])
    placement = fields.Dict(required=True, allow_none=True, metadata={"description": "as in a task's record"})
    reason = fields.Nested(ReasonDocument, required=True, allow_none=True)
    could_fit = text("of one that would wait: later or never", null=True)
    there = text("the state of a task that is stored already, with the same id and content", null=True)


class PlanDocument(ma.Schema):
    """What would go where. Nothing was changed, and nothing is held for it."""

    items = fields.List(fields.Nested(PlannedDocument), required=True)
    start = whole("how many would start now")
    wait = whole("how many would wait")
    there = whole("how many are there already")
