"""The cases behind the sketches of ``ormen why``: tasks, nodes and events as the store would give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from manager_api.placing import need_of
from ormen.events import Event
from ormen.node import Node, NodeState, Resources
from ormen.reasons import Code, Reason
from ormen.scheduler.explanation import refuse
from ormen.scheduler.values import Fleet
from ormen.schema import resolve
from ormen.task import Attempt, State, Task, Wanted
from ormen.why.case import Case

GIB, MIB = 1024**3, 1024**2


def at(clock: str) -> int:
    """Return a time of 21 November 2026, in ms: ``10:02:11.390``, or another day's: ``11-18 10:02:11``."""
    day, _, time = clock.rpartition(" ")
    moment = datetime.fromisoformat(f"2026-{day or '11-21'}T{time}")
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def node(name: str, *, memory: float = 8, free: float = 4, cpu: float = 4, **more: Any) -> Node:
    """Return a node with GiB of memory, so much of it free, and so many cores free."""
    room = Resources(8000, int(memory * GIB), 100 * GIB)
    taken = Resources(8000 - int(cpu * 1000), int(memory * GIB) - int(free * GIB), 0)
    fields: dict[str, Any] = {"engine": f"engine-{name}", "address": "10.0.0.11", **more}
    return Node(name, fields.pop("state", NodeState.READY), capacity=room, reserved=taken, **fields)


def task(name: str, state: State, spec: Mapping[str, Any], **fields: Any) -> Task:
    """Return a task's record."""
    made: dict[str, Any] = {"created_ms": at("10:02:11.390"), "wanted": Wanted.RUNNING, **fields}
    whole = {"name": name, "image": "acme/thing:1", **spec}
    return Task("5e20bb91-6a0f-4f3b-8a57-0d1c9e7b2a44", name, whole, state=state, container_name=f"{name}.x", **made)


def exit_of(number: int, place: str, began: str, ended: str, code: int = 1, **more: Any) -> Attempt:
    """Return an attempt that ended by an exit code."""
    reason = Reason(Code.EXIT, f"Exited with code {code}, 2.1s after its start on {place}.")
    times = {"assigned_ms": at(began) - 50, "started_ms": at(began), "ended_ms": at(ended)}
    return Attempt(number, place, exit_code=code, **{"reason": reason, **times, **more})


def event(kind: str, clock: str, sentence: str = "") -> Event:
    """Return an event of the task."""
    return Event(f"{at(clock)}-0", f"task.{kind}", sentence=sentence)


def case(one: Task, now: str, **more: Any) -> Case:
    """Return the case of a task that has its node."""
    return Case(one, resolve(one.spec), at(now), **more)


def waiting(one: Task, now: str, *nodes: Node, **more: Any) -> Case:
    """Return the case of a task that waits, as the scheduler sees it; `taken` and `names` are the fleet's."""
    found = case(one, now)
    need = need_of(one, found.spec, now_ms=found.now_ms)
    names = {**more.pop("names", {}), one.id: one.name}
    fleet = Fleet(nodes, taken=more.pop("taken", {}), names=names)
    return replace(found, need=need, fleet=fleet, refusal=refuse(need, fleet), **more)


def well() -> Case:
    """Return the case of a task that runs as asked."""
    attempt = Attempt(1, "node-1", None, at("10:02:11.402"), at("10:02:15"))
    one = task("web", State.RUNNING, {}, attempt=1, node="node-1", attempts=(attempt,), started_ms=at("10:02:15"))
    return case(one, "10:30:00", node=node("node-1"))
