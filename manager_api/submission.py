"""What the deck does with a request, on one screen: store, place, ring; stop, restart, retry, remove.

Every function returns when the change is in the store and the doorbells have been rung. A ring that is lost costs
a second, never a task: the store is the truth, and agents and loops look by themselves.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from manager_api.placing import place_tasks
from ormen import messages
from ormen.errors import NameTaken, StoreUnavailable
from ormen.image_pin import pin_id
from ormen.node import Node
from ormen.policy import Policy
from ormen.ringer import Ringer
from ormen.schema import Item, default_name
from ormen.settings import Settings
from ormen.store.manager import ManagerStore
from ormen.store.orders import Changed, Created, NewTask
from ormen.store.picture import Look
from ormen.store.records import kept, spec_id
from ormen.store.redis import AnotherCluster
from ormen.task import State, Task, Wanted

DIGEST_LENGTH = 10
"""How much of the hash stands in a container's name: enough that ids with a long common prefix differ."""


LONGER_NAMES = (None, 8, 16, 32)
"""Digits of the id that a default name is given, one after the other, while it is taken; None: as it was made."""

CROWD = 100
"""Beyond so many specs of one request four digits are most likely taken: among 1,000 tasks it is four times in five."""


@dataclass(frozen=True, slots=True)
class Deck:
    """What a request needs of its process. `by` is who asks, the name of a token, where that is known."""

    store: ManagerStore
    ringer: Ringer
    settings: Settings
    policy: Policy
    by: str = ""


def submit(deck: Deck, items: Sequence[Item]) -> list[Task]:
    """Store tasks, all or none, place them at once, and ring their nodes; return their records in order.

    Repeating it with the same ids and content changes nothing. Raises IdTaken, NameTaken, and StoreUnavailable with
    `task`, the id by which the request can be repeated.
    """
    try:
        new, created = _store(deck.store, items, by=deck.by)
        before = deck.store.read(created.known) if created.known else {}
        given = _place(deck, [*new, *(task for task in before.values() if task)], look=created.look)
        known = {task.id: given[task.id] for task in new if task.id in given}
        stored = known | deck.store.read([item.id for item in items if item.id not in known])
    except StoreUnavailable as fault:
        raise StoreUnavailable(
            f"{fault.sentence}; whether the task was stored is not known",
            hint="repeat the request with this id: that is safe; running containers go on",
            task=items[0].id,
        ) from fault
    return [task for item in items if (task := stored[item.id])]


def _store(store: ManagerStore, items: Sequence[Item], *, by: str) -> tuple[list[Task], Created]:
    """Store all items or none; return what was new, and what the store says.

    A default name that is taken grows by digits of its id: nobody chose it. Those of a crowd have more from the start.
    """
    chosen = all(item.raw.get("name") for item in items)
    crowd = len(items) > CROWD and all(item.raw.get("count") is None for item in items)
    for digits in LONGER_NAMES[crowd:-1]:
        try:
            return _create(store, [_longer_name(item, digits) for item in items], by=by)
        except NameTaken:
            if chosen:
                raise
    return _create(store, [_longer_name(item, LONGER_NAMES[-1]) for item in items], by=by)


def _create(store: ManagerStore, items: Sequence[Item], *, by: str) -> tuple[list[Task], Created]:
    try:
        return _create_in(store.known_cluster(), store, items, by=by)
    except AnotherCluster:
        return _create_in(store.cluster(), store, items, by=by)


def _create_in(cluster: str, store: ManagerStore, items: Sequence[Item], *, by: str) -> tuple[list[Task], Created]:
    named, specs = _specs(items)
    new = [
        NewTask(
            item.id,
            item.name,
            spec,
            item.digest,
            container_name(cluster, item),
            item.spec.resources,
            _milliseconds(item.spec.deadline.wait_s),
            item.spec.priority,
            pin_id(items[0].id, item.spec.image, pull=item.spec.pull),
        )
        for spec, item in zip(named, items, strict=True)
    ]
    created = store.create(new, specs, by=by, cluster=cluster)
    stored = [task.waiting(specs[task.spec_id], created.at_ms[task.id]) for task in new if task.id not in created.known]
    return stored, created


