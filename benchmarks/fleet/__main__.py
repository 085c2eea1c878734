"""What the control plane carries, on a simulated fleet; each line is one command, and takes all down again.

    .venv/bin/python -m benchmarks.fleet burst  NODES TASKS      lists of 1,000 until all are reported running
    .venv/bin/python -m benchmarks.fleet single NODES SECONDS    one task a request, 16 clients
    .venv/bin/python -m benchmarks.fleet loss   NODES LOST       LOST nodes with 20 tasks each fall silent at once
    .venv/bin/python -m benchmarks.fleet steady NODES TASKS [S]  a minute in which nothing is asked, with a check
                                                                 of each task every S seconds (60)
    .venv/bin/python -m benchmarks.fleet idle   NODES EARS       the same without tasks, EARS queues on each channel

The fleet's own CPU is told apart: it stands for what the hosts of a real cluster would use.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.fleet.farm import LOTS
from benchmarks.fleet.plane import Plane, plane
from benchmarks.harness import percentile, wait_until

LIST = 1000
"""Tasks of one request."""
CLIENTS = 16
"""Clients that send one task a request."""
PER_NODE = 20
"""Tasks of each node that is lost."""
WATCHED_S = 60.0
"""How long a fleet at rest is watched."""
CROWD = 4
"""Processes of a fleet that has much to do by itself."""
ON_THE_WAY = 3
"""Lists of such a fleet that may be on their way at once."""
FILLED_S = 1200.0
"""How long it is filled at most."""
SETTLED_S = 20.0
"""How long it is left alone before."""
MOST_CALLED = 5
"""So many of Redis's commands are told of."""


def specs(count: int, **more: object) -> list[dict[str, Any]]:
    """Return the tasks of one list."""
    common = {"image": "acme/worker:7", "cpu": 0.05, "memory": "64MiB", **more}
    return [{"id": str(uuid.uuid4()), **common} for _ in range(count)]


def submit(cell: Plane, tasks: int, **more: object) -> None:
    """Submit tasks in lists, from two clients."""
    sizes = [min(LIST, tasks - at) for at in range(0, tasks, LIST)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda size: cell.call("POST", "/v1/tasks", specs(size, **more)), sizes))


def latencies(cell: Plane, most: int = 5000) -> list[float]:
    """Return seconds from acceptance to the report that it runs, of up to `most` tasks, by Redis's clock."""
    found: list[float] = []
    for task in pages(cell, most):
        if task["started_at"]:
            found.append(seconds(task["started_at"]) - seconds(task["created_at"]))
    return found


def pages(cell: Plane, most: int) -> Iterator[dict[str, Any]]:
    """Return up to `most` tasks, the newest first."""
    cursor, left = "", most
    while left > 0:
        page = cell.call("GET", f"/v1/tasks?limit=1000{cursor}")
        yield from page["items"][:left]
        left -= len(page["items"])
        if not page["next"]:
            return
        cursor = f"&cursor={page['next']}"


def seconds(stamp: str) -> float:
    """Return an RFC 3339 time as seconds."""
    from datetime import datetime

    return datetime.fromisoformat(stamp).timestamp()


def until_running(cell: Plane, tasks: int, *, within_s: float) -> None:
    """Return once so many tasks run."""
    wait_until(lambda: pause() and cell.counts().get("running", 0) >= tasks, timeout_s=within_s, what=f"{tasks} run")


def pause() -> bool:
    """Leave Redis alone for a moment."""
    time.sleep(0.1)
    return True


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Return median and 99th percentile."""
    return f"p50 {percentile(values, 0.5):.3f}{unit}, p99 {percentile(values, 0.99):.3f}{unit}"


def cpu(cell: Plane, before: dict[str, float], took_s: float) -> str:
    """Return how many cores each kind of process used."""
    used = cell.cpu_s()
    return ", ".join(f"{kind} {(used[kind] - before[kind]) / took_s:.2f}" for kind in before)


def burst(nodes: int, tasks: int) -> None:
    """Print how many tasks a second come to run when they are submitted as fast as they are taken."""
    with plane(nodes) as cell:
        memory, before, began = cell.raw.info("memory")["used_memory"], cell.cpu_s(), time.monotonic()
        submit(cell, tasks)
        posted_s = time.monotonic() - began
        until_running(cell, tasks, within_s=60 + tasks / 50)
        took_s = time.monotonic() - began
        print(f"burst, {nodes} nodes, {tasks} tasks: {tasks / took_s:.0f} running a second")
        print(
            f"  accepted after {posted_s:.1f}s, all running after {took_s:.1f}s; to running {spread(latencies(cell))}"
        )
        print(f"  cores: {cpu(cell, before, took_s)}")
        print(f"  Redis: {(cell.raw.info('memory')['used_memory'] - memory) / tasks:.0f} bytes a task, events included")


def single(nodes: int, seconds_: int) -> None:
    """Print what 16 clients get that send one task a request."""
    with plane(nodes) as cell:
        took: list[float] = []
        until = time.monotonic() + seconds_

        def client() -> None:
            while time.monotonic() < until:
                at = time.monotonic()
                cell.call("POST", "/v1/tasks", specs(1)[0])
                took.append(time.monotonic() - at)

        before, began = cell.cpu_s(), time.monotonic()
        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until_running(cell, len(took), within_s=120)
        whole_s = time.monotonic() - began
        print(f"single, {nodes} nodes, {CLIENTS} clients: {len(took) / whole_s:.0f} running a second")
        print(f"  answer {spread(took)}; to running {spread(latencies(cell))}")
        print(f"  cores: {cpu(cell, before, whole_s)}")


def loss(nodes: int, lost: int) -> None:
    """Print how long it takes until the tasks of lost nodes have been placed elsewhere and their agents rung."""
    with plane(lost, processes=1) as cell:
        # While there are no others the tasks go to those that will be lost, and may go anywhere afterwards.
        submit(cell, lost * PER_NODE)
        until_running(cell, lost * PER_NODE, within_s=120)
        cell.grow(lost, nodes - lost)
        placed = told(cell, "task.placed")
        cell.farms[0].kill()
        began = time.monotonic()
        # Each is lost so long after its own last heartbeat, and those are spread: the first is long before the last.
        wait_until(lambda: pause() and told(cell, "node.lost") > 0, timeout_s=300, what="the first loss")
        first = time.monotonic()
        wait_until(lambda: pause() and told(cell, "node.lost") >= lost, timeout_s=60, what="the last loss")
        last = time.monotonic()
        print(f"loss of {lost} of {nodes} nodes with {PER_NODE} tasks each: noticed from {first - began:.1f}s on")
        wanted = placed + lost * PER_NODE
        wait_until(lambda: pause() and told(cell, "task.placed") >= wanted, timeout_s=120, what="the moving")
        print(f"  all noticed after {last - began:.1f}s, all placed and rung {time.monotonic() - last:.2f}s later")


def told(cell: Plane, kind: str) -> int:
    """Return how many events of a kind there have been, by the cluster's own count."""
    figures = cell.raw.hgetall("ormen:figures")
    return sum(int(count) for word, count in figures.items() if word.startswith(f"event {kind} "))


