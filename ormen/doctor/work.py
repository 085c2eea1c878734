"""What moves between decks and agents, judged: loops, queues, inboxes, removals, and the brake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ormen.brake import Brake
from ormen.doctor.finding import Finding, fault, fine, warning
from ormen.doctor.fleet import RESTART
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE
from ormen.units import format_age

LATE_S = {"liveness": 15.0, "reschedule": 20.0, "health": 30.0, "cleanup": 300.0}
"""How old a loop's last success may be. Several times its interval: a loop that is late once is no fault."""

FIRST = frozenset({"liveness", "reschedule"})
"""The loops that must have run once; the others are waited for only when the process is older than their limit."""

STUCK_S = 15.0
"""A doorbell that nobody has heard for so long is not heard at all: agents and control take them within moments."""
UNCONFIRMED_S = 120.0
"""An agent that is there confirms a removal as soon as the container is gone, and looks at all of them each minute."""

DECK = "systemctl restart ormen-deck on the deck's host"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one place: how much, and for how long the oldest of it, None if that is not known."""

    amount: int
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorkSeen:
    """What was read. `silent` are nodes of which nothing can be expected; the maps are by queue or by node.

    `unbound` are queues that somebody consumes and whose entry in the routing table is gone.
    """

    now_ms: int
    loops: Mapping[str, float | None]
    brake: Brake
    queues: Mapping[str, Waiting] = field(default_factory=dict)
    inboxes: Mapping[str, Waiting] = field(default_factory=dict)
    removals: Mapping[str, Waiting] = field(default_factory=dict)
    unbound: Sequence[str] = ()
    silent: frozenset[str] = frozenset()
    up_s: float = float("inf")


def judge(seen: WorkSeen) -> Iterator[Finding]:
    """Yield one line of the loops, or what is wrong with them, and whatever is stuck."""
    late = late_loops(seen.loops, up_s=seen.up_s)
    if not late:
        yield fine("loops", f"{', '.join(seen.loops)} run as they should")
    for sentence in late:
        yield fault("loops", "LOOP_LATE", sentence.partition(";")[0], DECK)
    said = seen.brake.sentence(now_ms=seen.now_ms)
    if said:
        yield warning("nodes", "BRAKE", f"the brake holds: {said.rstrip('.')}", "ormen mast release")
    yield from _queues(seen)
    yield from _inboxes(seen)
    yield from _removals(seen)


def late_loops(ages: Mapping[str, float | None], *, up_s: float) -> list[str]:
    """Return a sentence for each loop that has not run as it should, `up_s` after this process began."""
    found = []
    for loop, age_s in ages.items():
        if age_s is None and (loop in FIRST or up_s > LATE_S[loop]):
            found.append(f"the loop {loop} has never run; are beat and the control worker up?")
        elif age_s is not None and age_s > LATE_S[loop]:
            found.append(f"the loop {loop} last ran {age_s:.0f}s ago; are beat and the control worker up?")
    return found


def _queues(seen: WorkSeen) -> Iterator[Finding]:
    for queue, waiting in seen.queues.items():
        node = queue.removeprefix("node.") if queue not in (TICK_QUEUE, CONTROL_QUEUE) else None
        if waiting.age_s is None or waiting.age_s < STUCK_S or node in seen.silent:
            continue
        who = "the agent" if node else "the control worker"
        said = f"{_amount(waiting.amount, 'message')} {format_age(waiting.age_s)} in queue {queue}; {who} reads none"
        yield fault(node or "loops", "QUEUE_STUCK", said, RESTART.format(node=node) if node else DECK)
    for queue in seen.unbound:
        node = queue.removeprefix("node.") if queue not in (TICK_QUEUE, CONTROL_QUEUE) else None
        said = f"queue {queue} is not in Redis's routing table, so no message reaches it"
        yield fault(node or "loops", "QUEUE_UNBOUND", said, RESTART.format(node=node) if node else DECK)


def _inboxes(seen: WorkSeen) -> Iterator[Finding]:
    for node, waiting in seen.inboxes.items():
        if waiting.age_s is None or waiting.age_s < STUCK_S or node in seen.silent:
            continue
        said = f"{_amount(waiting.amount, 'change')} {format_age(waiting.age_s)} in its inbox; the agent takes none"
        yield fault(node, "INBOX_STUCK", said, RESTART.format(node=node))


def _removals(seen: WorkSeen) -> Iterator[Finding]:
    for node, waiting in seen.removals.items():
        if waiting.age_s is None or waiting.age_s < UNCONFIRMED_S:
            continue
        said = (
            f"{_amount(waiting.amount, 'removed task')} {format_age(waiting.age_s)} for its agent to say that no"
            " container is left"
        )
        fix = f"bring it back, or ormen mast rm {node}" if node in seen.silent else RESTART.format(node=node)
        yield warning(node, "REMOVALS_UNCONFIRMED", said, fix)


def _amount(amount: int, noun: str) -> str:
    return f"1 {noun} waits" if amount == 1 else f"{amount} {noun}s wait"
