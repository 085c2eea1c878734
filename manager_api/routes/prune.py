"""``/v1/prune``: remove what has ended, and what nothing needs."""

from __future__ import annotations

from flask import Response

from manager_api import pruning
from manager_api.bodies import read_json, reply
from manager_api.documents import PruneDocument
from manager_api.nouns import Nouns
from manager_api.queries import PruneBody, load_body
from manager_api.routes.nodes import has_body
from manager_api.services import services

prune = Nouns("prune", __name__, url_prefix="/v1", description="Removing what nobody needs")


@prune.route("/prune", methods=["POST"])
@prune.body(PruneBody, required=False)
@prune.answers(200, PruneDocument, problems=(400, 413, 422))
def everything() -> Response:
    """Remove ended tasks with their containers, and the kinds that are named: images, volumes, orphans.

    Images are those that ormen pulled and nothing needs; volumes those that an image's VOLUME lines made for
    containers of ormen that are gone; orphans are containers of this cluster without a record, which are stopped
    if they run. All kinds are listed, only those named are removed, and with `dry_run` nothing is.
    """
    mine = services()
    body = load_body(PruneBody(), read_json()) if has_body() else {}
    wish = pruning.Wish(body.get("older_than") or 0.0, tuple(body.get("kinds") or ()), bool(body.get("dry_run")))
    with mine.long.place():
        return reply(pruning.prune(mine, wish))
