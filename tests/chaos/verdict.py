"""What a promise looks like from outside: the book against Docker and against what the deck says. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ormen.node import Resources
from ormen.schema import resolve
from tests.chaos.book import JOBS, REMOVED, STOPPED, Entry
from tests.chaos.watcher import Box

Record = Mapping[str, Any]
PAUSED_FOR = {"EXIT", "OOM", "INTERRUPTED", "HEALTH_HTTP", "PORT_IN_USE", "ENGINE_DOWN", "CREATE_REFUSED", "NODE_LACKS"}
"""Why a task may wait out a back-off."""
LIVE = ("scheduled", "running")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is not as it has to be. `kind`: lost, doubled, left, ended, said, waits or node."""

    kind: str
    task: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind.upper()}: {self.text}"


def flaw_of(entry: Entry, record: Record | None, boxes: Sequence[Box], now: float) -> Flaw | None:
    """Return what is wrong with a task that nobody has a request under way for; None if nothing is."""
    word = _judge(entry, record, boxes, now)
    if word is None:
        return None
    kind, text = word
    there = ", ".join(map(str, boxes)) or "nothing"
    said = "no record" if record is None else f"{record['state']} on {record['node']}, attempt {record['attempt']}"
    return Flaw(
        kind, entry.id, f"{entry.name} ({entry.id}) {text}; wanted {entry.wanted}; deck: {said}; Docker: {there}"
    )


def _judge(entry: Entry, record: Record | None, boxes: Sequence[Box], now: float) -> tuple[str, str] | None:
    running = [box for box in boxes if box.runs]
    if entry.wanted == REMOVED:
        if record is not None:
            return "left", "is removed and still has a record"
        return ("left", "is removed and has containers") if boxes else None
    if record is None:
        return "lost", "was accepted and is gone"
    if len(running) > 1:
        return "doubled", f"runs {len(running)} times"
    if record["state"] in ("completed", "failed"):
        return _judge_ended(entry, record, boxes, running)
    if entry.wanted == STOPPED:
        return "said", "is to be stopped and is not"
    return _judge_living(record, boxes, running, now)


def _judge_ended(entry: Entry, record: Record, boxes: Sequence[Box], running: Sequence[Box]) -> tuple[str, str] | None:
    if running:
        return "said", "has ended, says the deck, and runs"
    if len(boxes) > 1:
        return "left", "has containers of older attempts"
    if entry.wanted == STOPPED:
        return None
    if entry.lives_on or record["state"] != JOBS[entry.kind]:
        return "ended", "has ended, though nobody has asked for that and its program has not chosen it"
    return None


def _judge_living(record: Record, boxes: Sequence[Box], running: Sequence[Box], now: float) -> tuple[str, str] | None:
    if record["state"] == "pending" and not running and is_paused(record, now):
        return "waits", "waits out its back-off"
    if record["state"] != "running" or not running:
        return "said", "is to run and does not"
    if (record["node"], record["container_id"]) != (running[0].host, running[0].id):
        return "said", "runs elsewhere than the deck says"
    return ("left", "has containers of older attempts") if len(boxes) > 1 else None


def is_paused(record: Record, now: float) -> bool:
    """Return whether a waiting task's next try is still to come, by the rule of back-off."""
    reason = (record["reason"] or {}).get("code")
    due = record["next_try_at"]
    return reason in PAUSED_FOR and due is not None and datetime.fromisoformat(due).timestamp() > now


def flaws(entries: Iterable[Entry], records: Mapping[str, Record], boxes: Iterable[Box]) -> list[Flaw]:
    """Return all that is wrong with the tasks of the book, and what Docker or the deck has beside them."""
    by_task: dict[str, list[Box]] = {}
    for box in boxes:
        by_task.setdefault(box.task, []).append(box)
    now = time.time()
    found: list[Flaw | None] = []
    known = set()
    for entry in entries:
        known.add(entry.id)
        found.append(flaw_of(entry, records.get(entry.id), by_task.get(entry.id, []), now))
    found += [Flaw("left", task, f"a task that nobody submitted: {task}") for task in {*records, *by_task} - known]
    return [flaw for flaw in found if flaw is not None]


def reservation_flaws(nodes: Iterable[Record], records: Mapping[str, Record]) -> list[Flaw]:
    """Return each node whose reservations or ports are not the sum of what runs there."""
    found = []
    for node in nodes:
        name = node["name"]
        here = [record for record in records.values() if record["node"] == name and record["state"] in LIVE]
        has, due = dict(node["reserved"]), _sum(here)
        if has != due or node["tasks"] != len(here):
            text = f"{name} has reserved {has} for {node['tasks']} tasks; the {len(here)} that live there take {due}"
            found.append(Flaw("left", name, text))
        ports = sorted(f"{port['host']}/{port['protocol']}" for record in here for port in record["ports"])
        if sorted(node["ports"]) != ports:
            text = f"{name} has the ports {sorted(node['ports'])}; what lives there has {ports}"
            found.append(Flaw("left", name, text))
    return found


def _sum(records: Sequence[Record]) -> dict[str, Any]:
    return sum((resolve(record["spec"]).resources for record in records), Resources()).to_json()
