"""The brake for mass loss: many nodes that fall silent together are more likely cut off than dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ormen.clock import rfc3339
from ormen.units import format_age


@dataclass(frozen=True, slots=True)
class Brake:
    """What the brake does. Times are ms of Redis's clock.

    `since_ms` is None while it does not hold. `silent` of `known` nodes are gone; `nodes` are those whose `tasks` wait
    for their return. `moves_ms` is when those tasks are placed anew, once so many nodes are back that it lets go.
    """

    since_ms: int | None = None
    silent: int = 0
    known: int = 0
    nodes: tuple[str, ...] = ()
    tasks: int = 0
    moves_ms: int | None = None

    @property
    def on(self) -> bool:
        """Return whether tasks are held back."""
        return self.since_ms is not None

    @property
    def amounts(self) -> str:
        """Return ``37 tasks of 4 nodes are``: what waits, with its verb."""
        tasks = "1 task" if self.tasks == 1 else f"{self.tasks} tasks"
        nodes = "1 node" if len(self.nodes) == 1 else f"{len(self.nodes)} nodes"
        return f"{tasks} of {nodes} {'is' if self.tasks == 1 else 'are'}"

    def sentence(self, *, now_ms: int) -> str | None:
        """Return how many nodes are silent and what becomes of their tasks; None while the brake does not hold."""
        if not self.on:
            return None
        task, waits = ("task", "waits") if self.tasks == 1 else ("tasks", "wait")
        whose = f"{self.silent} of {self.known} nodes {'is' if self.silent == 1 else 'are'} silent"
        if self.moves_ms is None:
            return f"{whose}; their {self.tasks} {task} {waits} for their return."
        left_s = max(0, self.moves_ms - now_ms) / 1000
        moves = "is" if self.tasks == 1 else "are"
        return f"{whose}; their {self.tasks} {task} {moves} placed anew in {format_age(left_s)} unless they return."

    def to_json(self, *, now_ms: int) -> dict[str, Any]:
        """Return the brake as the API shows it."""
        return {
            "on": self.on,
            "since": rfc3339(self.since_ms),
            "silent": self.silent,
            "known": self.known,
            "nodes": list(self.nodes),
            "tasks": self.tasks,
            "moves_at": rfc3339(self.moves_ms),
            "sentence": self.sentence(now_ms=now_ms),
        }
