"""Lesson 14. The brake: many nodes that fall silent together are more likely cut off than dead."""

from __future__ import annotations

import pytest

from ormen.errors import NotBraked
from ormen.node import NodeState
from ormen.reasons import Code
from ormen.task import State, Task
from tests.fundamentals.world import World, code_of

CUT_OFF = ("node-1", "node-2", "node-3")


def harbour(world: World, nodes: int = 5) -> list[Task]:
    """So many nodes with a task on each: ``t1`` runs on ``node-1`` and so on."""
    for number in range(1, nodes + 1):
        world.sailor(f"node-{number}")
    return [world.run(f"t{number}", constraints=[f"node in (node-{number},spare)"]) for number in range(1, nodes + 1)]


def cut(world: World, *nodes: str, seconds: int = 60) -> None:
    """Let nodes have been silent for so long, and tick liveness."""
    for node in nodes:
        world.silence(node, seconds=seconds)
    world.loops.liveness()


def tick(world: World, *, later_ms: int = 0) -> None:
    """Tick liveness once more, as if what the brake remembers had happened so much earlier."""
    if later_ms:
        key = world.store.keys.brake
        for field in ("on", "ease"):
            if world.store.client.hexists(key, field):
                world.store.client.hincrby(key, field, -later_ms)
        for node in world.store.client.zrange(world.store.keys.losses, 0, -1):
            world.store.client.zincrby(world.store.keys.losses, -later_ms, node)
    world.store.client.hset(world.store.keys.loops, "liveness:began", world.store.now_ms() - 900)
    world.loops.liveness()


def states(world: World, tasks: list[Task]) -> list[tuple[State, int]]:
    """State and attempt of each task now."""
    return [(world.now(task).state, world.now(task).attempt) for task in tasks]


KEPT = (State.RUNNING, 1)
MOVED = (State.PENDING, 1)


def test_the_tasks_of_a_mass_loss_stay(world: World) -> None:
    """Three of five fall silent at once: they are shown lost, nothing of theirs moves, and it is said."""
    tasks = harbour(world)
    cut(world, *CUT_OFF)
    assert [world.node(name).state for name in CUT_OFF] == [NodeState.LOST] * 3
    assert states(world, tasks) == [KEPT] * 5
    brake = world.store.brake()
    assert (brake.silent, brake.known, brake.nodes, brake.tasks) == (3, 5, CUT_OFF, 3)
    reason = world.node("node-1").state_reason
    assert reason is not None
    assert reason.code is Code.BRAKE
    told = [event.type for event in world.store.events() if event.type in ("brake.on", "node.lost")]
    assert told == ["brake.on", "node.lost", "node.lost", "node.lost"]


def test_whoever_is_judged_first_is_held_already(world: World) -> None:
    """A dying switch: one node is beyond its limit, the others only suspect; those count as gone."""
    tasks = harbour(world)
    world.silence("node-2", seconds=20)
    world.silence("node-3", seconds=20)
    cut(world, "node-1", seconds=31)
    assert world.node("node-1").state is NodeState.LOST
    assert world.node("node-2").state is NodeState.SUSPECT
    assert states(world, tasks) == [KEPT] * 5


def test_a_second_control_worker_does_not_slip_past(world: World) -> None:
    """The decision is made where the tasks are taken, not where the nodes were read."""
    tasks = harbour(world)
    world.silence("node-1")
    stale = world.node("node-1")
    world.silence("node-2", seconds=20)
    world.silence("node-3", seconds=20)
    assert world.loops._judge([stale]) == 0
    assert states(world, tasks) == [KEPT] * 5


@pytest.mark.parametrize(("nodes", "gone"), [(1, 1), (2, 2), (5, 2), (6, 3)])
def test_fewer_are_an_ordinary_loss(world: World, nodes: int, gone: int) -> None:
    """Less than three, or no more than half, are no mass loss: their tasks move."""
    tasks = harbour(world, nodes)
    cut(world, *(f"node-{number}" for number in range(1, gone + 1)))
    assert states(world, tasks) == [MOVED] * gone + [KEPT] * (nodes - gone)


