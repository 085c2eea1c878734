"""Rules of neighbours while several processes of the API place at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ormen.client import Client
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from ormen.task import Task
from tests.integration.sailors import Sailor
from tests.integration.served import Deck

CLIENTS = 16
NODES = tuple(f"node-{number}" for number in range(1, 5))


@pytest.fixture
def fleet(settings: Settings, store: LoopStore) -> Iterator[None]:
    """Four nodes that exist in the store alone and are heard of for the length of the test."""
    opened = AgentStore.connect(settings, "test-agent")
    for name in NODES:
        Sailor(opened, name).join()
    store.client.zadd(store.keys.heartbeats, dict.fromkeys(NODES, store.now_ms() + 120_000))
    yield
    opened.close()


def rush(served: Deck, store: LoopStore, specs: list[dict[str, Any]]) -> list[Task]:
    """Submit all tasks at once by many clients of both processes; return them as they then are."""
    clients = [Client(f"127.0.0.1:{served.port}") for _ in range(CLIENTS)]

    def submit(number: int) -> list[str]:
        return [clients[number].submit([spec])[0]["id"] for spec in specs[number::CLIENTS]]

    with ThreadPoolExecutor(CLIENTS) as pool:
        ids = [task_id for found in pool.map(submit, range(CLIENTS)) for task_id in found]
    return [task for task in store.read(ids).values() if task]


@pytest.mark.usefixtures("fleet")
def test_no_race_puts_one_too_many_on_a_node(served: Deck, store: LoopStore) -> None:
    """Sixteen clients submit 48 copies: each of four nodes has two, and the others wait for that reason."""
    specs = [
        {"name": f"web-{number}", "image": "nginx", "max_per_node": 2, "cpu": 0.01, "memory": "6MiB"}
        for number in range(48)
    ]
    tasks = rush(served, store, specs)
    assert Counter(task.node for task in tasks if task.node) == dict.fromkeys(NODES, 2)
    assert Counter(task.reason.code.value for task in tasks if task.reason) == {"MAX_PER_NODE": 40}
    assert store.beside(NODES, ["web"]) == {"web": dict.fromkeys(NODES, 2)}


@pytest.mark.usefixtures("fleet")
def test_no_race_puts_together_what_is_to_be_apart(served: Deck, store: LoopStore) -> None:
    """Half of the tasks are to be far from the other half, which knows nothing of it: no node has both."""
    small = {"image": "nginx", "cpu": 0.01, "memory": "6MiB", "strategy": "roundrobin"}
    tasks = rush(
        served,
        store,
        [
            {"name": f"{'db' if number % 2 else 'batch'}-{number}", **small, **({} if number % 2 else {"far": "db"})}
            for number in range(32)
        ],
    )
    where = {
        kind: {task.node for task in tasks if task.node and task.name.startswith(kind)} for kind in ("db", "batch")
    }
    assert where["db"] | where["batch"]
    assert where["db"] & where["batch"] == set()
    assert all(task.node or (task.reason and task.reason.code.value == "FAR") for task in tasks)
