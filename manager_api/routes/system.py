"""What is said about the deck itself: ``/healthz``, ``/readyz``, ``/v1/version``, ``/docs``."""

from __future__ import annotations

import time

from flask import Response, current_app, render_template

from manager_api.bodies import reply
from manager_api.documents import Alive, Readiness, VersionDocument
from manager_api.nouns import Nouns
from manager_api.services import Services, services
from ormen import __version__
from ormen.doctor.work import LATE_S, late_loops
from ormen.errors import StoreUnavailable
from ormen.node import strange

system = Nouns("system", __name__, description="The deck itself")


@system.route("/healthz", methods=["GET"])
@system.also_answers(200, Alive)
def healthz() -> Response:
    """Say that the process lives. Needs no token and no store."""
    return reply({"status": "ok"})


@system.route("/readyz", methods=["GET"])
@system.also_answers(503, Readiness)
@system.answers(200, Readiness)
def readyz() -> Response:
    """Say whether the deck can do its work: the store answers and the loops have run lately.

    A brake that holds is a remark: the deck is ready, and does on purpose what it does.
    """
    mine = services()
    reasons: list[str] = []
    remarks: list[str] = []
    ages: dict[str, float | None] = {}
    try:
        mine.deck.store.ping()
        ages = loop_ages(mine)
        reasons += late_loops(ages, up_s=time.monotonic() - mine.started)
        said = mine.deck.store.brake().sentence(now_ms=mine.deck.store.now_ms())
        remarks += [said] if said else []
        strangers = [stranger.name for stranger in mine.deck.store.strangers()]
        remarks += [strange(strangers)] if strangers else []
    except StoreUnavailable as error:
        reasons.append(error.sentence)
    found = {"ready": not reasons, "reasons": reasons, "remarks": remarks, "loops": ages}
    return reply(found, 503 if reasons else 200)


def loop_ages(mine: Services) -> dict[str, float | None]:
    """Return how many seconds ago each loop last succeeded, None for never."""
    store = mine.deck.store
    now_ms, last = store.now_ms(), store.loops()
    return {loop: max(0.0, (now_ms - last[loop]) / 1000) if loop in last else None for loop in LATE_S}


@system.route("/v1/version", methods=["GET"])
@system.answers(200, VersionDocument)
def version() -> Response:
    """Say which version answers, and for which cluster."""
    return reply({"version": __version__, "cluster": services().deck.store.cluster()})


@system.route("/docs", methods=["GET"])
@system.also_answers(200, {"type": "string"}, content="text/html")
def docs() -> Response:
    """Show the routes as a page."""
    spec = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return Response(render_template("docs.html", spec=spec), mimetype="text/html")
