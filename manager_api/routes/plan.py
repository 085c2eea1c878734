"""``/v1/plan``: what would go where, and why, without doing it."""

from __future__ import annotations

import uuid

from flask import Response

from manager_api.bodies import read_json, reply
from manager_api.nouns import Nouns
from manager_api.plan_documents import PlanDocument
from manager_api.planning import plan as plan_items
from manager_api.routes.tasks import BODY
from manager_api.services import services
from ormen.schema import load_submission

plan = Nouns("plan", __name__, url_prefix="/v1", description="What would go where")


@plan.route("/plan", methods=["POST"])
@plan.body(BODY)
@plan.answers(200, PlanDocument, problems=(400, 403, 409, 413, 422))
def everything() -> Response:
    """Say where the tasks of a submission would go and why, and which would wait for what; nothing is changed.

    The body is that of `POST /v1/tasks`, and is refused for the same faults and for taken names and ids.
    """
    deck = services().deck
    asked = load_submission(read_json(), policy=deck.policy, new_id=lambda: str(uuid.uuid4()))
    return reply(plan_items(deck, asked.items))
