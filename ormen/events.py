"""What happened, in order: every transition of a task and of a node is one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ormen.clock import rfc3339
from ormen.reasons import Code, Reason

_WAYS = {
    "task.accepted": (None, "pending"),
    "task.placed": ("pending", "scheduled"),
    "task.running": ("scheduled", "running"),
    "task.pending": (None, "pending"),
    "task.completed": (None, "completed"),
    "task.failed": (None, "failed"),
}
"""From which state to which a transition leads, as far as its type says so: an entry of the stream has the rest.

Entries from before have both."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the stream. `id` orders them (``<ms>-<n>``); `source` and `target` are set for a transition."""

    id: str
    type: str
    task: str | None = None
    name: str | None = None
    attempt: int | None = None
    node: str | None = None
    source: str | None = None
    target: str | None = None
    reason: Reason | None = None
    sentence: str = ""

    @property
    def at_ms(self) -> int:
        """Return when it happened, by Redis's clock."""
        return int(self.id.split("-")[0])

    def to_json(self) -> dict[str, Any]:
        """Return the event as the API shows it."""
        return {
            "id": self.id,
            "type": self.type,
            "at": rfc3339(self.at_ms),
            "task": self.task,
            "name": self.name,
            "attempt": self.attempt,
            "node": self.node,
            "from": self.source,
            "to": self.target,
            "reason": self.reason.to_json() if self.reason else None,
            "sentence": self.sentence,
        }

    @classmethod
    def from_fields(cls, event_id: str, fields: dict[str, str]) -> Event:
        """Return the event of a stream entry as the scripts wrote it."""
        code = fields.get("code")
        attempt = fields.get("attempt")
        source, target = _WAYS.get(fields["type"], (None, None))
        return cls(
            id=event_id,
            type=fields["type"],
            task=fields.get("task") or None,
            name=fields.get("name") or None,
            attempt=int(attempt) if attempt else None,
            node=fields.get("node") or None,
            source=fields.get("from") or source,
            target=fields.get("to") or target,
            reason=Reason(Code(code), fields.get("text", "")) if code else None,
            sentence=fields.get("text", ""),
        )
