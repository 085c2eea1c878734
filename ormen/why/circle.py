"""Tasks that are each to be near the next, all round: none of them can be the first to have a node."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ormen.groups import group_of
from ormen.reasons import Code
from ormen.scheduler.words import listed
from ormen.task import Task
from ormen.why.case import Case, Fix, Story

SHOWN = 6
"""So many links of a chain are all told."""


def chain(task: Task, waiting: Sequence[Task], *, there: Collection[str]) -> tuple[Task, ...]:
    """Return `task` and those that it waits for one after the other, up to where they come round; empty if they do not.

    `waiting` are the tasks that have no node and are to be near another. `there` are the names and groups of which
    some task has a node: who is to be near one of them can be placed, and whoever waits for that one after it.
    """
    known = {one.id: one for one in waiting} | {task.id: task}
    wanted = {key: _named(str(one.spec["near"]), known.values()) for key, one in known.items()}
    stuck = {key for key, one in known.items() if wanted[key] and one.spec["near"] not in there}
    while loose := {key for key in stuck if not stuck.issuperset(wanted[key])}:
        stuck -= loose
    found: list[Task] = []
    at: str | None = task.id if task.id in stuck else None
    while at is not None and known[at] not in found:
        found.append(known[at])
        at = wanted[at][0]
    return tuple(found)


def _named(word: str, tasks: Collection[Task]) -> list[str]:
    """Return the ids of the tasks that a word names, by name or by group."""
    return [one.id for one in tasks if word in (one.name, group_of(one.name, one.spec))]


def story(case: Case) -> Story:
    """Return that the tasks of the case's circle wait for each other for ever, and what ends it."""
    name, links = case.task.name, [f"{one.name} is to be near {one.spec['near']}" for one in case.circle]
    links[0] = f"it{links[0].removeprefix(name)}"
    said = listed(links, most=SHOWN, noun="tasks are each to be near the next, all round")
    end = f"so {'neither' if len(links) == 2 else 'none of them'} can be placed first"
    if len(links) == 1:
        end = "which is itself"
    free = case.circle[-1].name
    fix = Fix(f"let one of them be free: ormen rm {free}, then run it without near")
    more = {"could_fit": "never"}
    return Story(Code.NEAR, f"{name} waits for ever: {said}, {end}.", (fix,), more)
