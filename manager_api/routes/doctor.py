"""``/v1/doctor``: what is wrong with the cluster, and the fix."""

from __future__ import annotations

from flask import Response, request

from manager_api import doctor as examination
from manager_api.admin_documents import DoctorDocument
from manager_api.bodies import reply
from manager_api.nouns import Nouns
from manager_api.services import services
from ormen.doctor.finding import report

doctor = Nouns("doctor", __name__, url_prefix="/v1", description="What is wrong, and the fix")


@doctor.route("/doctor", methods=["GET"])
@doctor.answers(200, DoctorDocument)
def examine() -> Response:
    """Look at Redis, the queues, the loops and every node, and say what is wrong with what amount, and the fix.

    The answer is 200 whatever is found, also while Redis is away. Nothing is changed.
    """
    return reply(report(examination.findings(services(), address=request.host)))
