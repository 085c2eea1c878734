"""What would go where: the submission's own look at the fleet, of which nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from manager_api.placing import fleet_of, need_of
from manager_api.submission import Deck
from ormen.scheduler.explanation import Refusal
from ormen.scheduler.order import in_order
from ormen.scheduler.rehearsal import Rehearsed, rehearse
from ormen.scheduler.values import Need
from ormen.schema import Item
from ormen.store.conflicts import Clash
from ormen.store.manager import ManagerStore
from ormen.task import State, Task, Wanted


def plan(deck: Deck, items: Sequence[Item]) -> dict[str, Any]:
    """Return for each task where it would go and why, or why it would wait; those that are there already, too.

    Raises IdTaken and NameTaken, as submitting them would. Nothing is changed, and nothing is promised: what others
    submit meanwhile counts when they do.
    """
    there = _there(deck.store, items)
    fresh = [item for item in items if item.id not in there]
    now_ms = deck.store.now_ms()
    needs = [need_of(_draft(item), item.spec, now_ms=now_ms) for item in fresh]
    found = {row.answer.key: row for row in _rehearsed(deck, in_order(needs), fresh)}
    rows = [_row(item, found.get(item.id), there.get(item.id)) for item in items]
    starts = sum(row["node"] is not None for row in rows if row["there"] is None)
    return {"items": rows, "start": starts, "wait": len(fresh) - starts, "there": len(there)}


def _rehearsed(deck: Deck, needs: Sequence[Need], items: Sequence[Item]) -> list[Rehearsed]:
    fleet = fleet_of(deck.store, needs, deck.settings, moves_turn=False)
    names = {**fleet.names, **{item.id: item.name for item in items}}
    return rehearse(needs, replace(fleet, names=names))


def _there(store: ManagerStore, items: Sequence[Item]) -> Mapping[str, Task]:
    """Return the tasks that are stored already; raise what submitting the others would be refused with."""
    there: dict[str, Task] = {}
    clashes: list[Clash] = []
    for item, (task, digest, holder) in zip(items, store.claims([(item.id, item.name) for item in items]), strict=True):
        if task is not None and digest is not None and item.digest.startswith(digest):
            there[item.id] = task
        elif task is not None:
            clashes.append(Clash("ID_TAKEN", item.name, item.id, item.id))
        elif holder is not None and item.raw.get("name"):
            clashes.append(Clash("NAME_TAKEN", item.name, item.id, holder))
    if clashes:
        raise store.conflict(*clashes)
    return there


def _draft(item: Item) -> Task:
    """Return the record that the task would have before its first attempt."""
    return Task(item.id, item.name, item.raw, Wanted.RUNNING, State.PENDING, 0, "")


def _row(item: Item, rehearsed: Rehearsed | None, there: Task | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task": item.id if item.raw.get("id") else None,
        "name": item.name,
        "node": None,
        "because": None,
        "placement": None,
        "reason": None,
        "could_fit": None,
        "there": None,
    }
    if there is not None:
        return {**row, "node": there.node, "there": there.state.value}
    assert rehearsed is not None
    answer = rehearsed.answer
    if isinstance(answer, Refusal):
        return {**row, "reason": answer.reason.to_json(), "could_fit": answer.could_fit}
    return {**row, "node": answer.node, "because": rehearsed.because, "placement": answer.to_json()}
