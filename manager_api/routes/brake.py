"""``/v1/brake``: what a mass loss holds back, and letting go of it."""

from __future__ import annotations

from flask import Response

from manager_api.bodies import reply
from manager_api.documents import BrakeDocument
from manager_api.nouns import Nouns
from manager_api.queries import MarkBody
from manager_api.routes.nodes import mark
from manager_api.services import services

brake = Nouns("brake", __name__, url_prefix="/v1", description="The brake for mass loss")


@brake.route("/brake", methods=["GET"])
@brake.answers(200, BrakeDocument)
def show() -> Response:
    """Say whether the tasks of nodes that fell silent together wait for their return."""
    store = services().deck.store
    return reply(store.brake().to_json(now_ms=store.now_ms()))


@brake.route("/brake/release", methods=["POST"])
@brake.body(MarkBody, required=False)
@brake.answers(202, BrakeDocument, problems=(400, 409, 413, 422))
def release() -> Response:
    """Place anew what waits for the silent nodes; the answer says what that is. A later mass loss brakes again."""
    store, wish = services().deck.store, mark()
    found = store.release_brake(by=wish.by, why=wish.why)
    return reply(found.to_json(now_ms=store.now_ms()) | {"on": False}, 202)
