"""From POST to a started container, against create and start by the Docker SDK with the same options.

    .venv/bin/python -m benchmarks.start_latency [PAIRS] [--network bridge|host]

Both ends of each measurement are on one clock: the request leaves at `time.time_ns()`, the start is the time that
Docker itself gives its `start` event. Goal: a median ratio of at most 1.05 on a bridge with a published port, and of
1.08 on the host's network, where Docker has less to do.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.harness import (
    IMAGE,
    RUN,
    Cluster,
    EventClock,
    alternate,
    cluster,
    free_port,
    heading,
    sdk,
    sdk_container,
    table,
    verdict,
)

GOALS = {"bridge": 1.05, "host": 1.08}
"""The most that the median ratio may be."""
HOST_NETWORK = "host_network: always\n"
"""The policy under which the deck takes a task on the host's network."""


def measure(cell: Cluster, pairs: int, *, network: str) -> str:
    """Return the report of `pairs` alternating pairs."""
    with sdk() as api:
        clock = EventClock(api)
        until_create: list[float] = []
        sdk_create: list[float] = []

        def ours(number: int) -> float:
            port = free_port()
            begin = time.time_ns()
            task = cell.run({"name": f"bench-{number}", **spec(port, network)})
            started = clock.wait("start", task["container_name"])
            until_create.append((clock.wait("create", task["container_name"]) - begin) / 1e6)
            cell.remove(task["id"])
            clock.wait("destroy", task["container_name"])
            return (started - begin) / 1e6

        def theirs(number: int) -> float:
            name, port = f"ormen-bench-{RUN}-{number}", free_port()
            if network == "host":
                arguments = sdk_container(api, host_port=None, name=name, network="host")
                arguments["environment"] = {"PORT": str(port)}
            else:
                arguments = sdk_container(api, host_port=port, name=name)
            begin = time.time_ns()
            container = api.create_container(**arguments)
            api.start(container["Id"])
            started = clock.wait("start", name)
            sdk_create.append((clock.wait("create", name) - begin) / 1e6)
            api.remove_container(container["Id"], force=True)
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
    head = heading(f"{pairs} pairs, network {network}")
    return f"{head}\n{table(rows)}\n{verdict('start_latency', mine, raw, goal=GOALS[network])}"


def spec(port: int, network: str) -> dict[str, object]:
    """Return the spec of a task whose program listens on a port of the host."""
    if network == "host":
        return {"image": IMAGE, "network": "host", "env": {"PORT": str(port)}}
    return {"image": IMAGE, "ports": [{"container": 7777, "host": port}]}


def main() -> None:
    """Run the benchmark on a cluster of its own."""
    asks = argparse.ArgumentParser(prog="python -m benchmarks.start_latency")
    asks.add_argument("pairs", nargs="?", type=int, default=30, metavar="PAIRS")
    asks.add_argument("--network", choices=("bridge", "host"), default="bridge")
    asked = asks.parse_args()
    with cluster(policy=HOST_NETWORK if asked.network == "host" else "") as cell:
        print(measure(cell, asked.pairs, network=asked.network))


if __name__ == "__main__":
    main()
