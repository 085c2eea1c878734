"""Sixty tasks on one engine, until all run and until all are gone: ormen, the Docker SDK, and Docker's own Swarm.

    .venv/bin/python -m benchmarks.sixty [ROUNDS] [--tasks N] [--threads N]

The three take turns, each round in another order. The SDK starts and stops from as many threads as it does best with,
which two rounds before the first find out unless `--threads` says it. All times are of Docker's events. Goals: start
within 1.05 of the SDK's time, remove within 1.15 of it, and both before Swarm.

It makes the engine a swarm of one node on loopback for its time, so it refuses one that is in a swarm already.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker

from benchmarks.harness import (
    IMAGE,
    MANY_S,
    RUN,
    Cluster,
    EventClock,
    cluster,
    heading,
    sdk,
    sdk_container,
    table,
    wait_until,
)

SMALL = {"cpu": 0.01, "memory": "16MiB"}
"""So that one engine of this machine holds all of them."""
SMALL_BYTES = 16 * 2**20
THREADS = (2, 4, 8, 16)
"""What the SDK is tried with."""
SERVICE = "com.docker.swarm.service.name"
START_GOAL, REMOVE_GOAL = 1.05, 1.15

Took = tuple[float, float]
"""How long the start and the removal of all took, in ms."""


class Bench:
    """One engine, a cluster on it, and the ways to have `amount` containers there."""

    def __init__(self, cell: Cluster, api: docker.APIClient, clock: EventClock, amount: int) -> None:
        self._cell = cell
        self._api = api
        self._clock = clock
        self._amount = amount
        self._turn = 0
        self.threads = (4, 4)
        """Of the SDK, for starting and for removing."""

    def ours(self) -> Took:
        """Submit one spec with a count, then remove each task from eight connections."""
        begin = time.time_ns()
        tasks = self._cell.call("POST", "/v1/tasks", {"image": IMAGE, "count": self._amount, **SMALL})
        names = {task["container_name"] for task in tasks}
        started = self._clock.last("start", lambda event: event["name"] in names, self._amount)
        wait_until(lambda: self._running() == self._amount, timeout_s=MANY_S, what="ormen's word of all that run")
        again = time.time_ns()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda task: self._cell.remove(task["id"]), tasks))
        gone = self._clock.last("destroy", lambda event: event["name"] in names, self._amount)
        wait_until(lambda: not self._cell.call("GET", "/v1/tasks?limit=1")["items"], what="the end of the records")
        return (started - begin) / 1e6, (gone - again) / 1e6

    def theirs(self) -> Took:
        """Create and start each by the SDK, then stop and remove each, as ormen does."""
        self._turn += 1
        names = [f"ormen-bench-{RUN}-{self._turn}-{number}" for number in range(self._amount)]
        mine = set(names)
        arguments = [sdk_container(self._api, host_port=None, name=name) for name in names]
        for each in arguments:
            each["host_config"]["Memory"] = SMALL_BYTES
        starting, removing = self.threads
        begin = time.time_ns()
        with ThreadPoolExecutor(starting) as pool:
            ids = list(pool.map(self._start, arguments))
        started = self._clock.last("start", lambda event: event["name"] in mine, self._amount)
        again = time.time_ns()
        with ThreadPoolExecutor(removing) as pool:
            list(pool.map(self._remove, ids))
        gone = self._clock.last("destroy", lambda event: event["name"] in mine, self._amount)
        return (started - begin) / 1e6, (gone - again) / 1e6

    def swarm(self) -> Took:
        """Create one service with so many replicas, then remove it."""
        self._turn += 1
        name = f"ormen-bench-{RUN}-{self._turn}"
        # By its id, so that Swarm asks no registry for it.
        image = self._api.inspect_image(IMAGE)["Id"]
        log = docker.types.DriverConfig("json-file", {"max-size": "10m", "max-file": "3"})
        limits = docker.types.Resources(mem_limit=SMALL_BYTES)
        template = docker.types.TaskTemplate(
            docker.types.ContainerSpec(image, init=False), resources=limits, log_driver=log
        )
        mode = docker.types.ServiceMode("replicated", self._amount)
        begin = time.time_ns()
        service = self._api.create_service(template, name=name, mode=mode, endpoint_spec={"Mode": "dnsrr"})
        started = self._clock.last("start", lambda event: event.get(SERVICE) == name, self._amount)
        wait_until(lambda: self._ready(name) == self._amount, timeout_s=MANY_S, what="Swarm's word of all that run")
        again = time.time_ns()
        self._api.remove_service(service["ID"])
        gone = self._clock.last("destroy", lambda event: event.get(SERVICE) == name, self._amount)
        return (started - begin) / 1e6, (gone - again) / 1e6

    def find_threads(self, rounds: int = 2) -> None:
        """Choose the numbers of threads with which the SDK starts and removes fastest."""
        found: dict[int, list[Took]] = {threads: [] for threads in THREADS}
        for _ in range(rounds):
            for threads, rows in found.items():
                self.threads = (threads, threads)
                rows.append(self.theirs())
        for threads, rows in found.items():
            start, remove = (statistics.median(row[part] for row in rows) for part in (0, 1))
            print(f"SDK with {threads} threads: {start:.0f} ms, {remove:.0f} ms", file=sys.stderr)
        best = [min(THREADS, key=lambda count: statistics.median(row[part] for row in found[count])) for part in (0, 1)]
        self.threads = (best[0], best[1])

    def _start(self, arguments: dict[str, Any]) -> str:
        made = self._api.create_container(**arguments)
        self._api.start(made["Id"])
        return str(made["Id"])

    def _remove(self, container: str) -> None:
        self._api.stop(container, timeout=10)
        self._api.remove_container(container, force=True)

    def _running(self) -> int:
        return len(self._cell.call("GET", "/v1/tasks?state=running&limit=1000")["items"])

    def _ready(self, name: str) -> int:
        tasks = self._api.tasks(filters={"service": name, "desired-state": "running"})
        return sum(task["Status"]["State"] == "running" for task in tasks)


@contextlib.contextmanager
def swarm_of_one(api: docker.APIClient) -> Iterator[None]:
    """Make the engine a swarm for the block; afterwards remove what this run made in it, and leave it."""
    if api.info()["Swarm"]["LocalNodeState"] != "inactive":
        raise SystemExit("the engine is in a swarm already: docker swarm leave --force, if nobody needs it")
    had = {network["Name"] for network in api.networks()}
    api.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
    try:
        yield
    finally:
        for service in api.services():
            api.remove_service(service["ID"])
        with contextlib.suppress(SystemExit):  # then the swarm's end has to do
            wait_until(
                lambda: not api.containers(all=True, filters={"label": SERVICE}),
                timeout_s=MANY_S,
                what="the end of Swarm's containers",
            )
        api.leave_swarm(force=True)
        # Left behind by the engine, with addresses of its own.
        if "docker_gwbridge" not in had:
            with contextlib.suppress(docker.errors.APIError):
                api.remove_network("docker_gwbridge")


def measure(bench: Bench, rounds: int, amount: int) -> str:
    """Return the report of so many rounds, each way in turn."""
    ways: dict[str, Callable[[], Took]] = {"ormen": bench.ours, "SDK": bench.theirs, "Swarm": bench.swarm}
    found: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds):
        turn = number % len(ways)
        for name in [*ways][turn:] + [*ways][:turn]:
            start, remove = ways[name]()
            found[name].append((start, remove))
            print(f"round {number + 1}, {name}: {start:.0f} ms, {remove:.0f} ms", file=sys.stderr)
    lines = [heading(f"{amount} tasks, {rounds} rounds, SDK with {bench.threads[0]} and {bench.threads[1]} threads")]
    for part, word, goal in ((0, "start", START_GOAL), (1, "remove", REMOVE_GOAL)):
        rows = [(f"{name}, {word} {amount}", [took[part] for took in found[name]]) for name in ways]
        lines += [table(rows), *verdicts(word, [values for _, values in rows], goal)]
    return "\n".join(lines)


def verdicts(word: str, columns: Sequence[Sequence[float]], goal: float) -> list[str]:
    """Return what became of the goals: within a factor of the SDK, and before Swarm."""
    ours, theirs, swarm = (statistics.median(values) for values in columns)
    lines = []
    for name, other, most in (("the SDK's time", theirs, goal), ("Swarm's time", swarm, 1.0)):
        ratio = ours / other
        came = "reached" if ratio <= most else "MISSED"
        lines.append(f"{word}: {ratio:.3f} of {name}, goal at most {most:.2f}: {came}")
    return lines


def main() -> None:
    """Run the benchmark on a cluster of one node."""
    asks = argparse.ArgumentParser(prog="python -m benchmarks.sixty")
    asks.add_argument("rounds", nargs="?", type=int, default=10, metavar="ROUNDS")
    asks.add_argument("--tasks", type=int, default=60, metavar="N")
    asks.add_argument("--threads", type=int, metavar="N", help="of the SDK, instead of finding its best number")
    asked = asks.parse_args()
    with cluster(sailors=1) as cell, sdk(connections=32) as api, swarm_of_one(api):
        clock = EventClock(api)
        bench = Bench(cell, api, clock, asked.tasks)
        if asked.threads:
            bench.threads = (asked.threads, asked.threads)
            bench.theirs()
        else:
            bench.find_threads()
        bench.ours(), bench.swarm()
        print(measure(bench, asked.rounds, asked.tasks))
        clock.close()


if __name__ == "__main__":
    main()
