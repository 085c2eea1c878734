"""``PATCH /v1/tasks/{t}``: change a task that is there, whole or not at all."""

from __future__ import annotations

from manager_api import submission
from manager_api.submission import Deck
from ormen import messages
from ormen.changes import Change, change_of
from ormen.errors import Busy, NoRoom, TaskNotFound
from ormen.store.changing import Lack, asked
from ormen.store.conflicts import Clash
from ormen.store.orders import Changed
from ormen.task import State, Task
from ormen.units import format_cores, format_size

TRIES = 8
"""How often a change is made anew because another was written first."""


def update(deck: Deck, task: Task, patch: object) -> Task:
    """Change the task and ring its node; return its record as it is then.

    Raises InvalidSpec with every fault, NameTaken, NoRoom with the amounts, and TaskNotFound for one that is gone
    meanwhile; nothing is changed then.
    """
    for _ in range(TRIES):
        change = change_of(task.name, task.spec, patch)
        if change is None:
            return task
        done = deck.store.change(task, change, by=deck.by)
        if done.taken:
            raise deck.store.conflict(Clash("NAME_TAKEN", change.name, task.id, done.taken))
        if done.lack:
            raise _no_room(task, change, done.lack)
        if done.state and not done.stale:
            changed = Changed(State(done.state), (done.node,) if done.ring else (), done.room, done.due)
            return submission.after(deck, task, changed, kind=messages.RUN)
        now = deck.store.task(task.id)
        if now is None:
            raise TaskNotFound(f'no task "{task.name}"', near=[])
        task = now
    raise Busy(f"{task.name} is being changed by others; nothing was changed", hint="try again")


def _no_room(task: Task, change: Change, lack: Lack) -> NoRoom:
    amount, noun = asked(change.spec.resources, lack.what), "cpu" if lack.what == "cpu" else "of memory"
    show = format_cores if lack.what == "cpu" else format_size
    return NoRoom(
        f"{task.name} cannot have {show(amount)} {noun}: {lack.node} has {show(max(lack.free, 0))} for it;"
        " nothing was changed",
        hint=f"ask less, or run it anew where there is more: ormen rm --force {task.name}",
        task=task.id,
        node=lack.node,
    )
