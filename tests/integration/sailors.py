"""Agents that exist only in the store: they report what a test says, and touch no Docker."""

from __future__ import annotations

from typing import Any

from ormen.node import Resources
from ormen.reasons import Code, Reason
from ormen.store.agent import AgentStore, NodeCard, Report, Request
from ormen.task import Health, State, Task

GIB = 1024**3


class Sailor:
    """One node with 4 cores and 4 GiB, and its reports."""

    def __init__(self, store: AgentStore, name: str = "node-1", **facts: Any) -> None:
        self.store = store
        self.name = name
        self.facts = facts

    def join(self, instance: str = "i") -> Sailor:
        """Join the cluster and report a first complete look at Docker."""
        room = Resources(4000, 4 * GIB, 100 * GIB)
        self.store.join(
            NodeCard(self.name, instance, "10.0.0.1", "http://127.0.0.1:5556", f"engine-{self.name}", "24", "linux",
                     "amd64", "0", {"zone": "eu"}, room, self.facts)
        )  # fmt: skip
        self.store.synced(self.name, instance, orphans=[])
        return self

    def take(self) -> tuple[Task, ...]:
        """Empty the inbox."""
        return self.store.take(self.name, "i").tasks

    def requests(self) -> tuple[Request, ...]:
        """Empty the inbox and return what was asked."""
        return self.store.take(self.name, "i").requests

    def start(self, task_id: str, *, attempt: int = 1, health: Health | None = None) -> None:
        """Report that the container started."""
        self._report(Report(task_id, self.name, attempt, State.RUNNING, container_id="c" * 64, health=health))

    def end(self, task_id: str, *, attempt: int = 1, exit_code: int = 0, log: tuple[str, ...] = ()) -> None:
        """Report that the container has ended for good."""
        target = State.COMPLETED if exit_code == 0 else State.FAILED
        reason = None if exit_code == 0 else Reason(Code.EXIT, f"Exited with code {exit_code}.")
        self._report(
            Report(task_id, self.name, attempt, target, reason=reason, exit_code=exit_code, log_tail=log, release=True)
        )

    def stopped(self, task_id: str, *, attempt: int = 1) -> None:
        """Report that the container was stopped, as was asked."""
        reason = Reason(Code.STOPPED, f"Stopped on {self.name} in 0.1s, exit code 0.")
        self._report(Report(task_id, self.name, attempt, State.COMPLETED, reason=reason, exit_code=0, release=True))

    def refuse(self, task_id: str, code: Code, sentence: str, *, attempt: int = 1) -> None:
        """Report that the container cannot be started here."""
        reason = Reason(code, sentence)
        self._report(Report(task_id, self.name, attempt, State.PENDING, reason=reason, release=True, delay_ms=60_000))

    def give_up(self, task_id: str, *, attempt: int = 1) -> None:
        """Report that the container is gone because a restart was asked for."""
        reason = Reason(Code.RESTARTED, "A restart was asked for.")
        self._report(Report(task_id, self.name, attempt, State.PENDING, reason=reason, release=True))

    def _report(self, news: Report) -> None:
        outcome = self.store.report(news)
        assert outcome.accepted, news
