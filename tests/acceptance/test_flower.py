"""Flower shows each node's queue, and what was rung there, under names that mean something."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.living import Cluster, free_port
from tests.waiting import wait_until


class Flower:
    """The page of the queues, as a browser asks it."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        """Return a page's text, or its JSON below /api."""
        with urllib.request.urlopen(self._url + path, timeout=20) as answer:
            text = answer.read().decode()
        return json.loads(text) if path.startswith("/api") else text


@pytest.fixture
def flower(echo_image: None, tmp_path: Path) -> Iterator[tuple[Cluster, Flower]]:
    """A cluster of one sailor with its Flower."""
    port = free_port()
    options = ("--sailors", "1", "--flower-port", str(port))
    cluster = Cluster(tmp_path / "state", free_port(), options, {"FLOWER_UNAUTHENTICATED_API": "true"})
    try:
        cluster.up()
        yield cluster, Flower(port)
    finally:
        cluster.end()


def test_flower_shows_queues_and_operations_by_name(flower: tuple[Cluster, Flower]) -> None:
    """A start and a stop are seen as worker_agent.run and worker_agent.stop, with the task's name and their result."""
    cluster, page = flower
    wait_until(lambda: "sailor@node-1" in page.get("/api/workers?refresh=1"), what="for Flower to know the agent")
    web = cluster.run(name="web")
    assert cluster.call("POST", f"/v1/tasks/{web['id']}/stop?wait=1").status == 202

    def seen() -> dict[str, Any]:
        return {task["name"]: task for task in page.get("/api/tasks").values() if task["state"] == "SUCCESS"}

    wait_until(lambda: {"worker_agent.run", "worker_agent.stop"} <= seen().keys(), what="for both rings to be shown")
    assert "web" in seen()["worker_agent.run"]["args"]
    assert "stopped" in seen()["worker_agent.stop"]["result"]
    worker = page.get("/api/workers")["sailor@node-1"]
    assert [queue["name"] for queue in worker["active_queues"]] == ["node.node-1"]
    assert "node.node-1" in page.get("/broker")
