"""How long it takes until all is well again after something has died, on the hosts of the test bed.

    .venv/bin/python -m benchmarks.failures WHAT [ROUNDS] [FILE]

WHAT is ``container``, ``agent``, ``engine``, ``host`` or ``partition``. With FILE the figures of each round are added
to it, a JSON object a line, and the report is of all rounds in it: so a long measurement can be made in pieces.
Needs root, as the tests of several hosts do. All times are of this machine's one clock: Docker's events, Redis's
events, and the moment before the blow.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness import percentile
from benchmarks.mishaps import agent, container, engine, host, partition
from tests.cluster.bed import Bed, bed

Round = dict[str, float]
"""What one round has measured, in seconds, by name."""

GOALS: dict[str, Callable[[list[Round]], list[tuple[str, float, float]]]] = {
    "container": lambda rounds: [
        (f"{name}, over the SDK's start", median(rounds, name) - median(rounds, "SDK, create and start"), 0.2)
        for name in ("ormen", "ormen retry in a pause")
    ],
    "agent": lambda rounds: [("back after its restart", median(rounds, "back after its restart"), 3)],
    "engine": lambda rounds: [],
    "host": lambda rounds: [
        ("first replacement runs", median(rounds, "first replacement runs"), 10),
        ("all assigned", median(rounds, "all assigned"), 10),
        ("all run", median(rounds, "all run"), 10 + 1.2 * median(rounds, "SDK, as many starts")),
    ],
    "partition": lambda rounds: [("one container a task", median(rounds, "one container a task"), 5)],
}
"""For each mishap what its figures have to keep: the name, the figure and the most it may be, in seconds."""

MISHAPS: dict[str, tuple[Callable[[Bed, int], Round], int, int]] = {
    "container": (container, 1, 10),
    "agent": (agent, 1, 10),
    "engine": (engine, 1, 10),
    "host": (host, 3, 3),
    "partition": (partition, 2, 10),
}
"""For each what measures a round, how many hosts it needs, and how many rounds are usual."""


def median(rounds: Sequence[Round], name: str) -> float:
    """Return the median of one figure."""
    return statistics.median(each[name] for each in rounds)


def report(what: str, rounds: Sequence[Round]) -> str:
    """Return the table of all figures with what became of the goals."""
    lines = [f"{what}, {len(rounds)} rounds", f"{'':<42}{'median':>9}{'p90':>9}{'max':>9}"]
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        figures = (statistics.median(values), percentile(values, 0.9), max(values))
        lines.append(f"{name:<42}" + "".join(f"{figure:>8.2f}s" for figure in figures))
    for name, figure, most in GOALS[what](list(rounds)):
        lines.append(f"{name}: {figure:.2f} s, goal at most {most:.2f}: {'reached' if figure <= most else 'MISSED'}")
    return "\n".join(lines)


def measure(what: str, count: int, file: Path | None) -> list[Round]:
    """Return the figures of `count` rounds on a bed of their own, after those that the file has."""
    mishap, hosts, _ = MISHAPS[what]
    rounds = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    with tempfile.TemporaryDirectory(prefix="ormen-failures-") as folder, bed(Path(folder), count=hosts) as found:
        for number in range(count):
            begin = time.monotonic()
            rounds.append(mishap(found, number))
            if file:
                with file.open("a") as kept:
                    kept.write(json.dumps(rounds[-1]) + "\n")
            print(f"round {number + 1}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return rounds


def main() -> None:
    """Measure one mishap and print its report."""
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in MISHAPS:
        raise SystemExit(f"which one? {', '.join(MISHAPS)}")
    # So that the hosts are taken away also when the run is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    count = int(sys.argv[2]) if len(sys.argv) > 2 else MISHAPS[what][2]
    print(report(what, measure(what, count, Path(sys.argv[3]) if len(sys.argv) > 3 else None)))


if __name__ == "__main__":
    main()
