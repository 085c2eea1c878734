"""Lesson 18. Neighbours: how many of a group on a node, near to whom, far from whom, and evenly over what."""

from __future__ import annotations

from collections import Counter
from typing import Any

from manager_api import submission
from ormen.reasons import Code
from ormen.schema import load_submission
from ormen.spec import Rules
from ormen.store.orders import Assignment
from ormen.task import State, Task
from tests.fundamentals.world import World, code_of


def copies(world: World, count: int, name: str = "web", **spec: Any) -> list[Task]:
    """Submit a task several times over."""
    body = {"name": name, "image": "nginx", "count": count, **spec}
    ids = iter(f"00000000-0000-4000-8000-{number:012}" for number in range(1000))
    items = load_submission(body, policy=world.deck.policy, new_id=lambda: next(ids)).items
    return submission.submit(world.deck, items)


def where(tasks: list[Task]) -> Counter[str | None]:
    """How many of the tasks are on each node."""
    return Counter(task.node for task in tasks)


def sailors(world: World, zones: str) -> None:
    """Let a node join for each letter, in that zone."""
    for number, zone in enumerate(zones, 1):
        world.sailor(f"node-{number}", zone=zone)


def force(world: World, task: Task, node: str, rules: Rules) -> str:
    """Give a pending task to a node as a scheduler that does not know better would; return what became of it."""
    group = task.name.rpartition("-")[0] or task.name
    (given,) = world.store.assign([Assignment(task.id, node, "10.0.0.1", (), {}, "placed", group=group, rules=rules)])
    return given.code


def test_a_node_has_at_most_so_many_of_a_group(world: World) -> None:
    """The copies beyond wait and say why; whoever numbered them, web-9 is one of them."""
    sailors(world, "ab")
    tasks = copies(world, 3, max_per_node=1)
    assert where(tasks) == Counter({"node-1": 1, "node-2": 1, None: 1})
    waits = next(task for task in tasks if task.node is None)
    assert (code_of(waits), waits.could_fit) == (Code.MAX_PER_NODE, "later")
    assert waits.reason is not None
    assert waits.reason.sentence == (
        "Both nodes that take tasks have 1 task of web already; max_per_node allows no more."
    )
    assert code_of(world.submit("web-9", max_per_node=1)) is Code.MAX_PER_NODE
    assert world.submit("web-10").node is not None, "who sets no limit has none"


def test_a_seat_that_is_given_back_is_anothers(world: World) -> None:
    """As soon as one of the group is gone the next that waits takes its place."""
    sailors(world, "a")
    first, second = copies(world, 2, max_per_node=1)
    world.settle(first)
    submission.stop(world.deck, world.now(first))
    world.settle(second)
    assert world.now(second).state is State.RUNNING


def test_a_pause_keeps_its_place_for_its_own_task(world: World) -> None:
    """A task that crashes goes back to its node although it has one of the group there: itself."""
    sailors(world, "a")
    task = world.run("web-1", restart="always", max_per_node=1)
    for _ in range(2):
        world.sailors[0].engine.exit(task.container_name, 1)
        world.settle(task)
    assert code_of(world.submit("web-2", max_per_node=1)) is Code.MAX_PER_NODE
    submission.retry(world.deck, world.now(task))
    assert world.settle(task).state is State.RUNNING


def test_the_store_itself_refuses_one_too_many(world: World) -> None:
    """However the scheduler came to it: `assign` counts what is there now."""
    sailors(world, "ab")
    world.submit("web-1", constraints=["node=node-1"], max_per_node=1)
    second = world.submit("web-2", cpu=4, max_per_node=1, constraints=["node=node-9"])
    assert force(world, second, "node-1", Rules(most=1)) == "MAX_PER_NODE"
    assert force(world, second, "node-1", Rules(most=2)) == "FIT"
    assert force(world, second, "node-2", Rules(most=1)) == "OK"


def test_the_store_itself_knows_near_and_far(world: World) -> None:
    """By a group's name as by a task's own, wherever its seat is in the moment of the write."""
    sailors(world, "ab")
    world.submit("db-1", constraints=["node=node-1"])
    task = world.submit("batch", constraints=["node=node-9"])
    for word in ("db", "db-1"):
        assert force(world, task, "node-2", Rules(near=word)) == "NEAR"
        assert force(world, task, "node-1", Rules(far=word)) == "FAR"
    assert force(world, task, "node-1", Rules(near="db-1")) == "OK"


