"""Lesson 17. Priority: who is placed first when not all can be."""

from __future__ import annotations

from manager_api import submission
from ormen.schema import load_submission
from ormen.task import State, Task
from tests.fundamentals.world import World


def waits(world: World, name: str, **spec: object) -> Task:
    """Submit a task that takes a whole node, while there is none free."""
    task = world.submit(name, cpu=4, **spec)
    assert task.state is State.PENDING
    return task


def first(world: World, *tasks: Task) -> list[str]:
    """The names of those that have a node now."""
    return [task.name for task in tasks if world.now(task).state is State.SCHEDULED]


def test_freed_room_goes_to_the_highest_priority(world: World) -> None:
    """Whoever has waited longer: 80 goes before the usual 50, and that before 20; the others wait on."""
    sailor = world.sailor("node-1")
    holder = world.run("holder", cpu=4)
    low, usual, high = waits(world, "low", priority=20), waits(world, "usual"), waits(world, "high", priority=80)
    for expected in ("high", "usual", "low"):
        submission.stop(world.deck, world.now(holder))
        sailor.look_into_inbox()
        world.loops.place(())
        assert first(world, low, usual, high) == [expected]
        holder = next(task for task in (low, usual, high) if task.name == expected)


def test_among_equals_the_oldest_is_first(world: World) -> None:
    """Also where its last look was later than that of the younger one."""
    old, young = waits(world, "old"), waits(world, "young")
    world.store.client.zadd(world.store.keys.pending, {old.id: world.store.now_ms() + 4000, young.id: 1})
    world.sailor("node-1")
    world.loops.place(())
    assert first(world, old, young) == ["old"]


def test_a_list_is_placed_by_priority_and_answered_in_order(world: World) -> None:
    """Of one request that does not fit as a whole the highest has its turn first; a plan says the same."""
    world.sailor("node-1")
    body = [{"name": f"p{n}", "image": "nginx", "cpu": 4, "priority": n} for n in (10, 90, 50)]
    items = load_submission(body, policy=world.deck.policy, new_id=iter(("1", "2", "3")).__next__).items
    tasks = submission.submit(world.deck, items)
    assert [(task.name, task.state.value) for task in tasks] == [
        ("p10", "pending"),
        ("p90", "scheduled"),
        ("p50", "pending"),
    ]


def test_a_look_that_is_due_passes_over_no_higher_one(world: World) -> None:
    """Should the ring for freed room be lost, the scan takes those of a higher priority along, due or not."""
    low, high = waits(world, "low", priority=20), waits(world, "high", priority=80)
    world.store.client.zadd(world.store.keys.pending, {low.id: 1, high.id: world.store.now_ms() + 4000})
    world.sailor("node-1")
    world.loops.liveness()
    assert first(world, low, high) == ["high"]


def test_a_pause_is_not_cut_short_by_priority(world: World) -> None:
    """What waits for its own next attempt is not looked at before its time."""
    sailor = world.sailor("node-1")
    high = world.run("high", cpu=4, priority=80, restart="always")
    for _ in range(2):
        sailor.engine.exit(high.container_name, 1)
        world.settle(high)
    assert world.now(high).state is State.PENDING
    low = waits(world, "low", priority=20)
    world.store.client.zadd(world.store.keys.pending, {low.id: 1})
    world.loops.liveness()
    assert first(world, low, high) == []


def test_nothing_stays_in_the_queue(world: World) -> None:
    """Whatever ends the wait takes the task out of the index."""
    stopped, removed = waits(world, "a", priority=0), waits(world, "b", priority=100)
    submission.stop(world.deck, stopped)
    submission.remove(world.deck, removed, force=False)
    world.sailor("node-1")
    world.run("c", priority=70)
    assert world.store.client.zcard(world.store.keys.waiting) == 0


def test_a_tasks_place_is_kept_over_looks_and_retries(world: World) -> None:
    """Neither a look in vain nor a retry moves it back behind younger ones."""
    task = waits(world, "a", priority=70)
    rank = world.store.client.zscore(world.store.keys.waiting, task.id)
    assert rank == (100 - 70) * 1e13 + task.created_ms
    submission.retry(world.deck, world.now(task))
    world.wait_over(task)
    world.loops.reschedule()
    assert world.store.client.zscore(world.store.keys.waiting, task.id) == rank