def steady(nodes: int, tasks: int, every_s: int = 60) -> None:
    """Print what a fleet at rest costs with so many running tasks, or as many as have come to run in `FILLED_S`."""
    with plane(nodes, processes=CROWD) as cell:
        began = time.monotonic()
        fill(cell, tasks, health={"command": ["ok"], "interval": f"{every_s}s"})
        running, took_s = cell.counts().get("running", 0), time.monotonic() - began
        print(f"filled, {nodes} nodes: {running / took_s:.0f} running a second over {took_s:.0f}s, list after list")
        rest(cell, f"steady, {nodes} nodes, {running} running, a check of each every {every_s}s")
        print(f"  at the end {cell.counts().get('running', 0)} run, {cell.ready()} nodes are ready")


def fill(cell: Plane, tasks: int, **more: object) -> None:
    """Submit lists, each for some of the nodes and with few on their way, so that agents on two cores do not starve."""
    until, lists = time.monotonic() + FILLED_S, -(-tasks // LIST)
    for turn in range(lists):
        count = min(LIST, tasks - turn * LIST)
        first = turn * LOTS // lists
        lots = [f"lot>={first}", f"lot<{max(first + 1, (turn + 1) * LOTS // lists)}"]
        cell.call("POST", "/v1/tasks", specs(count, constraints=lots, **more), again=True)
        wanted = turn * LIST + count - ON_THE_WAY * LIST
        while cell.counts().get("running", 0) < wanted and time.monotonic() < until:
            pause()
        if time.monotonic() >= until:
            return
    until_running(cell, tasks, within_s=300)


def idle(nodes: int, ears: int) -> None:
    """Print what nodes without tasks cost, so many queues a channel: an agent's own process has one."""
    with plane(nodes, ears=ears) as cell:
        rest(cell, f"idle, {nodes} nodes, {ears} queues a channel")


def rest(cell: Plane, what: str) -> None:
    """Print what everything costs while nothing is asked, and which of Redis's commands take the most of its time."""
    time.sleep(SETTLED_S)
    before, called = cell.cpu_s(), cell.commands()
    time.sleep(WATCHED_S)
    spent, after = cpu(cell, before, WATCHED_S), cell.commands()
    print(f"{what}; {WATCHED_S:.0f}s, load {os.getloadavg()[0]:.1f}")
    print(f"  cores: {spent}")
    print("  memory: " + ", ".join(f"{kind} {amount:.0f} MB" for kind, amount in cell.memory_mb().items()))
    rows = {
        name: (count - called.get(name, (0, 0))[0], s - called.get(name, (0, 0))[1])
        for name, (count, s) in after.items()
    }
    for name, (count, s) in sorted(rows.items(), key=lambda row: -row[1][1])[:MOST_CALLED]:
        print(f"  Redis, {name}: {count / WATCHED_S:.0f} a second, {s / WATCHED_S * 1000:.1f} ms of each")
    print(flush=True)


COMMANDS: dict[str, Callable[..., None]] = {
    "burst": burst, "single": single, "loss": loss, "steady": steady, "idle": idle,
}  # fmt: skip


def main(words: Sequence[str]) -> int:
    """Run one of the commands."""
    if not words or words[0] not in COMMANDS or len(words) not in (3, 4 if words[0] == "steady" else 3):
        print(__doc__, file=sys.stderr)
        return 2
    COMMANDS[words[0]](*map(int, words[1:]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
