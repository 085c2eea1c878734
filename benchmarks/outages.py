"""How long it takes until all is well again after Redis was away, and until a node that is of no use is suspect.

    .venv/bin/python -m benchmarks.outages killed|frozen SECONDS [ROUNDS]
    .venv/bin/python -m benchmarks.outages deaf|hung|useless [ROUNDS]

On three hosts of the test bed. `killed` and `frozen`: six tasks run, Redis is away for so long, and the program of one
container is killed meanwhile. From Redis's return it is measured until a new task runs, until the killed one runs
again, and until every node is ready for good; whatever was not killed must be the same container, started at the
same time. `deaf`: somebody else takes every message of an agent's queue; `hung`: an engine is frozen;
`useless`: it stays so until its task runs elsewhere. Needs root.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import percentile
from tests.acceptance.living import IMAGE
from tests.cluster.bed import Bed, bed
from tests.cluster.thief import thief
from tests.waiting import wait_until

Round = dict[str, float]
SMALL = {"cpu": 0.01, "memory": "16MiB", "restart": "always"}
WATCH_S = 18.0
"""For how long after Redis's return the nodes are watched: an agent that hears nothing says so after 15 s."""
GOALS_S = {"killed": 10.0, "frozen": 10.0, "deaf": 20.0, "hung": 20.0, "useless": 85.0}
"""The most that any median may be. What an agent does to heal itself has no goal."""
FREE = ("ready again",)


def outage(found: Bed, how: str, gone_s: float) -> Round:
    """Make one outage, and return its figures in seconds after Redis's return."""
    tasks = found.call("POST", "/v1/tasks?wait=running&timeout=60", {"image": IMAGE, "count": 6, **SMALL}).json
    crashed, *others = tasks
    before = [started(found, task["id"]) for task in others]
    redis, killed = found.redis, how == "killed"
    pid = found.host_of(crashed).containers(crashed["id"])[0].attrs["State"]["Pid"]
    began = time.time()
    redis.kill() if killed else redis.freeze()
    psutil.Process(pid).kill()
    threading.Event().wait(max(0.0, gone_s - (time.time() - began)))
    redis.start() if killed else redis.thaw()
    back = time.time()
    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(wait, found, crashed) for wait in (until_new_runs, until_crashed_runs, until_ready)]
        figures = [each.result() - back for each in waits]
    assert [started(found, task["id"]) for task in others] == before, "a container was touched"
    told = [event["type"] for event in found.get("/v1/events?limit=1000")["items"] if moment(event) > began]
    assert "node.lost" not in told, told
    return dict(zip(("new task runs", "killed one runs again", "all nodes ready"), figures, strict=True))


def deaf(found: Bed) -> Round:
    """Let an agent hear nothing until it starts itself anew."""
    host = found.hosts[0]
    said, began = host.log.count("starting anew"), time.time()
    with thief(found.redis.client(), f"node.{host.name}"):
        suspect = until_suspect(found, host.name, "NOT_CONSUMING")
        wait_until(lambda: host.log.count("starting anew") > said, timeout_s=30)
    found.until_node(host.name, "ready", timeout_s=30)
    return {"suspect with NOT_CONSUMING": suspect - began, "ready again": time.time() - began}


def hung(found: Bed) -> Round:
    """Freeze an engine until its node is suspect."""
    host, began = found.hosts[0], time.time()
    host.freeze_engine()
    suspect = until_suspect(found, host.name, "ENGINE_HUNG")
    host.thaw_engine()
    thawed = time.time()
    found.until_node(host.name, "ready", timeout_s=30)
    return {"suspect with ENGINE_HUNG": suspect - began, "ready again": time.time() - thawed}


def useless(found: Bed) -> Round:
    """Freeze an engine until its task runs on another host."""
    task = found.run(**SMALL, constraints=["node!=host9"])
    host, began = found.host_of(task), time.time()
    host.freeze_engine()
    moved = found.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2, timeout_s=120)
    figure = time.time() - began
    host.thaw_engine()
    thawed = time.time()
    wait_until(lambda: found.running(task["id"]) == [moved["node"]], timeout_s=30)
    return {"its task runs elsewhere": figure, "one container again": time.time() - thawed}


def started(found: Bed, task: str) -> tuple[str | None, str]:
    """Return what Docker says of the one container of a task: its id and when it was started."""
    (container,) = found.containers(task)
    return container.id, container.attrs["State"]["StartedAt"]


def until_suspect(found: Bed, node: str, code: str) -> float:
    """Return when a node was suspect for this reason."""
    wait_until(lambda: (found.node(node)["state_reason"] or {}).get("code") == code, timeout_s=60)
    return time.time()


def until_new_runs(found: Bed, _: object) -> float:
    """Submit until a task is accepted and runs; return when it did."""
    while True:
        answer = found.call("POST", "/v1/tasks?wait=running&timeout=30", {"image": IMAGE, **SMALL})
        if answer.status == 201 and answer.json["state"] == "running":
            return time.time()
        assert answer.status in (201, 503), answer


def until_crashed_runs(found: Bed, task: dict[str, Any]) -> float:
    """Return when the killed task ran again."""

    def runs() -> bool:
        answer = found.call("GET", f"/v1/tasks/{task['id']}")
        return answer.status == 200 and answer.json["state"] == "running" and answer.json["attempt"] == 2

    wait_until(runs, timeout_s=90)
    return time.time()


def until_ready(found: Bed, _: object) -> float:
    """Return since when all nodes have been ready without a break."""
    over, since = time.time() + WATCH_S, None
    while time.time() < over:
        answer = found.call("GET", "/v1/nodes")
        ready = answer.status == 200 and {node["state"] for node in answer.json["items"]} == {"ready"}
        since = (since or time.time()) if ready else None
        threading.Event().wait(0.1)
    assert since is not None, "not ready"
    return since


def moment(event: dict[str, Any]) -> float:
    """Return the time of an event in seconds since the epoch."""
    return datetime.fromisoformat(event["at"]).timestamp()


def report(rounds: list[Round], goal_s: float) -> str:
    """Return the table, and whether every median keeps the goal."""
    lines = [f"{'':<34}{'median':>9}{'p90':>9}{'max':>9}"]
    worst = 0.0
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        figures = (percentile(values, 0.5), percentile(values, 0.9), max(values))
        lines.append(f"{name:<34}" + "".join(f"{figure:>8.2f}s" for figure in figures))
        worst = max(worst, figures[0] if name not in FREE else 0.0)
    kept = "reached" if worst <= goal_s else "MISSED"
    return "\n".join([*lines, f"{worst:.2f} s, goal at most {goal_s:g}: {kept}"])


def main() -> None:
    """Measure so many rounds and print their report."""
    what, *words = sys.argv[1:] or [""]
    if what not in GOALS_S or (what in ("killed", "frozen") and not words):
        raise SystemExit(__doc__)
    seconds = float(words.pop(0)) if what in ("killed", "frozen") else 0.0
    count = int(words[0]) if words else 5
    alone: dict[str, Callable[[Bed], Round]] = {"deaf": deaf, "hung": hung, "useless": useless}
    rounds = []
    with tempfile.TemporaryDirectory(prefix="ormen-outages-") as folder, bed(Path(folder), count=3) as found:
        for number in range(count):
            rounds.append(alone[what](found) if what in alone else outage(found, what, seconds))
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr, flush=True)
            found.settle()
    print(f"{what} {f'for {seconds:g} s, ' if seconds else ''}{count} rounds\n{report(rounds, GOALS_S[what])}")


if __name__ == "__main__":
    main()