def test_who_returns_keeps_what_it_has(world: World) -> None:
    """A node of a mass loss that speaks again goes on with its tasks: same attempt, same container."""
    tasks = harbour(world)
    cut(world, *CUT_OFF)
    for sailor in world.sailors[:3]:
        sailor.beat()
        sailor.look_at_everything()
    tick(world)
    after = [world.settle(task) for task in tasks]
    assert [(task.attempt, task.container_id) for task in after] == [(1, task.container_id) for task in tasks]
    assert not world.store.brake().on
    assert [event.type for event in world.store.events()][-1] in ("brake.off", "node.ready")


def test_the_rest_has_time_to_return_before_it_is_moved(world: World) -> None:
    """When so many are back that it is no mass loss any more, the others get once more the time of a lost node."""
    tasks = harbour(world)
    cut(world, *CUT_OFF)
    world.sailors[0].beat()
    tick(world)
    assert states(world, tasks) == [KEPT] * 5
    moves = world.store.brake().moves_ms
    assert moves is not None
    tick(world, later_ms=29_000)
    assert states(world, tasks) == [KEPT] * 5
    tick(world, later_ms=2000)
    assert states(world, tasks) == [KEPT, MOVED, MOVED, KEPT, KEPT]
    assert not world.store.brake().on


def test_a_mass_loss_holds_for_as_long_as_it_lasts(world: World) -> None:
    """That the nodes were there 30 s ago was true when it began; it does not run out, and newcomers do not end it."""
    tasks = harbour(world)
    cut(world, *CUT_OFF)
    for number in range(6, 10):
        world.sailor(f"node-{number}")
    for _ in range(3):
        tick(world, later_ms=3_600_000)
    assert states(world, tasks) == [KEPT] * 5


def test_losses_that_are_long_over_do_not_count(world: World) -> None:
    """Nodes that were lost one after the other, half a minute apart, are so many ordinary losses."""
    tasks = harbour(world)
    for number, name in enumerate(CUT_OFF):
        cut(world, name)
        assert world.now(tasks[number]).state is State.PENDING
        world.store.client.zincrby(world.store.keys.losses, -31_000, name)
        world.store.client.hset(world.store.keys.loops, "liveness:began", world.store.now_ms() - 900)


def test_losses_within_half_a_minute_add_up(world: World) -> None:
    """A network that dies slowly: the first two move, the third makes it a mass loss and stays."""
    tasks = harbour(world)
    for name in CUT_OFF:
        cut(world, name)
        world.store.client.hset(world.store.keys.loops, "liveness:began", world.store.now_ms() - 900)
    assert states(world, tasks) == [MOVED, MOVED, KEPT, KEPT, KEPT]


def test_a_release_moves_what_was_held(world: World) -> None:
    """An operator knows that the hosts are dead: their tasks are placed anew, and who said so is on record."""
    tasks = harbour(world)
    cut(world, *CUT_OFF)
    held = world.store.release_brake(by="ann", why="switch burnt")
    assert (held.tasks, held.nodes) == (3, CUT_OFF)
    tick(world)
    assert states(world, tasks) == [MOVED] * 3 + [KEPT] * 2
    text = next(event.sentence for event in world.store.events() if event.type == "brake.released")
    assert text == "released by ann: switch burnt; 3 tasks of 3 nodes are placed anew"


def test_a_release_is_for_one_mass_loss_only(world: World) -> None:
    """Who was silent then is not held again, who falls silent later is, if there are enough of them."""
    tasks = harbour(world, 9)
    world.silence("node-5", seconds=20)
    cut(world, "node-1", "node-2", "node-3", "node-4")
    world.store.release_brake(by="ann", why=None)
    tick(world)
    cut(world, "node-5", seconds=60)
    assert states(world, tasks)[:5] == [MOVED] * 5
    assert world.store.client.hincrby(world.store.keys.brake, "bar", -100_000) > 0
    cut(world, "node-6", "node-7", "node-8")
    assert states(world, tasks)[5:] == [KEPT] * 4


