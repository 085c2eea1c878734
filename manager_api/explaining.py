"""Why a task is as it is: its record, its events, its node and, while it waits, the whole fleet, read once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from manager_api.placing import fleet_of, need_of
from manager_api.submission import Deck
from ormen.errors import NodeNotFound
from ormen.events import Event
from ormen.node import Node
from ormen.reasons import Code
from ormen.scheduler.explanation import refuse
from ormen.scheduler.values import Fleet
from ormen.schema import resolve
from ormen.store.manager import ManagerStore
from ormen.task import ENDED, PLACED, State, Task
from ormen.why.case import Case
from ormen.why.circle import chain
from ormen.why.document import explain, explain_node

STOP_MS = 60_000
"""How long before its end a stop of a task was asked for, at most, for the asker to be named."""


def why(deck: Deck, word: str, *, node: str | None = None, every: bool = False) -> dict[str, Any]:
    """Return why the task that `word` names is as it is; `every` tells each node in full. Nothing is changed.

    With `node` return why it is not there; raises NodeNotFound for one that is none.
    """
    task = deck.store.find(word)
    case = case_of(deck, task)
    if node is None:
        return explain(case, every=every)
    found = deck.store.node(node)
    return explain_node(case if case.fleet else _seen(deck, _unplaced(case)), found)


def _unplaced(case: Case) -> Case:
    """Return the case of a task as if it had no node: what it holds now is none of its need."""
    return replace(case, need=replace(need_of(case.task, case.spec, now_ms=case.now_ms), seat=None))


def case_of(deck: Deck, task: Task) -> Case:
    """Return all that is known of a task now."""
    store, settings = deck.store, deck.settings
    pace_ms = store.pace_ms()
    case = Case(
        task,
        resolve(task.spec),
        store.now_ms(),
        node=_node(store, task),
        events=tuple(_events(store, task)),
        interval_ms=pace_ms,
        lost_ms=pace_ms * settings.lost_intervals,
    )
    if case.node is not None and case.node.held:
        case = replace(case, brake=store.brake())
    return _waiting(deck, case) if task.state is State.PENDING else case


def _waiting(deck: Deck, case: Case) -> Case:
    """Add the fleet as the task sees it, and its place among those that wait."""
    seen = _seen(deck, replace(case, need=need_of(case.task, case.spec, now_ms=case.now_ms)))
    assert seen.need is not None
    assert seen.fleet is not None
    refusal = refuse(seen.need, seen.fleet)
    around = _circle(deck.store, case.task, seen.fleet) if refusal.reason.code is Code.NEAR else ()
    return replace(seen, refusal=refusal, queue=deck.store.queue_of(case.task), circle=around)


def _circle(store: ManagerStore, task: Task, fleet: Fleet) -> tuple[Task, ...]:
    """Return the tasks of the circle in which the task waits for ever, if it does."""
    waiting = store.waiting_near()
    seats = store.beside([node.name for node in fleet.nodes], sorted({str(one.spec["near"]) for one in waiting}))
    return chain(task, waiting, there={word for word, nodes in seats.items() if nodes})


def _seen(deck: Deck, case: Case) -> Case:
    """Add the fleet as the need of the case sees it."""
    assert case.need is not None
    fleet = fleet_of(deck.store, [case.need], deck.settings, moves_turn=False)
    return replace(case, fleet=replace(fleet, names={**fleet.names, case.task.id: case.task.name}))


def _node(store: ManagerStore, task: Task) -> Node | None:
    try:
        return store.node(task.node) if task.node and task.state not in ENDED else None
    except NodeNotFound:
        return None


def _events(store: ManagerStore, task: Task) -> list[Event]:
    """Return the events that say where the latest attempt's time went, or who had it stopped."""
    current = task.attempts[-1] if task.attempts else None
    if task.state in PLACED and current and current.assigned_ms is not None:
        up = max(task.healthy_ms or 0, task.started_ms or 0) or store.now_ms()
        return store.events_between(task.id, from_ms=current.assigned_ms, to_ms=up)
    if task.state is State.COMPLETED and task.ended_ms is not None:
        ended = task.ended_ms
        return store.events_between(task.id, from_ms=ended - STOP_MS, to_ms=ended, newest=True)
    return []
