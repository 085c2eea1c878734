"""The whole API against its own description: no failure of ours, and nothing that is not documented."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from manager_api import logins, pruning
from manager_api.app import create_app
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

BOUNDED = settings(
    max_examples=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def described(app: Flask, sailor: Sailor, store: LoopStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The API's description, with a node, some tasks and loops that have run."""
    for patience in ("LISTING_S", "REMOVING_S", "CONFIRM_S"):
        monkeypatch.setattr(pruning, patience, 0.1)
    monkeypatch.setattr(logins, "PATIENCE_S", 0.1)
    now = store.now_ms()
    store.client.hset(store.keys.loops, mapping={"liveness": now, "reschedule": now})
    client = app.test_client()
    client.post("/v1/tasks", json=[{"image": "nginx", "name": "web"}, {"image": "nginx", "memory": "40GiB"}])
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


def operations() -> list[tuple[str, str]]:
    """Return every documented path and method."""
    document = create_app(Settings()).extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return [(path, method) for path, item in document["paths"].items() for method in item if method != "parameters"]


def tame(case: Any) -> None:
    """Let a case end soon, and let half of them meet something that is there."""
    query = dict(case.query or {})
    # Streams do not end and waits take their time: both have tests of their own.
    query.pop("follow", None)
    if "wait" in query:
        query["timeout"] = "0"
    case.query = query
    for word, known in (("task", "web"), ("node", "node-1")):
        if len(str(case.path_parameters.get(word, ""))) % 2:
            case.path_parameters[word] = known


@pytest.mark.parametrize(("path", "method"), operations())
def test_every_answer_is_documented_and_none_is_a_failure(described: Any, path: str, method: str) -> None:
    """Whatever is sent to a route, right or wrong, the answer is one that the description knows."""

    @BOUNDED
    @given(case=described[path][method.upper()].as_strategy())
    def answers_as_described(case: Any) -> None:
        tame(case)
        case.call_and_validate(checks=CHECKS)

    answers_as_described()
