"""What a running task of a large submission costs Redis, every key and event counted.

    .venv/bin/python -m benchmarks.memory [TASKS [NODES]]      10,000 and 100

Specs with a `count` of 1,000 are submitted to a fleet of simulated nodes. The table has what each kind of key weighs
once all run.
"""

from __future__ import annotations

import re
import secrets
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.fleet.__main__ import LIST, until_running
from benchmarks.fleet.plane import Plane, plane
from benchmarks.harness import wait_until
from ormen import messages

GOAL = 800
"""Bytes of a running task, at most."""
PART = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=:)n\d+|(?<=\.)n\d+|[0-9a-f]{32}|(?<=:spec:).+|(?<=:pin:).+")
"""What makes a key one of many of its kind: the id of a task, a spec or a pin, a node's name, an engine's id."""


@dataclass
class Kind:
    """The keys that differ in ids and names only."""

    keys: int = 0
    bytes: int = 0
    encodings: frozenset[str] = frozenset()


def submit(cell: Plane, tasks: int) -> None:
    """Submit tasks by the thousand."""
    spec = {"image": "acme/worker:7", "cpu": 0.05, "memory": "64MiB", "count": LIST}
    for _ in range(tasks // LIST):
        cell.call("POST", "/v1/tasks", {"id": str(uuid.uuid4()), "name": f"worker-{secrets.token_hex(2)}", **spec})


def until_at_rest(cell: Plane, tasks: int, nodes: int, *, within_s: float) -> None:
    """Return when so many tasks run and no message waits for a node: rings that come late are no part of a task."""
    until_running(cell, tasks, within_s=within_s)
    queues = [messages.node_queue(f"n{number}") for number in range(nodes)]
    wait_until(lambda: cell.raw.exists(*queues) == 0, timeout_s=60, what="the last ring to be taken")


def weigh(client: Any) -> dict[str, Kind]:
    """Return what the keys of each kind weigh, each weighed whole."""
    found: dict[str, Kind] = defaultdict(Kind)
    batch: list[str] = []
    for key in client.scan_iter(count=1000):
        batch.append(key)
        if len(batch) == 500:
            _add(client, batch, found)
            batch.clear()
    _add(client, batch, found)
    return found


def _add(client: Any, keys: Iterable[str], found: dict[str, Kind]) -> None:
    names = list(keys)
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.memory_usage(name, samples=0)
            pipe.object("encoding", name)
        replies = iter(pipe.execute())
    for name, weight, encoding in zip(names, replies, replies, strict=False):
        kind = found[PART.sub("*", name)]
        kind.keys, kind.bytes = kind.keys + 1, kind.bytes + (weight or 0)
        kind.encodings |= {str(encoding)}


def used(cell: Plane) -> int:
    """Return what Redis uses for data: neither for clients nor for what it has not written to its file yet."""
    memory = cell.raw.info("memory")
    return int(memory["used_memory"] - memory["mem_clients_normal"] - memory.get("mem_aof_buffer", 0))


def table(before: Mapping[str, Kind], after: Mapping[str, Kind], tasks: int) -> Iterable[str]:
    """Return a line for each kind of key that has grown, the heaviest first."""
    grown = {name: kind.bytes - before.get(name, Kind()).bytes for name, kind in after.items()}
    yield f"{'':<34}{'keys':>8}{'a task':>10}"
    for name, growth in sorted(grown.items(), key=lambda row: -row[1]):
        if growth >= tasks:
            encodings = ", ".join(sorted(after[name].encodings))
            yield f"{name:<34}{after[name].keys:>8}{growth / tasks:>8.0f} B  {encodings}"
    yield f"{'all keys':<34}{sum(kind.keys for kind in after.values()):>8}{sum(grown.values()) / tasks:>8.0f} B"


def main(words: Sequence[str]) -> int:
    """Submit, weigh, and print."""
    if len(words) > 2 or not all(word.isdigit() for word in words):
        print(__doc__, file=sys.stderr)
        return 2
    tasks, nodes = (*map(int, words), *(10_000, 100)[len(words) :])
    with plane(nodes) as cell:
        submit(cell, 1000)
        until_at_rest(cell, 1000, nodes, within_s=300)
        before, keys = used(cell), weigh(cell.raw)
        submit(cell, tasks)
        until_at_rest(cell, 1000 + tasks, nodes, within_s=300 + tasks / 20)
        each = (used(cell) - before) / tasks
        print(*table(keys, weigh(cell.raw), tasks), sep="\n")
        print(f"{'used_memory':<42}{each:>8.0f} B, goal at most {GOAL}: {'reached' if each <= GOAL else 'MISSED'}")
        kept = cell.raw.scan_iter("ormen:task:*").__next__()
        print("one record:", *(f"  {field}: {value}" for field, value in cell.raw.hgetall(kept).items()), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
