"""``/v1/tasks/{t}/why``: why a task waits, failed, moved or is slow."""

from __future__ import annotations

from typing import Any

from flask import Response

from manager_api.bodies import reply
from manager_api.explaining import why as explained
from manager_api.nouns import Nouns
from manager_api.queries import WhyQuery
from manager_api.services import services
from manager_api.why_documents import WhyDocument

why = Nouns("why", __name__, url_prefix="/v1", description="Why a task is as it is")


@why.route("/tasks/<task>/why", methods=["GET"])
@why.query(WhyQuery)
@why.answers(200, WhyDocument, problems=(404, 409, 422))
def answer(query: dict[str, Any], task: str) -> Response:
    """Say in one sentence why a task waits, failed, moved, is slow or runs, with the evidence and what helps.

    Nothing is changed. Of more than twenty nodes the ten nearest to fitting are told, and the others in groups; with
    `all=1` each one. With `node` the answer is why the task is not there.
    """
    return reply(explained(services().deck, task, node=query["node"], every=query["all"]))
