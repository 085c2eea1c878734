"""What ``/metrics`` counts for the whole cluster, whichever process did it: one hash of sums.

Events are counted by the script that writes them, so each exactly once. What a process measures itself (how long it
placed, how long a loop ran) is added by `tally`, which never fails the work that it measures.

A duration is counted under the least k for which 2^k ms are enough, so that scripts and programs need no common list
of limits; `Durations` makes of it what Prometheus calls a histogram.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from ormen.errors import StoreUnavailable
from ormen.store.redis import RedisStore, answering

log = logging.getLogger("ormen.store")

STEPS = 20
"""How many limits are shown: 1 ms, 2 ms, 4 ms … 524 s."""

SUM = "sum"


@dataclass(frozen=True, slots=True, order=True)
class EventKind:
    """What events are counted by: their type, and the code of the reason; empty: none."""

    type: str
    code: str


@dataclass(slots=True)
class Durations:
    """How often something took how long: `steps` maps k to how many took at most 2^k ms and more than 2^(k-1)."""

    steps: dict[int, int] = field(default_factory=dict)
    sum_ms: int = 0

    def buckets(self) -> list[tuple[float, int]]:
        """Return (limit in seconds, how many took no longer), growing; the last limit is infinite."""
        rows, total = [], 0
        for step in range(STEPS):
            total += self.steps.get(step, 0)
            rows.append((2**step / 1000, total))
        return [*rows, (float("inf"), sum(self.steps.values()))]


@dataclass(slots=True)
class Figures:
    """All that is counted, since the cluster began."""

    events: dict[EventKind, int] = field(default_factory=dict)
    starts: Durations = field(default_factory=Durations)
    placings: Durations = field(default_factory=Durations)
    loops: dict[str, Durations] = field(default_factory=dict)
    races: int = 0
    webhooks: dict[str, int] = field(default_factory=lambda: {"delivered": 0, "failed": 0, "dropped": 0})


def step_of(ms: int) -> int:
    """Return the least k for which 2^k ms are enough."""
    return (ms - 1).bit_length() if ms > 1 else 0


def figures_of(raw: Mapping[str, str]) -> Figures:
    """Return the figures of the hash; a field of a later version is passed over."""
    found = Figures()
    for name, value in raw.items():
        kind, *words = name.split(" ")
        if kind == "event" and len(words) == 2:
            found.events[EventKind(*words)] = int(value)
        elif kind == "start" and len(words) == 1:
            _add(found.starts, words[0], int(value))
        elif kind == "placing" and len(words) == 1:
            _add(found.placings, words[0], int(value))
        elif kind == "loop" and len(words) == 2:
            _add(found.loops.setdefault(words[0], Durations()), words[1], int(value))
        elif kind == "hook" and len(words) == 1:
            found.webhooks[words[0]] = int(value)
        elif name == "races":
            found.races = int(value)
    return found


def _add(durations: Durations, step: str, amount: int) -> None:
    if step == SUM:
        durations.sum_ms = amount
    else:
        durations.steps[int(step)] = amount


class FigureStore(RedisStore):
    """Counts, and reads what was counted."""

    @answering
    def figures(self) -> Figures:
        """Return all that was counted."""
        return figures_of(self.client.hgetall(self.keys.figures))

    def tally(self, name: str, ms: int, *, races: int = 0) -> None:
        """Count that `name` (``placing``, ``loop liveness``) took so long; a Redis that is away costs the figure only.

        `races` are choices that another scheduler had made impossible meanwhile.
        """
        ms = max(0, ms)
        try:
            self._tally({f"{name} {step_of(ms)}": 1, f"{name} {SUM}": ms, "races": races})
        except StoreUnavailable as fault:
            log.debug("%s was not counted: %s", name, fault)

    @answering
    def _tally(self, amounts: Mapping[str, int]) -> None:
        with self.client.pipeline(transaction=False) as pipe:
            for name, amount in amounts.items():
                if amount:
                    pipe.hincrby(self.keys.figures, name, amount)
            pipe.execute()
