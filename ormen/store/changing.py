"""Changing a task that is there: its name, its labels, what it reserves and may use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ormen.changes import Change
from ormen.node import Resources
from ormen.store.records import pack_need, spec_id
from ormen.store.redis import RedisStore, answering
from ormen.task import Task


@dataclass(frozen=True, slots=True)
class Lack:
    """What a node could not give: ``cpu`` in milli-cores or ``memory`` in bytes, and how much it has for the task."""

    node: str
    what: str
    free: int


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of a change. `stale`: another came before it; nothing is written, as with `taken` and `lack`."""

    state: str
    node: str = ""
    ring: bool = False
    due: bool = False
    room: bool = False
    stale: bool = False
    taken: str | None = None
    lack: Lack | None = None


class Changer(RedisStore):
    """The verb of a change."""

    @answering
    def change(self, task: Task, change: Change, *, by: str = "") -> Updated:
        """Write a change that was made from the task as it was read, with the room it takes of its node, or nothing."""
        reply: Mapping[str, Any] = self.run(
            "update",
            id=task.id,
            was=task.spec_id,
            spec=spec_id(),
            json=json.dumps(change.raw, separators=(",", ":")),
            name=change.name,
            need=pack_need(change.spec.resources),
            resize="1" if change.resize else "0",
            text=change.sentence + (f", from {by}" if by else ""),
        )
        lacks = reply.get("lacks")
        return Updated(
            state=str(reply["state"]),
            node=str(reply.get("node") or ""),
            ring=bool(reply.get("ring")),
            due=bool(reply.get("due")),
            room=bool(reply.get("room")),
            stale=bool(reply.get("stale")),
            taken=reply.get("taken"),
            lack=Lack(reply["node"], lacks, int(reply["free"])) if lacks else None,
        )


def asked(resources: Resources, what: str) -> int:
    """Return the amount that a `Lack` is about."""
    return resources.cpu_milli if what == "cpu" else resources.memory_bytes
