"""What will be done to a cluster, chosen from a seed before anything is done: bursts of faults, each with its healing.

The same seed gives the same plan on every machine. What cannot be known before (which container runs where) is left
to a `draw`, a number that is part of the plan.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HOSTS = ("host7", "host8", "host9")
MOVED_CLOCK = "host9"
"""The host whose agent runs under a clock that can be moved. Under libfaketime a plain `time.sleep` fails (EINVAL), so
what sleeps so ends there, and its agent is started again more often than elsewhere."""
PARTS = ("api", "control", "beat")
QUEUES = {**{host: f"node.{host}" for host in HOSTS}, "control": "control", "tick": "tick"}

SIZES = (3, 4, 4, 5, 6, 7)
"""How many faults a burst may have."""
LONG_IN = 6
"""One burst in so many has a fault that lasts longer than the limit after which a node is lost (8 s)."""
SHORT_S, LONG_S = (0.3, 3.0), (9.0, 12.0)
SPREAD_S = 2.5
"""Within which the faults of a burst begin."""
KILL_PAUSE = 4
"""Bursts for which a part that was killed is left alone: five deaths within a minute are a crash loop by our own rule,
and then the part is tried once a minute only."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how often it is chosen, where it can be, and what of that place no other fault may hold.

    `lasts`: it has a healing of its own after a while. `kills`: a supervised process, which starts again by itself.
    """

    name: str
    weight: float
    places: Sequence[str]
    holds: Sequence[str]
    lasts: bool = True
    kills: bool = False


KINDS = (
    Kind("kill agent", 2, HOSTS, ["agent"], lasts=False, kills=True),
    Kind("kill sailor", 1, HOSTS, ["agent"]),
    Kind("freeze agent", 2, HOSTS, ["agent"]),
    Kind("stop engine", 1, HOSTS, ["engine", "box"]),
    Kind("kill engine", 1, HOSTS, ["engine", "box"]),
    Kind("freeze engine", 2, HOSTS, ["engine", "box"]),
    Kind("power off", 2, HOSTS, ["agent", "engine", "box", "cable", "line"]),
    Kind("cut cable", 3, HOSTS, ["cable", "line"]),
    Kind("slow line", 1, (*HOSTS, "deck"), ["line"]),
    Kind("swallow line", 1, (*HOSTS, "deck"), ["line"]),
    Kind("refuse line", 1, (*HOSTS, "deck"), ["line"]),
    Kind("break line", 1, (*HOSTS, "deck"), ["line"], lasts=False),
    Kind("move clock", 1, (MOVED_CLOCK,), ["clock"]),
    Kind("remove container", 2, HOSTS, ["box"], lasts=False),
    Kind("kill container", 2, HOSTS, ["box"], lasts=False),
    Kind("pause container", 2, HOSTS, ["box"]),
    Kind("drop messages", 1, tuple(QUEUES), ["queue"]),
    Kind("double messages", 1, tuple(QUEUES), ["queue"]),
    Kind("delay messages", 1, tuple(QUEUES), ["queue"]),
    Kind("kill part", 3, PARTS, ["part"], lasts=False, kills=True),
    Kind("freeze part", 2, PARTS, ["part"]),
    Kind("kill deck", 1, ("deck",), ["line", "deck"]),
    Kind("kill redis", 1.5, ("redis",), ["redis"]),
    Kind("freeze redis", 1.5, ("redis",), ["redis"]),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it begins, counted from its burst's begin, and after how long it is healed (0: by itself)."""

    kind: str
    where: str
    begin_s: float
    hold_s: float
    draw: float

    def __str__(self) -> str:
        lasts = f" for {self.hold_s:.1f} s" if self.hold_s else ""
        return f"{self.kind} {self.where}{lasts}"


@dataclass(frozen=True, slots=True)
class Burst:
    """Faults that overlap, after a calm in which only the workload goes on."""

    number: int
    calm_s: float
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        each = ", ".join(f"+{fault.begin_s:.1f} s {fault}" for fault in self.faults)
        return f"{self.number:4} after {self.calm_s:.1f} s: {each}"


class Planner:
    """Makes bursts that do not contradict themselves: no two faults of one burst hold the same thing."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"plan {seed}")
        self._killed: dict[str, int] = {}

    def bursts(self, count: int) -> Iterator[Burst]:
        """Yield bursts with `count` faults in all."""
        number = 0
        while count > 0:
            number += 1
            size = min(count, self._rng.choice(SIZES))
            burst = self._burst(number, size)
            count -= len(burst.faults)
            yield burst

    def _burst(self, number: int, size: int) -> Burst:
        held: set[str] = set()
        faults: list[Fault] = []
        long = number % LONG_IN == 0
        while len(faults) < size:
            kind = self._rng.choices(KINDS, [kind.weight for kind in KINDS])[0]
            where = self._rng.choice(kind.places)
            holds = {f"{where} {what}" for what in kind.holds}
            if holds & held or not self._may_kill(kind, where, number):
                continue
            held |= holds
            faults.append(self._fault(kind, where, long=long and kind.lasts))
            long = long and not kind.lasts
        return Burst(number, round(self._rng.uniform(0.2, 1.0), 2), tuple(sorted(faults, key=lambda it: it.begin_s)))

    def _may_kill(self, kind: Kind, where: str, number: int) -> bool:
        if not kind.kills:
            return True
        if number - self._killed.get(where, -KILL_PAUSE) < KILL_PAUSE:
            return False
        self._killed[where] = number
        return True

    def _fault(self, kind: Kind, where: str, *, long: bool) -> Fault:
        begin_s = round(self._rng.uniform(0, SPREAD_S), 2)
        hold_s = round(self._rng.uniform(*(LONG_S if long else SHORT_S)), 2) if kind.lasts else 0.0
        return Fault(kind.name, where, begin_s, hold_s, round(self._rng.random(), 4))


def plan(faults: int, seed: int) -> list[Burst]:
    """Return the plan of so many faults."""
    return list(Planner(seed).bursts(faults))
