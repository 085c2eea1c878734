"""The figures of a measurement: from the seconds of each round to a document. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ormen.transport import Document

START, STOP, THROUGHPUT, FAILOVER = "start", "stop", "throughput", "failover"

MEASURES = (START, STOP, THROUGHPUT, FAILOVER)
"""Everything that is measured, in the order in which it is shown."""

OF_A_LIFE = (START, FAILOVER, STOP)
"""What one task goes through in one round, in that order."""

ORMEN, DOCKER = "ormen", "docker"
"""By whom a container was started: by the cluster, or by the Docker SDK on this machine's engine."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that at least `share` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the rounds of one measure took, in seconds; each round had `tasks` containers."""

    rounds: tuple[float, ...]
    tasks: int = 1

    @property
    def p50_s(self) -> float:
        """Return the median by nearest rank."""
        return percentile(self.rounds, 0.5)

    @property
    def tasks_per_s(self) -> float:
        """Return how many containers a second that makes, by the median."""
        return self.tasks / self.p50_s if self.p50_s else 0.0

    def to_json(self) -> Document:
        """Return the figures with the rounds that they come from."""
        return {
            "rounds_s": [round(value, 6) for value in self.rounds],
            "p50_s": round(self.p50_s, 6),
            "p95_s": round(percentile(self.rounds, 0.95), 6),
            "max_s": round(max(self.rounds), 6),
            "tasks_per_s": round(self.tasks_per_s, 3) if self.tasks > 1 else None,
        }


@dataclass
class Collected:
    """The rounds so far: seconds by measure and by whom. `tasks` is how many a round of throughput starts."""

    tasks: int
    _rounds: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, by: str, found: Mapping[str, float]) -> None:
        """Take in what one round has measured."""
        for measure, seconds in found.items():
            self._rounds.setdefault((measure, by), []).append(seconds)

    def measures(self, *, comparable: bool) -> list[Document]:
        """Return a row for each measure that has a round.

        `ratio` is ormen's median over Docker's; null where the two were not `comparable`, or one of them is missing.
        """
        rows = []
        for name in MEASURES:
            ours, theirs = self._figures(name, ORMEN), self._figures(name, DOCKER)
            if ours is None:
                continue
            ratio = ours.p50_s / theirs.p50_s if comparable and theirs and theirs.p50_s else None
            rows.append(
                {
                    "measure": name,
                    "tasks": ours.tasks,
                    ORMEN: ours.to_json(),
                    DOCKER: theirs.to_json() if theirs else None,
                    "ratio": None if ratio is None else round(ratio, 3),
                }
            )
        return rows

    def _figures(self, measure: str, by: str) -> Figures | None:
        rounds: Any = self._rounds.get((measure, by))
        return Figures(tuple(rounds), self.tasks if measure == THROUGHPUT else 1) if rounds else None
