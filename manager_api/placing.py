"""Give waiting tasks to nodes: what the request that submits them does, and the loops after it.

Placement is optimistic: it looks at the fleet once, and `assign` checks each choice again. What another
scheduler took meanwhile is chosen anew from a fresh look.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from ormen.groups import group_of
from ormen.node import Node
from ormen.reasons import Code
from ormen.scheduler.explanation import Refusal
from ormen.scheduler.neighbours import words_of
from ormen.scheduler.order import in_order
from ormen.scheduler.placement import place
from ormen.scheduler.survey import Survey
from ormen.scheduler.values import Fleet, Need, Placement, Taken
from ormen.schema import resolve
from ormen.settings import Settings
from ormen.spec import NO_RULES, Spec
from ormen.store.manager import ManagerStore
from ormen.store.orders import Assigned, Assignment, Wait
from ormen.store.picture import Look
from ormen.task import State, Task, Wanted

ROUNDS = 4
"""How often a task whose room another scheduler took is chosen anew before it waits."""

LOOK_AGAIN_MS = 5000
"""When a task that fits nowhere is looked at again, should nothing be freed before."""

LOOK_SOON_MS = 1000
LOOK_SOON = frozenset({Code.NODE_SUSPECT, Code.NODE_LOST, Code.NEAR})
"""The same for what ends and tells nobody: a silent node speaks again, or the task that it is to be near is placed."""

HOME_AGAIN = frozenset(
    {
        Code.EXIT,
        Code.OOM,
        Code.INTERRUPTED,
        Code.HEALTH_HTTP,
        Code.HEALTH_TCP,
        Code.HEALTH_COMMAND,
        Code.RESTARTED,
        Code.CLUSTER_DOWN,
        Code.NODE_LOST,
    }
)
"""Ends after which the same node is preferred: its image is there, or even the container (a node that returned)."""

_turn = random.Random(os.getpid())

_surveys: WeakKeyDictionary[ManagerStore, Survey] = WeakKeyDictionary()
"""What each store's fleet was like when somebody placed last: most nodes are the same the next time."""


def place_tasks(
    store: ManagerStore,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    ring: Callable[[Mapping[str, Sequence[str]]], object],
    look: Look | None = None,
) -> dict[str, Task]:
    """Assign every task that fits, and note on each other why it waits. Tasks that need no node are left alone.

    Return the records, as they are then, of those that were given their first attempt.

    A higher priority has its turn first. A node is rung as it is given a task; `ring` is given those nodes that are to
    be rung beside, each with no task's name. `look` is the first, if somebody just looked.
    """
    unrung: dict[str, Sequence[str]] = {}
    refusals: dict[str, Refusal] = {}
    known = {task.id: task for task in tasks}
    open_tasks = [task for task in tasks if task.state is State.PENDING and task.wanted is Wanted.RUNNING]
    given: dict[str, Task] = {}
    if not open_tasks:
        return given
    began, races = time.monotonic(), 0
    for _ in range(ROUNDS):
        if not open_tasks:
            break
        answers, nodes = _choose(store, open_tasks, settings, look)
        look = None
        refusals |= {answer.key: answer for answer in answers if isinstance(answer, Refusal)}
        chosen = [answer for answer in answers if isinstance(answer, Assignment)]
        done = store.assign(chosen, nodes=nodes)
        given |= {
            a.task: a.given(known[a.task], assigned.at_ms)
            for a, assigned in zip(chosen, done, strict=True)
            if assigned.placed and assigned.detail == "1"
        }
        unrung |= {node: () for assigned in done for node in assigned.unrung}
        open_tasks = _lost_races(open_tasks, done)
        races += len(open_tasks)
    took_ms = round((time.monotonic() - began) * 1000)
    if unrung:
        ring(unrung)
    _defer(store, known, refusals)
    store.tally("placing", took_ms, races=races)
    return given


def _defer(store: ManagerStore, tasks: Mapping[str, Task], refusals: Mapping[str, Refusal]) -> None:
    """Note why tasks wait. What a record says already is not written again before it is due: room is freed often."""
    if not refusals:
        return
    now_ms, waits = store.now_ms(), []
    for task_id, refusal in refusals.items():
        task, soon = tasks[task_id], refusal.reason.code in LOOK_SOON
        same = task.reason == refusal.reason and task.could_fit == refusal.could_fit
        if not same or (task.next_try_ms or 0) <= now_ms:
            wait_ms = LOOK_SOON_MS if soon else LOOK_AGAIN_MS
            waits.append(Wait(task_id, task.attempt, refusal.reason, refusal.could_fit, wait_ms))
    store.defer(waits)


