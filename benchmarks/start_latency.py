"""From POST to a started container, against create and start by the Docker SDK with the same options.

    .venv/bin/python -m benchmarks.start_latency [PAIRS]

Both ends of each measurement are on one clock: the request leaves at `time.time_ns()`, the start is the time that
Docker itself gives its `start` event. Goal: a median ratio of at most 1.10, on a bridge with a published port.
"""

from __future__ import annotations

import sys
import time

from benchmarks.harness import (
    IMAGE,
    Cluster,
    EventClock,
    alternate,
    client,
    cluster,
    free_port,
    sdk_container,
    table,
    verdict,
)


def measure(cell: Cluster, pairs: int) -> str:
    """Return the report of `pairs` alternating pairs."""
    api, sdk = client(), client()
    clock = EventClock(api)
    until_create: list[float] = []

    def ours(number: int) -> float:
        port = free_port()
        spec = {"image": IMAGE, "name": f"bench-{number}", "ports": [{"container": 7777, "host": port}]}
        begin = time.time_ns()
        task = cell.run(spec)
        started = clock.wait("start", task["container_name"])
        until_create.append((clock.wait("create", task["container_name"]) - begin) / 1e6)
        cell.remove(task["id"])
        clock.wait("destroy", task["container_name"])
        return (started - begin) / 1e6

    sdk_create: list[float] = []

    def theirs(number: int) -> float:
        name = f"ormen-bench-sdk-{number}"
        arguments = sdk_container(sdk, host_port=free_port(), name=name)
        begin = time.time_ns()
        container = sdk.create_container(**arguments)
        sdk.start(container["Id"])
        started = clock.wait("start", name)
        sdk_create.append((clock.wait("create", name) - begin) / 1e6)
        sdk.remove_container(container["Id"], force=True)
        clock.wait("destroy", name)
        return (started - begin) / 1e6

    for warm in (-2, -1):
        ours(warm), theirs(warm)
    until_create.clear(), sdk_create.clear()
    mine, raw = alternate(pairs, ours, theirs)
    clock.close()
    rows = [
        ("ormen, POST to started", mine),
        ("SDK, create and start", raw),
        ("ormen, POST to created", until_create),
        ("SDK, create", sdk_create),
    ]
    return f"{pairs} pairs\n{table(rows)}\n{verdict('start_latency', mine, raw, goal=1.10)}"


def main() -> None:
    """Run the benchmark on a cluster of its own."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with cluster() as cell:
        print(measure(cell, pairs))


if __name__ == "__main__":
    main()
