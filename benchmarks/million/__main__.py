"""What the API answers when very many tasks have ended, against a real Redis and a real deck.

    .venv/bin/python -m benchmarks.million [ENDED [REQUESTS]]      1,000,000 and 200

Half of the running tasks are older than everything that has ended, half are younger. Printed are the time of each
request, and the longest that one command or script has kept Redis from all others while the loops ran.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.fleet.plane import Plane, deck_of
from benchmarks.harness import free_port, percentile, wait_until
from benchmarks.million.filling import TEAMS, Filling, shape
from ormen.local.redis import find_server, start
from ormen.settings import Settings

NODES = 200
RUNNING = 5000
GOAL_MS = 50.0
WATCHED_S = 70.0
"""How long the loops are watched: the slowest ticks once a minute."""
SLOW_US = 1000
"""Commands that take longer are noted by Redis."""


@contextlib.contextmanager
def filled(ended: int) -> Iterator[Plane]:
    """Give a control plane whose store is full, and which keeps what it has."""
    with tempfile.TemporaryDirectory(prefix="ormen-million-") as folder:
        server = start(find_server(), Path(folder) / "redis")
        settings = Settings(redis_url=server.url)
        with contextlib.ExitStack() as ends:
            ends.callback(server.stop)
            # Entered first and so left last of the two: the deck ends while its nodes live.
            filling = ends.enter_context(Filling(settings, NODES))
            fill(filling, ended)
            port = free_port()
            made = Plane(server, port, Path(folder), deck_of(server, port, ORMEN_KEEP_ENDED=str(10 * ended)))
            ends.callback(made.end_deck)
            wait_until(made.answers, what="an answer of the deck")
            yield made
            print(f"at the end: {shape(filling.client, settings.prefix)}")


def fill(filling: Filling, ended: int) -> None:
    """Run tasks, let as many as are asked for have ended, and run tasks."""
    began = time.monotonic()
    filling.mould()
    filling.run_old(RUNNING // 2)
    # What is poured in need not be written twice.
    filling.client.config_set("appendonly", "no")
    filling.end(ended)
    filling.client.config_set("appendonly", "yes")
    wait_until(lambda: written(filling.client), timeout_s=600, what="the file of Redis")
    filling.remember(oldest(filling.client))
    for _ in range(RUNNING // 2000):
        filling.submit(1000)
    print(f"{shape(filling.client, filling.settings.prefix)}, after {time.monotonic() - began:.0f}s", flush=True)


def oldest(client: Any) -> list[str]:
    """Return the ids of tasks that run and are older than all that has ended."""
    return [str(task) for task in client.zrange("ormen:tasks:running", 0, 99)]


def written(client: Any) -> bool:
    """Return whether Redis has all it holds in its file, and writes only what is new."""
    time.sleep(0.2)
    state = client.info("persistence")
    return bool(state["aof_enabled"] and not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"])


def requests(cell: Plane) -> dict[str, Callable[[], str]]:
    """Return what is asked, each as what makes the next path."""
    chance = random.Random(2)
    some = [item for state in ("completed", "failed", "running") for item in page(cell, f"?state={state}")["items"]]
    cursors, old = list(deep(cell)), oldest(cell.raw)

    def task() -> str:
        return str(chance.choice(some)["id"])

    return {
        "tasks": lambda: "/v1/tasks?limit=100",
        "tasks, a page deep inside": lambda: f"/v1/tasks?limit=100&cursor={quote(chance.choice(cursors))}",
        **{
            f"tasks, state={state}": lambda state=state: f"/v1/tasks?limit=100&state={state}"  # type: ignore[misc]
            for state in ("running", "pending", "completed", "failed", "running,pending")
        },
        "tasks, node": lambda: f"/v1/tasks?limit=100&node=node-{chance.randrange(NODES):03d}",
        "tasks, node and state=running": lambda: f"/v1/tasks?state=running&node=node-{chance.randrange(NODES):03d}",
        "tasks, name of one": lambda: f"/v1/tasks?name={chance.choice(some)['name']}",
        "tasks, name of very many": lambda: "/v1/tasks?name=task-nightly",
        "tasks, label of many": lambda: "/v1/tasks?label=app%3Djob",
        "tasks, label of few": lambda: f"/v1/tasks?label=team%3Dteam-{chance.randrange(TEAMS):03d}",
        "tasks, label of none": lambda: "/v1/tasks?label=app%3Dnone",
        "nodes (status, mast)": lambda: "/v1/nodes?limit=1000",
        "brake (status)": lambda: "/v1/brake",
        "task": lambda: f"/v1/tasks/{task()}",
        "task by name": lambda: f"/v1/tasks/{chance.choice(some)['name']}",
        "task, unknown": lambda: "/v1/tasks/no-such-task",
        "why": lambda: f"/v1/tasks/{task()}/why",
        "events of a task": lambda: f"/v1/tasks/{task()}/events",
        "events of an old task": lambda: f"/v1/tasks/{chance.choice(old)}/events",
        "metrics": lambda: "/metrics",
        "readyz": lambda: "/readyz",
    }


def page(cell: Plane, query: str) -> Any:
    """Return one page of tasks, whatever time it takes."""
    found = cell.call("GET", f"/v1/tasks{query}")
    while not found["items"] and found["next"]:
        found = cell.call("GET", f"/v1/tasks{query}&cursor={quote(found['next'])}")
    return found


def deep(cell: Plane) -> Iterator[str]:
    """Return cursors all over the list, as pages would have given them."""
    size, chance = cell.raw.zcard("ormen:ended"), random.Random(3)
    for rank in chance.sample(range(size), min(200, size)):
        (task_id,) = cell.raw.zrange("ormen:ended", rank, rank)
        yield f"{cell.raw.hget(f'ormen:task:{task_id}', 'created')}:{task_id}"


def measure(cell: Plane, path: Callable[[], str], times: int, most_s: float = 20.0) -> list[float]:
    """Return how many ms each of so many requests took; fewer where they take very long."""
    took: list[float] = []
    line = http.client.HTTPConnection("127.0.0.1", cell.port, timeout=120)
    until = time.monotonic() + most_s
    while len(took) < times and time.monotonic() < until:
        words, began = path(), time.perf_counter()
        line.request("GET", words)
        answer = line.getresponse()
        answer.read()
        took.append((time.perf_counter() - began) * 1000)
        if answer.status >= 300 and "no-such" not in words:
            raise SystemExit(f"GET {words} answered {answer.status}")
    line.close()
    return took


def age(cell: Plane, count: int) -> None:
    """Let so many tasks have ended too long ago to be kept, so that the cleanup has work."""
    oldest = cell.raw.zrange("ormen:ended", 0, count - 1)
    for at in range(0, count, 1000):
        cell.raw.zadd("ormen:ended", dict.fromkeys(oldest[at : at + 1000], 1), xx=True)


def slowlog(cell: Plane) -> list[str]:
    """Return what has kept Redis longest, the worst of each kind of command, since it was last asked."""
    worst: dict[str, tuple[int, int]] = {}
    for entry in cell.raw.slowlog_get(10_000):
        command = entry["command"] if isinstance(entry["command"], str) else entry["command"].decode("utf-8", "replace")
        kind = " ".join(command.split()[:2])
        most, count = worst.get(kind, (0, 0))
        worst[kind] = (max(most, entry["duration"]), count + 1)
    cell.raw.slowlog_reset()
    return [
        f"  {most / 1000:7.1f} ms at most, {count:4} over {SLOW_US / 1000:g} ms: {kind}"
        for kind, (most, count) in sorted(worst.items(), key=lambda row: -row[1][0])[:8]
    ]


def main(words: Sequence[str]) -> int:
    """Fill a store, ask, and print a table."""
    if len(words) > 2 or not all(word.isdigit() for word in words):
        print(__doc__, file=sys.stderr)
        return 2
    ended, times = (*map(int, words), *(1_000_000, 200)[len(words) :])
    with filled(ended) as cell:
        cell.raw.config_set("slowlog-log-slower-than", SLOW_US)
        cell.raw.config_set("slowlog-max-len", 10_000)
        cell.raw.slowlog_reset()
        print(f"{ended} ended tasks, {times} requests each; CPU of all that the deck and Redis do, a request")
        print("".join([" " * 34, *(f"{title:>9}" for title in ("p50", "p99", "max", "deck", "redis"))]))
        for name, path in requests(cell).items():
            before = cell.cpu_s()
            took = measure(cell, path, times)
            used = [1000 * (cell.cpu_s()[kind] - before[kind]) / len(took) for kind in ("deck", "redis")]
            p50, p99, most = percentile(took, 0.5), percentile(took, 0.99), max(took)
            line = f"{name:<34}{p50:>7.1f}ms{p99:>7.1f}ms{most:>7.1f}ms{used[0]:>7.1f}ms{used[1]:>7.1f}ms"
            print(f"{line}  {'' if p99 <= GOAL_MS else f'over {GOAL_MS:g} ms'}".rstrip(), flush=True)
        print("Redis, while it was asked:", *slowlog(cell), sep="\n", flush=True)
        age(cell, ended // 50)
        time.sleep(WATCHED_S)
        print(
            f"Redis, {WATCHED_S:.0f} s of the loops alone, while {ended // 50} tasks are too old:",
            *slowlog(cell),
            sep="\n",
            flush=True,
        )
        print(json.dumps(loops(cell)))
    return 0


def loops(cell: Plane) -> dict[str, int]:
    """Return the longest turn of each loop in ms, as a power of two."""
    found: dict[str, int] = {}
    for field in cell.raw.hkeys("ormen:figures"):
        kind, _, rest = field.partition(" ")
        name, _, step = rest.partition(" ")
        if kind == "loop" and step.isdigit():
            found[name] = max(found.get(name, 0), 2 ** int(step))
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