def _specs(items: Sequence[Item]) -> tuple[list[str], dict[str, Mapping[str, Any]]]:
    """Return under which id the spec of each item is stored, and what is stored under each."""
    # A task's id may be given anew while other tasks still have the spec, so a spec has an id of its own.
    ids: defaultdict[object, str] = defaultdict(spec_id)
    named = [ids[_alike(item)] for item in items]
    return named, {name: kept(item.raw, item.id, item.name) for name, item in zip(named, items, strict=True)}


def _alike(item: Item) -> object:
    """Return what is the same of items that have one spec as it is `kept`."""
    given = item.raw.get("id"), item.raw.get("name")
    if given[0] in (None, item.id) and given[1] in (None, item.name):
        return item.like, given[0] is None, given[1] is None
    # Copies of a `count`, or an id that is not written as ours are.
    return id(item.raw)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _longer_name(item: Item, digits: int | None) -> Item:
    if digits is None or item.raw.get("name"):
        return item
    return replace(item, name=default_name(item.spec.image, item.id, digits=digits))


def container_name(cluster: str, item: Item) -> str:
    """Return the fixed name of a task's container: Docker's own refusal of a name in use is the mutex.

    The hash is of cluster and id, since ids may share a long prefix and two clusters may share an engine.
    """
    digest = hashlib.sha256(f"{cluster} {item.id}".encode()).hexdigest()
    return f"{item.name}.{digest[:DIGEST_LENGTH]}"


def stop(deck: Deck, task: Task) -> Task:
    """Want a task stopped; it is completed once its container is gone or exited."""
    return after(deck, task, deck.store.stop(task, by=deck.by), kind=messages.STOP)


def restart(deck: Deck, task: Task) -> Task:
    """Want a new attempt: of a running task after its container is stopped, of an ended one at once."""
    return after(deck, task, deck.store.restart(task), kind=messages.STOP)


def retry(deck: Deck, task: Task) -> Task:
    """Cut a pending task's wait short, or try a failed one again."""
    return after(deck, task, deck.store.retry(task), kind=messages.RUN)


def remove(deck: Deck, task: Task, *, force: bool) -> None:
    """Forget a task, and with `force` stop it first; raises StillRunning without."""
    changed = deck.store.remove(task, force=force)
    deck.ringer.ring_nodes({node: [task.name] for node in changed.ring}, kind=messages.STOP)
    if changed.room:
        deck.ringer.ring_control([])


def drain(deck: Deck, node: str, *, by: str, why: str | None) -> Node:
    """Give a node nothing more, and want each of its tasks stopped there and started elsewhere."""
    marked = deck.store.mark_node(node, mode="draining", by=by, why=why)
    moved = deck.store.drain(node)
    if moved:
        ring_node(deck, node, moved)
    return marked


def activate(deck: Deck, node: str, *, by: str) -> Node:
    """Let a node take tasks again; whatever waits for room is looked at once more."""
    marked = deck.store.mark_node(node, mode="active", by=by, why=None)
    deck.ringer.ring_control([])
    return marked


def forget(deck: Deck, node: str) -> None:
    """Remove a node that is lost or holds nothing; whatever waited for it is placed by the loops."""
    deck.store.node(node)
    deck.store.forget_node(node)
    deck.ringer.ring_control([])


def ring_node(deck: Deck, node: str, names: Sequence[str]) -> None:
    """Ring one node's agent."""
    deck.ringer.ring_nodes({node: list(names)})


def after(deck: Deck, task: Task, changed: Changed, *, kind: str) -> Task:
    """Ring whom a change concerns, place what it made due, and return the task's record as it is then."""
    if changed.ring:
        deck.ringer.ring_nodes({node: [task.name] for node in changed.ring}, kind=kind)
    if changed.room:
        deck.ringer.ring_control([])
    now = deck.store.read([task.id])[task.id]
    if changed.due and now is not None:
        _place(deck, [now])
        now = deck.store.read([task.id])[task.id]
    return now or replace(task, state=State.COMPLETED, wanted=Wanted.REMOVED)


def _place(deck: Deck, tasks: Sequence[Task], *, look: Look | None = None) -> dict[str, Task]:
    return place_tasks(deck.store, tasks, deck.settings, ring=deck.ringer.ring_nodes, look=look)
