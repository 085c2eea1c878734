"""What an idle cluster costs: memory of the agents and of the deck, CPU of the whole, time of `ormen status`.

    .venv/bin/python -m benchmarks.footprint [SECONDS]

Memory is PSS, the share that is really the process's own. Goals: an agent at most 70 MB, the deck (API with two
workers, control, beat, without its supervisor) at most 240 MB, all together (without Flower) at most 4 % of a core
with three nodes, `ormen status` within 0.25 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.harness import Cluster, cluster

MB = 1e6


def kind(process: psutil.Process) -> str:
    """Return what a process of the tree is for."""
    words = " ".join(process.cmdline())
    for word, name in (("worker_agent", "agent"), ("manager_api", "deck"), ("-server", "redis"), ("redis", "redis")):
        if word in words:
            return name
    return "up"


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU time that processes have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(cell: Cluster, seconds: float) -> str:
    """Return the report after watching the idle cluster."""
    root = psutil.Process(cell.pid)
    tree = [root, *root.children(recursive=True)]
    ormen = [str(Path(sys.executable).with_name("ormen")), "status", "-m", cell.url]
    walls = []
    for _ in range(7):
        begin = time.perf_counter()
        subprocess.run(ormen, check=True, capture_output=True)
        walls.append(time.perf_counter() - begin)
    time.sleep(3)
    before = cpu_seconds(tree)
    time.sleep(seconds)
    share = (cpu_seconds(tree) - before) / seconds * 100
    memory: dict[str, list[float]] = {}
    for process in tree:
        memory.setdefault(kind(process), []).append(process.memory_full_info().pss / MB)
    lines = [f"{name:<8}{len(values)} processes{sum(values):>9.1f} MB" for name, values in sorted(memory.items())]
    agents, deck = memory["agent"], sum(memory["deck"])
    lines += [
        f"largest agent {max(agents):.1f} MB, goal 70: {'reached' if max(agents) <= 70 else 'MISSED'}",
        f"deck {deck:.1f} MB, goal 240: {'reached' if deck <= 240 else 'MISSED'}",
        f"idle CPU of the whole {share:.2f} % of a core over {seconds:.0f}s, goal 4: "
        + ("reached" if share <= 4 else "MISSED"),
        f"ormen status {statistics.median(walls):.3f}s (median of {len(walls)}), goal 0.25: "
        + ("reached" if statistics.median(walls) <= 0.25 else "MISSED"),
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark on a cluster of its own."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    with cluster() as cell:
        print(measure(cell, seconds))


if __name__ == "__main__":
    main()
