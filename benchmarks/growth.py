"""How the cost of a request and of a loop grows with the number of nodes: a table, and a curve as SVG.

    .venv/bin/python -m benchmarks.growth [NODES...]      10 100 1000 5000

The real API answers in this process, on a real Redis, and posts its rings to real queues; nodes stand in the store as
if each had spoken this moment. CPU time is counted, of the deck and of Redis apart, so a busy machine distorts it
little. The curve is written to benchmarks/growth.svg.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.chart import chart
from benchmarks.harness import heading
from manager_api.app import create_app
from manager_api.control.loops import Loops
from ormen.local.redis import RunningRedis, find_server, start
from ormen.node import Resources
from ormen.reasons import Code, Reason
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.agent import AgentStore, Heartbeat, NodeCard
from ormen.store.loops import LoopStore

SIZES = (10, 100, 1000, 5000)
ONES, LISTS, LIST, TURNS = 40, 3, 1000, 5
"""Requests for one task, lists, tasks of a list, and turns of a loop that are measured of each size."""
PICTURE = Path(__file__).with_name("growth.svg")
CAPACITY = Resources(256_000, 2**40, 2**43)

Cost = tuple[float, float]
"""CPU of the deck and of Redis, in ms."""


class Cell:
    """An API in this process with a fleet that is only on record."""

    def __init__(self, server: RunningRedis, nodes: int) -> None:
        self.settings = Settings(redis_url=server.url)
        self.store = LoopStore.connect(self.settings, "growth")
        self.store.client.flushdb()
        agent = AgentStore.connect(self.settings, "growth-agents")
        for number in range(nodes):
            agent.join(card(number))
            agent.synced(f"n{number}", "i", orphans=[])
        self.app = create_app(self.settings)
        self.api = self.app.test_client()
        self.loops = Loops(self.store, Ringer(self.store), self.settings)
        self.nodes = nodes

    def speak(self) -> None:
        """Let every node have spoken now."""
        now = self.store.now_ms()
        self.store.client.zadd(self.store.keys.heartbeats, {f"n{number}": now for number in range(self.nodes)})

    def trouble(self) -> None:
        """Let every agent have begun to complain of its engine."""
        agent, cluster = AgentStore.connect(self.settings, "growth-agents"), self.store.cluster()
        hung = Reason(Code.ENGINE_HUNG, "The engine has not been seen in full for 21s.")
        for number in range(self.nodes):
            agent.heartbeat(Heartbeat(f"n{number}", "i", cluster, Resources(), 0.0, trouble=hung))
        agent.close()

    def cost(self, work: Callable[[], object]) -> Cost:
        """Return what some work costs."""
        self.speak()
        redis, began = self._redis_s(), time.process_time()
        work()
        deck_s = time.process_time() - began
        return deck_s * 1000, (self._redis_s() - redis) * 1000

    def turn(self, loop: str) -> Cost:
        """Return what a loop's turn costs: one that comes too soon after another is not taken."""
        if loop == "liveness":
            time.sleep(1.0)
        else:
            # Liveness would count every silence anew; of the others it is only said that they have run.
            self.store.client.hdel(self.store.keys.loops, f"{loop}:began")
        return self.cost(getattr(self.loops, loop))

    def post(self, body: object) -> None:
        """Submit, and see that it was accepted."""
        answer = self.api.post("/v1/tasks", json=body)
        if answer.status_code != 201:
            raise SystemExit(f"POST /v1/tasks answered {answer.status_code}: {answer.get_data(as_text=True)[:300]}")

    def read(self, path: str) -> None:
        """Read a page."""
        if self.api.get(path).status_code != 200:
            raise SystemExit(f"GET {path} was refused")

    def close(self) -> None:
        """Close every connection."""
        self.app.extensions["ormen"].close()

    def _redis_s(self) -> float:
        info: dict[str, Any] = self.store.client.info("cpu")
        return float(info["used_cpu_user"] + info["used_cpu_sys"])


def card(number: int) -> NodeCard:
    """Return what a large node says of itself."""
    place = f"10.0.{number // 250}.{number % 250}"
    return NodeCard(f"n{number}", "i", place, "", f"e{number}", "24", "linux", "amd64", "0", {}, CAPACITY)


def spec(**more: object) -> dict[str, Any]:
    """Return a task."""
    return {"id": str(uuid.uuid4()), "image": "acme/worker:7", "cpu": 0.05, "memory": "64MiB", **more}


def measure(cell: Cell) -> dict[str, Cost]:
    """Return what each kind of work costs, its median; a list's by the task."""
    cell.post(spec())
    one = [cell.cost(lambda: cell.post(spec(ports=[{"container": 80}]))) for _ in range(ONES)]
    lists = [cell.cost(lambda: cell.post([spec() for _ in range(LIST)])) for _ in range(LISTS)]
    cell.post([spec(health={"tcp": 80}) for _ in range(LIST)])
    turns = {loop: [cell.turn(loop) for _ in range(TURNS)] for loop in ("liveness", "health", "cleanup")}
    pages = [cell.cost(lambda: cell.read("/v1/tasks?limit=100")) for _ in range(ONES)]
    nodes = [cell.cost(lambda: cell.read("/v1/nodes")) for _ in range(TURNS)]
    cell.trouble()
    finds, *knows = [cell.turn("liveness") for _ in range(1 + TURNS)]
    return {
        "one task with a port": middle(one),
        "a task of a list": middle(lists, by=LIST),
        **{f"a turn of {loop}": middle(costs) for loop, costs in turns.items()},
        "all fall into trouble": finds,
        "all are in trouble": middle(knows),
        "a page of 100 tasks": middle(pages),
        "the list of nodes": middle(nodes),
    }


def middle(costs: Sequence[Cost], *, by: int = 1) -> Cost:
    """Return the medians."""
    deck, redis = (statistics.median(column) / by for column in zip(*costs, strict=True))
    return deck, redis


def table(found: dict[int, dict[str, Cost]]) -> str:
    """Return a row for each kind of work and a column for each size: CPU of the deck and of Redis in ms."""
    lines = [f"{'ms of the deck + of Redis':<26}" + "".join(f"{f'{size:,} nodes':>18}" for size in found)]
    for what in next(iter(found.values())):
        cells = (f"{row[what][0]:.2f} + {row[what][1]:.2f}" for row in found.values())
        lines.append(f"{what:<26}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Measure each size and draw the curve."""
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    found: dict[int, dict[str, Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="ormen-growth-") as folder:
        server = start(find_server(), folder)
        try:
            for size in sizes:
                cell = Cell(server, size)
                found[size] = measure(cell)
                cell.close()
        finally:
            server.stop()
    print(heading("cost by the number of nodes"))
    print(table(found))
    lines = {what: [(size, sum(row[what])) for size, row in found.items()] for what in next(iter(found.values()))}
    PICTURE.write_text(chart(lines, across="nodes", up="ms of CPU, deck and Redis together"))
    print(f"the curve is {PICTURE.relative_to(PICTURE.parent.parent)}")


if __name__ == "__main__":
    main()