def fleet_of(
    store: ManagerStore,
    needs: Sequence[Need],
    settings: Settings,
    *,
    moves_turn: bool = True,
    explains: bool = True,
    look: Look | None = None,
) -> Fleet:
    """Return the fleet as it is now; host ports and who holds them are read only when a need asks for one.

    Round robin's turn is moved on by the needs, unless `moves_turn` is off: then nothing at all is written. Where it
    need not explain, it is not known why nodes take no tasks.
    """
    nodes = store.lean_nodes() if explains else store.open_nodes(look)
    survey = _surveys[store] = Survey.of(nodes, _surveys.get(store))
    taken = store.looked_ports() if any(need.ports for need in needs) else {}
    asked = {f"{port.host}/{port.protocol}" for need in needs for port in need.ports if port.host}
    clashing = _holders(taken) if asked and any(not asked.isdisjoint(ports) for ports in taken.values()) else set()
    if any(need.gpu_ids for need in needs):
        clashing |= {task_id for node in nodes for task_id in node.lent.values()}
    known = store.read(clashing) if clashing else {}
    return Fleet(
        nodes=survey.nodes,
        survey=survey,
        taken=taken,
        strategy=settings.strategy,
        turn=_turn_of(store, needs, settings, moves=moves_turn),
        binds=survey.binds,
        names={task_id: task.name for task_id, task in known.items() if task},
        beside=store.beside(list(survey.index), sorted(set().union(*map(words_of, needs)))),
        apart=store.looked_apart(),
    )


def _holders(taken: Taken) -> set[str]:
    return {task_id for ports in taken.values() for held in ports.values() for _, task_id in held}


def _turn_of(store: ManagerStore, needs: Sequence[Need], settings: Settings, *, moves: bool) -> int:
    """Return where ties begin: for round robin after the last request's, whichever process that was, else anywhere."""
    if any((need.strategy or settings.strategy) == "roundrobin" for need in needs):
        return store.next_turn(len(needs) if moves else 0)
    return _turn.randrange(1 << 30)


def need_of(task: Task, spec: Spec, *, now_ms: int) -> Need:
    """Return what the next attempt of a task asks of a node."""
    volume = next((volume.name for volume in spec.volumes if volume.name), None)
    home = next((attempt.node for attempt in task.attempts if attempt.started_ms), None) if volume else None
    code = _last_end(task)
    prefer = task.node if code in HOME_AGAIN or task.seat else None
    avoid = {node for node, until in task.avoid.items() if until > now_ms}
    if code is Code.NODE_LOST and task.node:
        avoid.discard(task.node)
    return Need(
        key=task.id,
        resources=spec.resources,
        ports=spec.ports,
        constraints=spec.constraints,
        strategy=spec.strategy,
        prefer=prefer,
        avoid=frozenset(avoid),
        pinned=home,
        seat=task.seat,
        volume=volume if home else None,
        gpu_ids=spec.gpus if isinstance(spec.gpus, tuple) else (),
        gpus_before=task.gpus,
        priority=spec.priority,
        name=task.name,
        group=group_of(task.name, task.spec),
        rules=spec.rules,
    )


def _last_end(task: Task) -> Code | None:
    """Return why the last attempt ended; the record's own reason may tell by now why the task waits since."""
    says = task.reason.code if task.reason else None
    ended = task.attempts[-1].reason if task.attempts else None
    return says if ended is None or says is Code.RESTARTED else ended.code


def _choose(
    store: ManagerStore, tasks: Sequence[Task], settings: Settings, look: Look | None
) -> tuple[list[Assignment | Refusal], int]:
    """Return what is best for each task in a fresh look at the fleet, and of how many nodes that is."""
    now_ms = store.now_ms() if any(task.avoid for task in tasks) else 0
    needs = in_order([need_of(task, resolve(task.spec), now_ms=now_ms) for task in tasks])
    fleet = fleet_of(store, needs, settings, explains=False, look=look)
    if any(need.ports for need in needs):
        # A task of this list may be what stands in the way of the next.
        fleet = replace(fleet, names={**fleet.names, **{task.id: task.name for task in tasks}})
    found = place(needs, fleet)
    if any(isinstance(answer, Refusal) for answer in found) and not all(node.takes_tasks for node in fleet.nodes):
        nodes = fleet_of(store, needs, settings, moves_turn=False)
        fleet = replace(fleet, nodes=nodes.nodes, survey=nodes.survey)
        found = place(needs, fleet)
    known, asked = {task.id: task for task in tasks}, {need.key: need for need in needs}
    answers = [
        answer
        if isinstance(answer, Refusal)
        else _assignment(known[answer.key], asked[answer.key], answer, _node_of(answer, fleet))
        for answer in found
    ]
    return answers, len(fleet.nodes)


def _node_of(placement: Placement, fleet: Fleet) -> Node:
    assert fleet.survey is not None
    return fleet.nodes[fleet.survey.index[placement.node]]


def _assignment(task: Task, need: Need, placement: Placement, node: Node) -> Assignment:
    return Assignment(
        task=task.id,
        node=node.name,
        address=node.address,
        ports=placement.ports,
        gpus=placement.gpus,
        placement=placement.to_json(),
        text=f"attempt {task.attempt + 1} on {placement.sentence()}",
        group=need.group,
        rules=need.rules or NO_RULES,
        name=task.name,
    )


def _lost_races(tasks: Sequence[Task], done: Sequence[Assigned]) -> list[Task]:
    again = {assigned.task for assigned in done if assigned.code not in ("OK", "STATE")}
    return [task for task in tasks if task.id in again]
