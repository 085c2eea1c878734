"""The nodes, judged: who is gone, complains, runs ahead, is full, or is of another version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ormen.doctor.finding import Finding, fault, fine, warning
from ormen.meanings import MEANINGS
from ormen.node import Node, NodeState, Stranger, strange
from ormen.reasons import Code
from ormen.scheduler.values import POOL
from ormen.units import format_age

SKEW_MS = 2_000
"""A clock so far off shows in ages and in the order of lines; nothing is decided by it."""
DISK_FILLING, DISK_FULL = 85.0, 95.0
MARKED_S = 24 * 3600.0
"""A drain or a cordon that is older may have been forgotten."""
POOL_SCARCE, POOL_GONE = 0.8, 0.98
SHOWN = 10

RESTART = "systemctl restart ormen-sailor on {node}"


@dataclass(frozen=True, slots=True)
class FleetSeen:
    """What was read of the nodes. `pool` is how many ports of the pool each engine has given away."""

    nodes: Sequence[Node]
    version: str
    now_ms: int
    strangers: Sequence[Stranger] = ()
    pool: Mapping[str, int] = field(default_factory=dict)
    orphans: Mapping[str, Sequence[str]] = field(default_factory=dict)


def judge(seen: FleetSeen) -> Iterator[Finding]:
    """Yield one line of all nodes, then whatever is wrong with one."""
    yield from _all(seen)
    for node in seen.nodes:
        yield from _state(node, seen)
        if node.state is not NodeState.LOST:
            yield from _host(node, seen)
    yield from _pools(seen)
    if seen.strangers:
        said = strange([stranger.name for stranger in seen.strangers]).rstrip(".")
        yield warning("nodes", "STRANGERS", said, "systemctl restart ormen-sailor there")


def _all(seen: FleetSeen) -> Iterator[Finding]:
    if not seen.nodes:
        yield warning("nodes", "NO_NODES", "no node has joined, so nothing can run", "ormen sailor, on each host")
        return
    states = Counter(node.state for node in seen.nodes)
    ready = states.pop(NodeState.READY, 0)
    others = "".join(f", {amount} {state.value}" for state, amount in sorted(states.items()))
    versions = ", ".join(sorted({node.agent_version for node in seen.nodes}))
    said = f"{ready} of {len(seen.nodes)} ready{others}, agents {versions}"
    if ready:
        yield fine("nodes", said)
    else:
        yield fault("nodes", "NO_NODE_READY", f"{said}: nothing new can start", "ormen mast")


def _state(node: Node, seen: FleetSeen) -> Iterator[Finding]:
    reason = node.state_reason
    said = reason.sentence.rstrip(".") if reason else node.state.value
    if node.state is NodeState.LOST:
        fix = f"start its host and agent again, or ormen mast rm {node.name}"
        yield fault(node.name, "NODE_LOST", f"lost: {_small(said)}", fix)
    elif node.state is NodeState.SUSPECT and reason is not None and not node.silent:
        fix = RESTART.format(node=node.name) if reason.code is Code.NOT_CONSUMING else MEANINGS[reason.code].hint
        yield fault(node.name, reason.code.value, f"takes no tasks: {_small(said)}", fix)
    elif node.state is NodeState.SUSPECT:
        yield warning(node.name, "NODE_SUSPECT", f"suspect: {_small(said)}", f"ormen mast {node.name}")
    elif node.since_ms and (seen.now_ms - node.since_ms) / 1000 > MARKED_S:
        since = format_age((seen.now_ms - node.since_ms) / 1000)
        said = f"{node.state.value} for {since} by {node.marked_by or 'somebody'}; it takes no tasks"
        yield warning(node.name, "NODE_MARKED", said, f"ormen mast activate {node.name}")


def _host(node: Node, seen: FleetSeen) -> Iterator[Finding]:
    if abs(node.skew_ms) > SKEW_MS:
        way = "ahead" if node.skew_ms > 0 else "behind"
        said = f"clock is {abs(node.skew_ms) / 1000:.1f}s {way}; ages and events will look wrong"
        yield warning(node.name, "CLOCK", said, f"install chrony on {node.name}")
    full = node.facts.get("disk_percent")
    if isinstance(full, int | float) and full >= DISK_FILLING:
        said = f"the disk of its Docker is {full:.0f} % full; pulls and starts fail when it is"
        make = fault if full >= DISK_FULL else warning
        yield make(node.name, "DISK_FILLING", said, "ormen prune --images --volumes --dry-run shows what could go")
    if node.agent_version != seen.version:
        said = f"its agent is {node.agent_version}, the deck {seen.version}"
        fix = f"upgrade ormen on {node.name}, then {RESTART.format(node=node.name)}"
        yield warning(node.name, "VERSIONS", said, fix)
    strays = seen.orphans.get(node.name) or ()
    if strays:
        more = f" and {len(strays) - SHOWN} more" if len(strays) > SHOWN else ""
        amount = "1 container of ormen has" if len(strays) == 1 else f"{len(strays)} containers of ormen have"
        said = f"{amount} no record and run{'s' if len(strays) == 1 else ''} on: {', '.join(strays[:SHOWN])}{more}"
        yield warning(node.name, "ORPHANS", said, "ormen prune --orphans --dry-run, then without")


def _pools(seen: FleetSeen) -> Iterator[Finding]:
    names = {engine: [node.name for node in seen.nodes if node.engine == engine] for engine in seen.pool}
    for engine, given in seen.pool.items():
        if given >= len(POOL) * POOL_SCARCE and names[engine]:
            said = f"{given} of the {len(POOL)} ports for tasks that name none are given away"
            make = fault if given >= len(POOL) * POOL_GONE else warning
            yield make(names[engine][0], "PORTS_SCARCE", said, "stop tasks there, or name ports: -p HOST:CONTAINER")


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
