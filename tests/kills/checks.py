"""What must be so once nothing moves any more, asked of Docker and of each key in Redis: every fault as a sentence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from ormen.task import LIVE, TRANSITIONS, State, Task
from tests.kills.fleet import Fleet

LASTING = (
    "allowed",
    "brake",
    "cluster",
    "counts",
    "events",
    "figures",
    "lease:",
    "loops",
    "losses",
    "nodes:",
    "node:",
    "request:",
    "talk:",
    "turn",
)
"""What is there without a single task (and a node's inbox and tasks are empty, so not there). Talks run out."""


def faults(fleet: Fleet) -> list[str]:
    """Return everything that does not agree: Docker, records, indexes, reservations, ports, events."""
    keys = fleet.store.keys
    ids = [key.removeprefix(keys.task("")) for key in fleet.raw.scan_iter(keys.task("*"))]
    tasks = [task for task in fleet.store.read(ids).values() if task]
    return [*_docker(fleet, tasks), *_indexes(fleet, tasks), *_room(fleet, tasks), *_events(fleet)]


def left_over(fleet: Fleet) -> list[str]:
    """Return what is left in Redis and on the engine of tasks that are gone. To be asked without any task."""
    prefix = fleet.settings.prefix
    keys = [key.removeprefix(prefix) for key in fleet.raw.scan_iter(f"{prefix}*")]
    odd = [key for key in keys if not key.startswith(LASTING) or key.endswith((":tasks", ":inbox"))]
    found = fleet.docker.containers(all=True, filters={"label": f"ormen.cluster={fleet.cluster}"})
    return [*(f"key {key} is left" for key in odd), *(f"container {c['Names']} is left" for c in found)]


def _docker(fleet: Fleet, tasks: list[Task]) -> Iterator[str]:
    found = fleet.docker.containers(all=True, filters={"label": f"ormen.cluster={fleet.cluster}"})
    by_task: dict[str, list[tuple[str, str, str]]] = {}
    for raw in found:
        labels = raw["Labels"]
        by_task.setdefault(labels["ormen.task"], []).append((raw["Id"], raw["State"], labels["ormen.node"]))
    for task in tasks:
        here = by_task.pop(task.id, [])
        if task.state is State.RUNNING and here != [(task.container_id, "running", task.node)]:
            yield f"{task.name} runs as {task.container_id} on {task.node}; Docker has {here}"
        if task.state is not State.RUNNING and any(state == "running" for _, state, _ in here):
            yield f"{task.name} is {task.state.value} (wanted {task.wanted.value}); Docker has {here}"
        if len(here) > 1:
            yield f"{task.name} has {len(here)} containers: {here}"
    yield from (f"a container without a record: {task} {rows}" for task, rows in by_task.items())


def _indexes(fleet: Fleet, tasks: list[Task]) -> Iterator[str]:
    keys, raw = fleet.store.keys, fleet.raw
    listed = [task for task in tasks if task.wanted.value != "removed"]
    expected = {
        **{f"tasks:{state.value}": {task.id for task in listed if task.state is state} for state in State},
        "ids": {task.id for task in listed},
        "pending": {task.id for task in listed if task.state is State.PENDING},
        "scheduled": {task.id for task in listed if task.state is State.SCHEDULED},
    }
    for index, ids in expected.items():
        held = set(raw.zrange(f"{fleet.settings.prefix}{index}", 0, -1))
        if held != ids:
            yield f"{index} holds {held}, should hold {ids}"
    names = {task.name: task.id for task in listed if task.state in LIVE}
    if raw.hgetall(keys.names) != names:
        yield f"names are {raw.hgetall(keys.names)}, should be {names}"
    counts = Counter(task.state.value for task in listed)
    says = {state: int(number) for state, number in raw.hgetall(keys.counts).items() if int(number)}
    if says != dict(counts):
        yield f"counts are {says}, should be {dict(counts)}"


def _room(fleet: Fleet, tasks: list[Task]) -> Iterator[str]:
    for node in fleet.store.nodes():
        held = fleet.store.held_by([node.name])[node.name]
        says = (node.reserved.cpu_milli, node.reserved.memory_bytes, node.reserved.disk_bytes, node.tasks)
        if held != says:
            yield f"{node.name} reserves {says}, its seats are {held}"
    for task in tasks:
        ended = task.state in (State.COMPLETED, State.FAILED)
        if ended and task.seat:
            yield f"{task.name} has ended and holds a seat on {task.seat}"
    owners = {
        pair.rpartition("=")[2]
        for key in fleet.raw.scan_iter(fleet.store.keys.ports("*"))
        for held in fleet.raw.hgetall(key).values()
        for pair in held.split()
    }
    seated = {task.id for task in tasks if task.seat and json.dumps([p.to_list() for p in task.ports]) != "[]"}
    if owners != seated:
        yield f"ports are held by {owners}, should be by {seated}"


def _events(fleet: Fleet) -> Iterator[str]:
    last: dict[str, str | None] = {}
    for event in fleet.store.events(limit=1_000_000):
        if not event.task or event.target is None:
            continue
        before = last.get(event.task)
        legal = before is None if event.source is None else event.source == before
        if event.source is not None and State(event.target) not in TRANSITIONS[State(event.source)]:
            legal = False
        if not legal:
            yield f"{event.name}: {event.type} from {event.source} to {event.target} after {before}"
        last[event.task] = event.target
