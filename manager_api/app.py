"""The API as a Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from flask_smorest import Api

from manager_api import auth, metrics, problems
from manager_api.routes.brake import brake
from manager_api.routes.doctor import doctor
from manager_api.routes.events import events
from manager_api.routes.logs import logs
from manager_api.routes.nodes import nodes
from manager_api.routes.plan import plan
from manager_api.routes.prune import prune
from manager_api.routes.registries import registries
from manager_api.routes.seed import seed
from manager_api.routes.stats import stats
from manager_api.routes.system import system
from manager_api.routes.talks import talks
from manager_api.routes.tasks import tasks
from manager_api.routes.tokens import tokens
from manager_api.routes.webhooks import webhooks
from manager_api.routes.why import why
from manager_api.services import Services
from ormen import __version__
from ormen.policy_file import load_policy
from ormen.sealing import Sealer
from ormen.settings import Settings

if TYPE_CHECKING:
    from manager_api.submission import Deck


class Documentation(Api):  # type: ignore[misc]  # flask-smorest ships no types
    """Describes the routes; failures are answered by `problems` alone."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave every failure to `manager_api.problems`."""


def create_app(settings: Settings, *, deck: Deck | None = None) -> Flask:
    """Return the API with everything a request needs; nothing is connected before the first request.

    `deck` stands in for the one that would be opened from `settings`. Raises ValueError for a token, secret
    or policy file that cannot be used.
    """
    Sealer.of(settings)
    app = Flask("manager_api", static_folder=None)
    app.config.update(
        API_TITLE="ormen",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        API_SPEC_OPTIONS={"info": {"description": "Run containers on many hosts."}, **_security(settings)},
    )
    app.url_map.redirect_defaults = False
    mine = Services(settings, policy=deck.policy if deck else load_policy(settings.policy_file), deck=deck)
    app.extensions["ormen"] = mine
    problems.install(app)
    metrics.install(app, mine.metrics)
    auth.install(app, settings, mine)
    documentation = Documentation(app)
    looks = (tasks, why, plan, logs, stats, talks, nodes, brake, events)
    for blueprint in (*looks, prune, tokens, registries, webhooks, doctor, system, seed):
        documentation.register_blueprint(blueprint)
    return app


def _security(settings: Settings) -> dict[str, object]:
    if auth.read_token(settings) is None:
        return {}
    scheme = {"type": "http", "scheme": "bearer"}
    return {"components": {"securitySchemes": {"token": scheme}}, "security": [{"token": []}]}
