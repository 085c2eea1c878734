"""What an idle cluster costs: memory of the agents and of the deck, CPU of the whole, time of `ormen status`.

    .venv/bin/python -m benchmarks.footprint [SECONDS]

Memory is PSS, the share that is really the process's own. Goals: an agent at most 60 MB and 0.5 % of a core, the deck
(API with two workers, control, beat, without its supervisor) at most 210 MB, all together (without Flower) at most 4 %
of a core with three nodes, `ormen status` within 0.2 s.
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


def cpu_seconds(processes: list[psutil.Process]) -> dict[psutil.Process, float]:
    """Return the CPU time that each process has used so far."""
    return {process: sum(process.cpu_times()[:2]) for process in processes}


def against(goal: float, figure: float) -> str:
    """Return a goal, and whether the figure reaches it."""
    return f"goal {goal:g}: {'reached' if figure <= goal else 'MISSED'}"


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
    shares = {process: (used - before[process]) / seconds * 100 for process, used in cpu_seconds(tree).items()}
    memory: dict[str, list[float]] = {}
    for process in tree:
        memory.setdefault(kind(process), []).append(process.memory_full_info().pss / MB)
    lines = [f"{name:<8}{len(values)} processes{sum(values):>9.1f} MB" for name, values in sorted(memory.items())]
    agent, deck, status = max(memory["agent"]), sum(memory["deck"]), statistics.median(walls)
    busy = max(share for process, share in shares.items() if kind(process) == "agent")
    whole = sum(shares.values())
    lines += [
        f"largest agent {agent:.1f} MB, {against(60, agent)}",
        f"idle CPU of the busiest agent {busy:.2f} % of a core over {seconds:.0f}s, {against(0.5, busy)}",
        f"deck {deck:.1f} MB, {against(210, deck)}",
        f"idle CPU of the whole {whole:.2f} % of a core, {against(4, whole)}",
        f"ormen status {status:.3f}s (median of {len(walls)}), {against(0.2, status)}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark on a cluster of its own."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    with cluster() as cell:
        print(measure(cell, seconds))


if __name__ == "__main__":
    main()
