"""From a stop over REST to an exited container, against the Docker SDK's stop of the same image.

    .venv/bin/python -m benchmarks.stop_latency [PAIRS]

The end is the time that Docker gives its `die` event. Goal: a median ratio of at most 1.2.
"""

from __future__ import annotations

import sys
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


def measure(cell: Cluster, pairs: int) -> str:
    """Return the report of `pairs` alternating pairs."""
    with sdk() as api:
        clock = EventClock(api)

        def ours(number: int) -> float:
            task = cell.run(
                {"image": IMAGE, "name": f"bench-{number}", "ports": [{"container": 7777, "host": free_port()}]}
            )
            cell.call("GET", f"/v1/tasks/{task['id']}")
            clock.wait("start", task["container_name"])
            while cell.call("GET", f"/v1/tasks/{task['id']}")["state"] != "running":
                time.sleep(0.05)
            begin = time.time_ns()
            cell.call("POST", f"/v1/tasks/{task['id']}/stop")
            died = clock.wait("die", task["container_name"])
            cell.remove(task["id"])
            clock.wait("destroy", task["container_name"])
            return (died - begin) / 1e6

        def theirs(number: int) -> float:
            name = f"ormen-bench-{RUN}-{number}"
            container = api.create_container(**sdk_container(api, host_port=free_port(), name=name))
            api.start(container["Id"])
            begin = time.time_ns()
            api.stop(container["Id"], timeout=10)
            died = clock.wait("die", name)
            api.remove_container(container["Id"], force=True)
            clock.wait("destroy", name)
            return (died - begin) / 1e6

        ours(-1), theirs(-1)
        mine, raw = alternate(pairs, ours, theirs)
        clock.close()
    rows = [("ormen, POST stop to exited", mine), ("SDK, stop to exited", raw)]
    return f"{heading(f'{pairs} pairs')}\n{table(rows)}\n{verdict('stop_latency', mine, raw, goal=1.2)}"


def main() -> None:
    """Run the benchmark on a cluster of its own."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with cluster() as cell:
        print(measure(cell, pairs))


if __name__ == "__main__":
    main()
