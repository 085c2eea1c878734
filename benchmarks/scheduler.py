"""Time the scheduler alone, and look at how evenly it fills: ``python -m benchmarks.scheduler speed|quality [SEED]``.

Nothing runs but `ormen.scheduler`: no Redis, no agent, one process, whose collector is set as a deck's is. ``speed``
places whole lists, reading the fleet included, and counts CPU time, so that a busy machine distorts it less.
``quality`` fills a mixed fleet to half, once by one API process and once by two that look at the same moment and so do
not see each other's last choice.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from ormen.collector import collect_seldom
from ormen.node import Node, NodeState, Resources
from ormen.scheduler.placement import Fleet, Need, Placement, place

GIB = 1024**3
SHAPES = ((2000, 4), (4000, 8), (8000, 16), (16000, 64), (32000, 128))
"""Milli-cores and GiB of the nodes, in turn."""

CLASSES = tuple(Resources(100 + 50 * i, (1 + i % 4) * GIB // 16) for i in range(8))
LISTS = {"one": (1, True, 300_000), "8 in turn": (8, True, 50_000), "8 in blocks": (8, False, 50_000)}
"""Number of classes, whether they take turns, and the goal in placements a second at `LARGE` nodes."""

LARGE = 5000
PER_NODE = 10
"""Tasks for each node in the long list that ``speed`` times."""

REQUEST = 1000
"""Tasks of the largest request that the API takes."""

LIST = 50
"""Tasks of a request in ``quality``."""

EVENNESS = 1.6
"""Goal for the share of the fullest node that is reserved, over the mean."""


def fleet(nodes: int, *, seed: int = 1) -> Fleet:
    """Return mixed empty nodes whose hosts really use up to a fifth of what they have."""
    chance = random.Random(seed)
    made = []
    for i in range(nodes):
        cpu, memory = SHAPES[i % len(SHAPES)]
        busy = Resources(chance.randrange(cpu // 5), chance.randrange(memory * GIB // 5))
        has = Resources(cpu, memory * GIB, 100 * GIB)
        made.append(Node(f"node-{i}", NodeState.READY, engine=f"engine-{i}", capacity=has, used=busy))
    return Fleet(made, turn=seed)


def needs(amount: int, classes: int, *, in_turn: bool = True) -> list[Need]:
    """Return so many needs of as many classes: in turn, which is the hardest order, or one class after the other."""
    each = -(-amount // classes)
    return [Need(f"task-{i}", CLASSES[i % classes if in_turn else i // each]) for i in range(amount)]


def seconds(asked: Sequence[Need], among: Fleet, *, rounds: int = 5) -> float:
    """Return the least CPU time in which the list was placed."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        answers = place(asked, among)
        best = min(best, time.process_time() - began)
        if not all(isinstance(answer, Placement) for answer in answers):
            raise SystemExit("the fleet of this benchmark is too small for its tasks")
    return best


def speed() -> bool:
    """Print a row for each size of fleet and number of classes; return whether the goals are reached."""
    print(f"{'nodes':>6}{'classes':>13}{'tasks':>9}{'placements/s':>15}{'1 task':>12}{f'{REQUEST} tasks':>13}")
    reached = True
    for nodes in (10, 100, 1000, LARGE):
        among = fleet(nodes)
        for name, (classes, in_turn, goal) in LISTS.items():
            amount = nodes * PER_NODE
            rate = amount / seconds(needs(amount, classes, in_turn=in_turn), among)
            fits = min(REQUEST, amount)
            single, request = (seconds(needs(count, classes, in_turn=in_turn), among) for count in (1, fits))
            told = f"{rate:>15,.0f}{single * 1000:>10.2f}ms" + (f"{request * 1000:>11.1f}ms" if fits == REQUEST else "")
            met = nodes != LARGE or rate >= goal
            reached = reached and met
            verdict = f"  goal {goal:,}: {'reached' if met else 'MISSED'}" if nodes == LARGE else ""
            print(f"{nodes:>6}{name:>13}{amount:>9}{told}{verdict}")
    return reached


def filled(among: Fleet, asked: Sequence[Need], processes: int, *, seed: int) -> Sequence[Node]:
    """Return the nodes after so many API processes have placed the needs, `LIST` at a time, each round on one view."""
    nodes = {node.name: node for node in among.nodes}
    turns = [random.Random(seed + number) for number in range(processes)]
    waiting = list(asked)
    while waiting:
        view, rest = replace(among, nodes=tuple(nodes.values())), list[Need]()
        for turn in turns:
            mine, waiting = waiting[:LIST], waiting[LIST:]
            by_key = {need.key: need for need in mine}
            for answer in place(mine, replace(view, turn=turn.randrange(1 << 30))):
                if not isinstance(answer, Placement):
                    raise SystemExit("the fleet of this benchmark is too small for its tasks")
                node, need = nodes[answer.node], by_key[answer.key]
                if need.resources.fits_in(node.free):
                    taken = node.reserved + need.resources
                    nodes[answer.node] = replace(node, reserved=taken, tasks=node.tasks + 1)
                else:
                    rest.append(need)
        waiting = rest + waiting
    return tuple(nodes.values())


def half_of(among: Fleet) -> int:
    """Return how many needs of all classes take half of what the fleet has, of the scarcer of cpu and memory."""
    cpu = sum(node.capacity.cpu_milli for node in among.nodes) / sum(one.cpu_milli for one in CLASSES)
    memory = sum(node.capacity.memory_bytes for node in among.nodes) / sum(one.memory_bytes for one in CLASSES)
    return int(min(cpu, memory) * len(CLASSES) / 2)


def quality(seed: int) -> bool:
    """Fill mixed nodes to half and print how even they are; return whether the goals are reached."""
    print(f"{'nodes':>6}{'processes':>11}{'max/mean':>10}{'idle':>6}")
    reached = True
    for count in (10, 100, 1000):
        among = fleet(count, seed=seed)
        among = replace(among, nodes=[replace(node, used=Resources()) for node in among.nodes])
        asked = needs(half_of(among), len(CLASSES))
        for processes in (1, 2):
            nodes = filled(among, asked, processes, seed=seed)
            loads = [
                max(n.reserved.cpu_milli / n.capacity.cpu_milli, n.reserved.memory_bytes / n.capacity.memory_bytes)
                for n in nodes
            ]
            uneven, idle = max(loads) / (sum(loads) / len(loads)), sum(node.tasks == 0 for node in nodes)
            met = uneven <= EVENNESS and not idle
            reached = reached and met
            print(f"{count:>6}{processes:>11}{uneven:>10.2f}{idle:>6}  {'reached' if met else 'MISSED'}")
    return reached


def main(words: list[str]) -> int:
    """Run what was asked for; return 1 if a goal was missed."""
    collect_seldom()
    match words:
        case ["speed"]:
            return 0 if speed() else 1
        case ["quality", *rest] if len(rest) <= 1:
            return 0 if quality(int(rest[0]) if rest else 1) else 1
    raise SystemExit(__doc__)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