def test_a_group_is_spread_evenly_over_a_label(world: World) -> None:
    """Two of three nodes are in zone a, and yet each zone has half of the tasks, also those that come later."""
    sailors(world, "aab")
    where_to = where(copies(world, 4, spread="zone"))
    assert (where_to["node-1"], where_to["node-2"], where_to["node-3"]) == (1, 1, 2)
    more = [world.submit(f"web-{number}", spread="zone") for number in (5, 6)]
    assert Counter(world.node(str(task.node)).labels["zone"] for task in more) == Counter("ab")


def test_a_spread_gives_way_to_room(world: World) -> None:
    """It is a wish: when one zone is full the other takes the rest."""
    sailors(world, "ab")
    world.submit("big", cpu=4, constraints=["zone=b"])
    assert where(copies(world, 3, spread="zone")) == Counter({"node-1": 3})


def test_what_is_preferred_comes_before_the_cost(world: World) -> None:
    """The weights that are met add up; a negative one repels; where the best is full the next is taken."""
    sailors(world, "abc")
    wishes = [
        {"constraint": "zone=a", "weight": 80},
        {"constraint": "zone in (a,b)"},
        {"constraint": "zone=c", "weight": -9},
    ]
    tasks = [world.submit(f"t{number}", cpu=2, preferences=wishes) for number in range(5)]
    assert [task.node for task in tasks] == ["node-1", "node-1", "node-2", "node-2", "node-3"]
    assert tasks[0].placement is not None
    assert tasks[0].placement["suited"] == 1
    placed = next(event for event in world.store.events(task=tasks[0].id) if event.type == "task.placed")
    assert placed.sentence == "attempt 1 on node-1, best suited of 3 nodes that fit"


def test_near_waits_for_whom_it_is_near_to_and_goes_there(world: World) -> None:
    """Without it there is no place; in one request the other is placed first, whatever their order."""
    sailors(world, "abc")
    early = world.submit("proxy", near="cache")
    assert (code_of(early), early.reason and early.reason.sentence) == (
        Code.NEAR,
        "Is to be near cache, which is on no node.",
    )
    cache = world.submit("cache", constraints=["zone=b"])
    world.loops.place([early.id])
    assert world.now(early).node == cache.node == "node-2"
    body = [{"name": "b", "image": "nginx", "near": "a", "priority": 90}, {"name": "a", "image": "nginx"}]
    items = load_submission(body, policy=world.deck.policy, new_id=iter("xy").__next__).items
    first, second = submission.submit(world.deck, items)
    assert first.node == second.node is not None


def test_near_a_node_that_is_full_says_so(world: World) -> None:
    """Only that node will do, and what it lacks is named."""
    sailors(world, "ab")
    world.submit("cache", cpu=4, constraints=["zone=a"])
    waits = world.submit("proxy", near="cache", cpu=1)
    assert waits.reason is not None
    assert waits.reason.sentence == "No node has all it needs: cpu is short on node-1 and cache is missing on node-2."


def test_far_holds_for_both_whoever_comes_first(world: World) -> None:
    """Neither is placed where the other is, and the store refuses it, too."""
    sailors(world, "ab")
    db = world.submit("db", constraints=["zone=a"])
    far = world.submit("batch", far="db")
    assert (db.node, far.node) == ("node-1", "node-2")
    second = world.submit("db-2", constraints=["zone=b"])
    assert code_of(second) is Code.FAR
    assert second.reason is not None
    assert second.reason.sentence == "node-2 has a task that is to be far from it."
    assert force(world, second, "node-2", Rules()) == "FAR"
    submission.stop(world.deck, world.settle(far))
    world.settle(far)
    assert world.now(second).node == "node-2"


def test_a_sweep_leaves_the_counts_of_nodes_that_are_there(world: World) -> None:
    """The keys that it looks for are those of nodes, and a node's counts are none of another node."""
    sailors(world, "a")
    world.submit("web-1", max_per_node=1)
    world.store.sweep(*world.store.strays())
    assert code_of(world.submit("web-2", max_per_node=1)) is Code.MAX_PER_NODE


def test_nothing_is_counted_that_is_gone(world: World) -> None:
    """When all tasks have left, and a node is forgotten, no count is left either."""
    sailors(world, "ab")
    tasks = [world.run("db", constraints=["zone=a"]), world.run("batch", far="db"), world.run("web-1", max_per_node=2)]
    for task in tasks:
        submission.remove(world.deck, world.now(task), force=True)
        for sailor in world.sailors:
            sailor.look_into_inbox()
    assert [key for key in world.store.client.scan_iter("*") if key.endswith((":groups", ":apart"))] == []
