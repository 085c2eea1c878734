"""``/v1/stats``: what tasks really use, as their nodes say, and what silent nodes do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from manager_api.routes import stats, why
from ormen.client import Client
from ormen.reasons import Code
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from tests.integration.nodes import Harbour
from tests.integration.sailors import Sailor
from tests.integration.served import Deck
from tests.waiting import wait_until

WEB_ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
WEB = {"id": WEB_ID, "name": "web", "image": "nginx"}
ROW: dict[str, Any] = {
    "task": WEB_ID, "attempt": 1, "cpu": 0.5, "memory_bytes": 2, "memory_before_bytes": 1, "memory_limit_bytes": 2,
    "received_bytes": 3, "sent_bytes": 4, "read_bytes": 5, "written_bytes": 6, "pids": 7,
}  # fmt: skip


@pytest.fixture
def second(settings: Settings) -> Iterator[Sailor]:
    """A node that has joined and answers nothing."""
    opened = AgentStore.connect(settings, "second")
    yield Sailor(opened, "node-2").join()
    opened.close()


def answering(sailor: Sailor, said: dict[str, Any]) -> tuple[threading.Thread, list[Any]]:
    """Let a node answer the next request."""
    asked: list[Any] = []

    def answer() -> None:
        wait_until(lambda: asked.extend(sailor.requests()) or asked)
        sailor.store.answer(asked[0].id, "data", json.dumps(said))
        sailor.store.answer(asked[0].id, "end", "")

    thread = threading.Thread(target=answer)
    thread.start()
    return thread, asked


def test_a_silent_node_is_named_and_not_waited_for(
    api: FlaskClient, sailor: Sailor, second: Sailor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others use is told, and of the silent one that it is silent."""
    monkeypatch.setattr(stats, "PATIENCE_S", 1.0)
    api.post("/v1/tasks", json=WEB)
    thread, asked = answering(sailor, {"items": [ROW, {**ROW, "task": "of a removed task"}]})
    answer = api.get("/v1/stats").get_json()
    thread.join()
    assert answer["items"] == [{**ROW, "name": "web", "node": "node-1"}]
    silent = {"node": "node-2", "error": "node-2 has not answered within 1s"}
    assert answer["nodes"] == [{"node": "node-1", "error": None}, silent]
    assert (asked[0].kind, asked[0].options) == ("stats", {"tasks": None})


def test_only_the_nodes_of_the_named_tasks_are_asked(api: FlaskClient, sailor: Sailor) -> None:
    """A task's own route asks its node for it alone."""
    api.post("/v1/tasks", json=WEB)
    node = api.get("/v1/tasks/web").get_json()["node"]
    thread, asked = answering(sailor, {"items": [ROW]})
    assert api.get("/v1/tasks/web/stats").get_json()["nodes"] == [{"node": node, "error": None}]
    thread.join()
    assert asked[0].options == {"tasks": [WEB_ID]}


def test_why_tells_what_a_task_uses_that_ran_out_of_memory(
    api: FlaskClient, sailor: Sailor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an end for want of memory it is told how far the next attempt has come; of a silent node, that it is so."""
    monkeypatch.setattr(why, "PATIENCE_S", 1.0)
    api.post("/v1/tasks", json={**WEB, "memory": "64MiB"})
    sailor.start(WEB_ID)
    sailor.refuse(WEB_ID, Code.OOM, "Killed for want of memory: it reached its limit of 64 MiB.")
    api.post("/v1/tasks/web/retry")
    sailor.start(WEB_ID, attempt=2)
    silent = api.get("/v1/tasks/web/why").get_json()["now"]
    assert (silent["memory_bytes"], silent["error"]) == (None, "node-1 has not answered within 1s")
    sailor.requests()
    thread, asked = answering(sailor, {"items": [ROW]})
    now = api.get("/v1/tasks/web/why").get_json()["now"]
    thread.join()
    assert (now["memory_bytes"], now["rising"], now["error"]) == (2, True, None)
    assert asked[0].options == {"tasks": [WEB_ID]}


def test_a_lost_node_is_not_asked(api: FlaskClient, sailor: Sailor, second: Sailor, store: LoopStore) -> None:
    """Nobody waits for it, and nothing is put down for it that it would find on its return."""
    store.client.zadd(store.keys.heartbeats, {"node-2": 1})
    store.lose("node-2", silent_s=60, code=Code.NODE_LOST, text="lost", useless_ms=60_000)
    thread, _ = answering(sailor, {"items": []})
    assert api.get("/v1/stats").get_json()["nodes"][1] == {"node": "node-2", "error": "node-2 is lost"}
    thread.join()
    assert second.requests() == ()


def test_a_task_that_does_not_run_uses_nothing(api: FlaskClient) -> None:
    """It is said so, with its state; a name that is none is 404, and a node beside a task is refused, not ignored."""
    api.post("/v1/tasks", json=WEB)
    answer = api.get("/v1/tasks/web/stats")
    assert (answer.status_code, answer.get_json()["detail"]) == (409, "web is pending, so it uses nothing")
    assert api.get("/v1/stats?task=wbe").status_code == 404
    both = api.get("/v1/stats?task=web&node=node-1")
    assert (both.status_code, both.get_json()["errors"][0]["code"]) == (422, "CONFLICT")


def test_the_use_of_a_real_container_is_told(harbour: Harbour, served: Deck) -> None:
    """One that keeps half a core busy is seen to use about half a core, some memory and a process."""
    harbour.node()
    task = harbour.run(command=["sh", "-c", "while :; do :; done"], cpu_limit=0.5, memory="64MiB")
    client = Client(f"127.0.0.1:{served.port}")

    def seen() -> dict[str, Any]:
        found: dict[str, Any] = client.stats([task.name])["items"][0]
        return found

    wait_until(lambda: 0.1 < (seen()["cpu"] or 0) < 0.8, timeout_s=20)
    use = seen()
    assert (use["name"], use["node"], use["attempt"]) == (task.name, "node-1", 1)
    assert 0 < use["memory_bytes"] < use["memory_limit_bytes"] == 64 * 1024**2
    assert use["memory_before_bytes"] > 0
    assert use["pids"] >= 1
