"""Lists of tasks on a real server: what a page costs does not depend on how many tasks have ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from ormen.node import Resources
from ormen.settings import Settings
from ormen.store import listing
from ormen.store.manager import ManagerStore
from ormen.store.orders import NewTask
from ormen.task import State, Task

NEED = Resources(1000, 0, 0)


@pytest.fixture
def deck(settings: Settings) -> ManagerStore:
    """The manager's side."""
    return ManagerStore.connect(settings, "test-deck")


def create(deck: ManagerStore, first: int, count: int, name: str = "", **spec: Any) -> list[Task]:
    """Store tasks with these numbers in their ids; all have one time of creation, or nearly."""
    ids = [str(UUID(int=number)) for number in range(first, first + count)]
    new = [NewTask(each, name or f"t-{each[-4:]}", f"spec-{first}", "d", f"c-{each[-4:]}", NEED) for each in ids]
    deck.create(new, {f"spec-{first}": {"image": "nginx", **spec}})
    return [task for task in deck.read(ids).values() if task]


def end(deck: ManagerStore, first: int, count: int, name: str = "", **spec: Any) -> list[Task]:
    """Store tasks and stop each, so that it has ended."""
    found = create(deck, first, count, name, **spec)
    for task in found:
        deck.stop(task)
    return found


def pages(deck: ManagerStore, limit: int, **query: Any) -> Iterator[list[str]]:
    """Yield the ids of page after page."""
    cursor = None
    while True:
        page, cursor = deck.tasks(limit=limit, cursor=cursor, **query)
        yield [task.id for task in page]
        if cursor is None:
            return


def calls(deck: ManagerStore, command: str) -> int:
    """How often the server has run a command since it started."""
    stats: dict[str, int] = deck.client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})
    return stats["calls"]


def ids(tasks: list[Task]) -> list[str]:
    """The ids, the highest first: the order of a list whose tasks have one time."""
    return sorted((task.id for task in tasks), reverse=True)


def test_a_page_by_state_reads_no_record_of_another_state(deck: ManagerStore) -> None:
    """What runs or waits is found behind any number of tasks that have ended."""
    waits = create(deck, 0, 5)
    end(deck, 100, 300)
    before = calls(deck, "hgetall")
    assert [task.id for task in deck.tasks(states=[State.PENDING], limit=2)[0]] == ids(waits)[:2]
    assert calls(deck, "hgetall") - before == 3


def test_a_page_by_name_reads_no_record_of_another_name(deck: ManagerStore) -> None:
    """All runs of one job are found by it, the newest first, the one that lives among them."""
    runs = [end(deck, number, 1, "nightly")[0] for number in range(1, 6)]
    end(deck, 100, 300)
    runs.append(create(deck, 6, 1, "nightly")[0])
    before = calls(deck, "hgetall")
    found = list(pages(deck, 2, name="nightly"))
    newest = sorted(runs, key=lambda task: (task.created_ms, task.id), reverse=True)
    assert [task for page in found for task in page] == [task.id for task in newest]
    assert calls(deck, "hgetall") - before <= 3 * 3


def test_a_page_by_label_looks_at_so_many_tasks_and_says_where_the_next_begins(
    deck: ManagerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request never walks through all that have ended; page after page finds every task once."""
    monkeypatch.setattr(listing, "SIFTED", 20)
    monkeypatch.setattr(listing, "LOOKED", 60)
    rare = create(deck, 0, 5, labels={"app": "shop"})
    end(deck, 100, 290, labels={"app": "job", "for": "shop"})
    # The first call of a script finds it unknown, and counts twice.
    deck.tasks(labels=["none=such"])
    before = calls(deck, "evalsha"), calls(deck, "hgetall")
    page, cursor = deck.tasks(labels=["app=shop"])
    assert (page, cursor is None) == ([], False)
    assert (calls(deck, "evalsha") - before[0], calls(deck, "hgetall") - before[1]) == (3, 60)
    assert [task for page in pages(deck, 2, labels=["app=shop"]) for task in page] == ids(rare)


@pytest.mark.parametrize(
    ("labels", "count"), [(["app"], 4), (["app=a"], 3), (["app!=a"], 3), (["app=a", "tier!=x"], 1), (["a=app"], 0)]
)
def test_the_sieve_keeps_whatever_a_selector_admits(deck: ManagerStore, labels: list[str], count: int) -> None:
    """It is coarser than the selectors, never finer; a word elsewhere in a spec is no label."""
    create(deck, 0, 2, labels={"app": "a", "tier": "x"}), create(deck, 10, 1, labels={"app": "a"})
    create(deck, 20, 1, labels={"app": "ä"}), create(deck, 30, 2, env={"app": "a"})
    assert len(deck.tasks(labels=labels)[0]) == count
    assert len(deck.tasks(labels=["app=ä"])[0]) == 1


def test_pages_go_on_where_the_last_task_was_removed(deck: ManagerStore) -> None:
    """A cursor names a place, also among the many tasks of one moment, and needs no task there."""
    found = create(deck, 0, 100)
    page, cursor = deck.tasks(limit=40)
    deck.remove(page[-1], force=True)
    rest, _ = deck.tasks(limit=100, cursor=cursor)
    assert [task.id for task in page + rest] == ids(found)


def test_a_task_changes_the_list_with_its_state(deck: ManagerStore) -> None:
    """It is in exactly one state's list, at the place of its creation."""
    old, young = create(deck, 0, 1)[0], create(deck, 1, 1)[0]
    deck.stop(old)
    assert [task.id for task in deck.tasks()[0]] == [young.id, old.id]
    assert [task.id for task in deck.tasks(states=[State.COMPLETED])[0]] == [old.id]
    deck.remove(old, force=False)
    assert [task.id for task in deck.tasks()[0]] == [young.id]