def test_nothing_can_be_released_that_is_not_braked(world: World) -> None:
    """A release without a mass loss is refused and leaves no trace: the next mass loss is held."""
    tasks = harbour(world)
    with pytest.raises(NotBraked):
        world.store.release_brake(by="ann", why=None)
    cut(world, *CUT_OFF)
    assert states(world, tasks) == [KEPT] * 5


def test_nodes_that_leave_are_no_loss(world: World) -> None:
    """Agents that go down on purpose are not waited for, and do not make others wait."""
    tasks = harbour(world)
    for sailor in world.sailors[:3]:
        sailor.store.leave(sailor.name, sailor.agent.station.instance)
    cut(world, "node-4")
    assert states(world, tasks) == [MOVED] * 4 + [KEPT]
    assert "1795" not in " ".join(event.sentence for event in world.store.events() if event.type == "node.lost")


def test_nodes_that_were_emptied_may_be_switched_off(world: World) -> None:
    """Who drains hosts and then switches them off loses nothing by it: that is no mass loss for the next that dies."""
    tasks = harbour(world)
    for sailor, task in zip(world.sailors[:3], tasks[:3], strict=True):
        world.store.stop(task)
        sailor.look_into_inbox()
        world.store.mark_node(sailor.name, mode="draining", by="ann", why="new racks")
    cut(world, *CUT_OFF)
    tick(world)
    cut(world, "node-4")
    assert world.now(tasks[3]).state is State.PENDING


def test_a_stop_is_a_stop_also_where_the_brake_holds(world: World) -> None:
    """A user's stop of a held task ends unseen, as on any lost node; so does one that was under way."""
    tasks = harbour(world)
    world.store.stop(tasks[0])
    cut(world, *CUT_OFF)
    assert code_of(world.now(tasks[0])) is Code.STOPPED_UNSEEN
    world.store.stop(tasks[1])
    world.store.remove(tasks[2], force=True)
    assert code_of(world.now(tasks[1])) is Code.STOPPED_UNSEEN
    tick(world)
    assert not world.store.brake().on
    for sailor in world.sailors[:3]:
        sailor.beat()
        sailor.look_at_everything()
    assert [sailor.container(task) for sailor, task in zip(world.sailors, tasks[:3], strict=False)] == [None] * 3


def test_a_restart_moves_one_task_past_the_brake(world: World) -> None:
    """Who asks for one held task to be started again gets it elsewhere at once; the others still wait."""
    tasks = harbour(world)
    spare = world.sailor("spare")
    cut(world, *CUT_OFF, "node-4")
    assert world.store.restart(tasks[0]).due
    world.loops.place([tasks[0].id])
    world.settle(tasks[0])
    assert world.now(tasks[0]).fence == ("spare", 2)
    assert spare.container(tasks[0]) is not None
    assert states(world, tasks)[1:] == [KEPT] * 4


def test_who_is_removed_has_not_returned(world: World) -> None:
    """Removing one dead host moves what it had, and gives the others no less time; removing all of them ends it."""
    tasks = harbour(world)
    cut(world, *CUT_OFF)
    world.store.forget_node("node-1")
    tick(world, later_ms=60_000)
    tick(world, later_ms=60_000)
    assert states(world, tasks) == [MOVED] + [KEPT] * 4
    world.store.forget_node("node-2")
    world.store.forget_node("node-3")
    tick(world)
    assert states(world, tasks) == [MOVED] * 3 + [KEPT] * 2
    assert not world.store.brake().on


def test_what_only_starts_there_is_not_given_up_either(world: World) -> None:
    """A task that was sent to a node of a mass loss waits for it, too, however long nothing is heard of it."""
    tasks = harbour(world)
    starting = world.submit("late", constraints=["node in (node-1,spare)"])
    cut(world, *CUT_OFF)
    long_ago = world.store.now_ms() - 90_000
    world.store.client.zadd(world.store.keys.scheduled, {starting.id: long_ago})
    world.loops.reschedule()
    assert world.now(starting).state is State.SCHEDULED
    assert world.store.unstall([starting.id], age_ms=0) == []
    assert states(world, tasks) == [KEPT] * 5
    assert world.store.stalled(since_ms=long_ago) == []
