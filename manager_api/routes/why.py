"""``/v1/tasks/{t}/why``: why a task waits, failed, moved or is slow."""

from __future__ import annotations

from typing import Any

from flask import Response

from manager_api.bodies import reply
from manager_api.explaining import why as explained
from manager_api.nouns import Nouns
from manager_api.queries import WhyQuery
from manager_api.services import Services, services
from manager_api.using import use_of_nodes
from manager_api.why_documents import WhyDocument
from ormen.reasons import Code

PATIENCE_S = 1.2
"""How long a node has to say what a task uses, of which it takes half a second to look: the rest is known already."""

why = Nouns("why", __name__, url_prefix="/v1", description="Why a task is as it is")


@why.route("/tasks/<task>/why", methods=["GET"])
@why.query(WhyQuery)
@why.answers(200, WhyDocument, problems=(404, 409, 422))
def answer(query: dict[str, Any], task: str) -> Response:
    """Say in one sentence why a task waits, failed, moved, is slow or runs, with the evidence and what helps.

    Nothing is changed. Of more than twenty nodes the ten nearest to fitting are told, and the others in groups; with
    `all=1` each one. With `node` the answer is why the task is not there.
    """
    mine = services()
    document = explained(mine.deck, task, node=query["node"], every=query["all"])
    if document["code"] == Code.OOM and document["now"]:
        document["now"] |= _memory(mine, document["task"], document["now"]["node"])
    return reply(document)


def _memory(mine: Services, task: str, node: str) -> dict[str, Any]:
    """Return what a task uses just now, as its node says, or why its node says nothing."""
    found = use_of_nodes(mine, {node: [task]}, patience_s=PATIENCE_S)
    for use in found["items"]:
        before = use["memory_before_bytes"]
        return {"memory_bytes": use["memory_bytes"], "rising": before is not None and use["memory_bytes"] > before}
    return {"error": found["nodes"][0]["error"]}
