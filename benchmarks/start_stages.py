"""Where the time of ormen's own goes between a POST and the create call that Docker gets for it.

    .venv/bin/python -m benchmarks.start_stages [TASKS]

Nothing in ormen is changed to measure it: the agents reach their engine through a tap (`benchmarks.tap`), which knows
when a create call comes in. The goals, a median of at most 7 ms and 20 ms for the 99th percentile, are of starts that
nothing else listens to. For the stages as many are started again while Redis's MONITOR tells when each command came,
which costs them some milliseconds. All is by this machine's one clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.harness import IMAGE, Cluster, EventClock, cluster, free_port, heading, percentile, sdk, wait_until
from benchmarks.tap import Creates, tapped
from ormen.store.scripts import source

GOALS = ((0.5, 7.0), (0.99, 20.0))
"""Percentile and the most it may be, in ms."""
STAGES = (
    "HTTP, body, validation, to create",
    "nodes, choice, to assign",
    "assign, to the ring",
    "ring through Celery, to take",
    "record, lane, plan, to the create call",
)
"""What lies between each two of a start's moments."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that Redis got: when, in ns since the epoch, and its words; `inner` is one of a script's."""

    at: int
    words: str
    inner: bool

    def runs(self, verb: str, word: str) -> bool:
        """Return whether it runs the script of a verb with this word among its arguments."""
        sha = hashlib.sha1(source(verb).encode()).hexdigest()
        return self.words.startswith(f"EVALSHA {sha}") and word in self.words


class Ear:
    """Hears every command that a cluster's Redis gets."""

    def __init__(self, folder: Path) -> None:
        config = dict(line.split(" ", 1) for line in (folder / "redis.conf").read_text().splitlines())
        self._client = Redis(port=int(config["port"]), password=config["requirepass"])
        self._heard: list[Command] = []
        threading.Thread(target=self._listen, daemon=True).start()
        wait_until(lambda: bool(self._heard), what="a command to Redis")

    def _listen(self) -> None:
        with contextlib.suppress(RedisError), self._client.monitor() as monitor:  # until its server ends
            while True:
                said: dict[str, Any] = monitor.next_command()
                inner = said["client_type"] == "lua"
                self._heard.append(Command(round(said["time"] * 1e9), said["command"], inner))

    def between(self, begin: int, end: int) -> list[Command]:
        """Return the commands of a span of time, once one after it has been heard."""
        wait_until(lambda: self._heard[-1].at > end, what="a later command to Redis")
        return [command for command in self._heard if begin <= command.at <= end]


def moments(commands: Sequence[Command], task: str, name: str) -> list[int]:
    """Return when each stage but the last ended; the first ends as Redis is given the task."""

    def first(what: str, found: Callable[[Command], bool], after: int = 0) -> int:
        at = next((command.at for command in commands if command.at >= after and found(command)), None)
        if at is None:
            raise SystemExit(f"Redis heard no {what} of {name}")
        return at

    create = first("create", lambda command: command.runs("create", task))
    assign = first("assign", lambda command: command.runs("assign", task), create)
    ring = first("ring", lambda command: command.words.startswith("LPUSH node.") and name in command.words, assign)
    take = first("take", lambda command: command.runs("take", ""), ring)
    return [create, assign, ring, take]


def measure(cell: Cluster, creates: Creates, tasks: int) -> str:
    """Return the report of so many starts, one after the other: first as they are, then as many overheard."""
    wholes: list[float] = []
    rows: list[list[float]] = []
    asked: list[list[int]] = []
    with sdk() as api:
        clock = EventClock(api)
        for number in range(-2, tasks):
            begin, _, end = start_one(cell, creates, clock, f"bench-{number + 2}")
            wholes.append((end - begin) / 1e6)
        ear = Ear(cell.state_dir / "redis")
        for number in range(-2, tasks):
            name = f"stage-{number + 2}"
            begin, task, end = start_one(cell, creates, clock, name)
            heard = ear.between(begin, end)
            ends = [begin, *moments(heard, task, name), end]
            rows.append([(after - before) / 1e6 for before, after in pairwise(ends)])
            outer = [command.at for command in heard if not command.inner]
            asked.append([sum(before <= at < after for at in outer) for before, after in pairwise(ends)])
        clock.close()
    return report(wholes[2:], rows[2:], asked[2:])


def start_one(cell: Cluster, creates: Creates, clock: EventClock, name: str) -> tuple[int, str, int]:
    """Start a task and remove it; return when it was posted, its id, and when its create call came in."""
    spec = {"name": name, "image": IMAGE, "ports": [{"container": 7777, "host": free_port()}]}
    begin = time.time_ns()
    task = cell.run(spec)
    end = creates.wait(task["container_name"])
    clock.wait("start", task["container_name"])
    cell.remove(task["id"])
    clock.wait("destroy", task["container_name"])
    # The end of one must not delay the next.
    wait_until(lambda: not cell.call("GET", "/v1/tasks?limit=1")["items"], what=f"the end of {name}")
    return begin, task["id"], end


def report(wholes: Sequence[float], rows: Sequence[Sequence[float]], asked: Sequence[Sequence[int]]) -> str:
    """Return the table of the stages and what became of the goals, which are of the starts that nobody overheard."""
    lines = [heading(f"{len(rows)} starts"), f"{'':<34}{'median':>10}{'p99':>10}{'max':>10}{'to Redis':>10}"]
    calls = [*zip(*asked, strict=True), [sum(row) for row in asked]]
    overheard = [sum(row) for row in rows]
    for name, values, commands in zip(
        (*STAGES, "POST to the create call"), [*zip(*rows, strict=True), overheard], calls, strict=True
    ):
        lines.append(f"{name:<34}{figures(values)}{statistics.median(commands):>10.0f}")
    lines.append(f"{'the same, not overheard':<34}{figures(wholes)}")
    for share, most in GOALS:
        figure = percentile(wholes, share)
        word = "reached" if figure <= most else "MISSED"
        lines.append(f"start_stages: p{share * 100:.0f} {figure:.1f} ms, goal at most {most:.1f}: {word}")
    return "\n".join(lines)


def figures(values: Sequence[float]) -> str:
    """Return median, 99th percentile and the largest, in three columns."""
    return "".join(f"{figure:>8.1f}ms" for figure in (statistics.median(values), percentile(values, 0.99), max(values)))


def main() -> None:
    """Run the benchmark on a cluster of its own, whose engine is behind a tap."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tapped() as (address, creates), cluster(engine=address) as cell:
        print(measure(cell, creates, tasks))


if __name__ == "__main__":
    main()
