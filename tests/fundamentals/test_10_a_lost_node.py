"""Lesson 10. A lost node: its silence is judged, its tasks move, and its return makes one of two."""

from __future__ import annotations

import time

from ormen.node import NodeState
from ormen.reasons import Code
from ormen.task import State
from tests.fundamentals.world import World, code_of


def test_a_silent_node_is_suspect_before_it_is_lost(world: World) -> None:
    """Suspect is read from the age of the last heartbeat: nothing moves yet, and nothing new is given."""
    world.sailor("node-1")
    task = world.run()
    world.silence("node-1", seconds=20)
    world.loops.liveness()
    assert world.node("node-1").state is NodeState.SUSPECT
    assert world.now(task).state is State.RUNNING
    assert code_of(world.submit("next")) is Code.NODE_SUSPECT


def test_the_tasks_of_a_lost_node_run_elsewhere(world: World) -> None:
    """Each becomes a new attempt on a node that lives; the old one ends with NODE_LOST and spends no try."""
    world.sailor("node-1")
    task = world.run()
    world.sailor("node-2")
    world.silence("node-1")
    world.loops.liveness()
    moved = world.settle(task)
    assert (moved.state, moved.fence, moved.tries) == (State.RUNNING, ("node-2", 2), 0)
    first = moved.attempts[0].reason
    assert first is not None
    assert first.code is Code.NODE_LOST


def test_of_two_containers_the_older_attempt_goes(world: World) -> None:
    """A node that was only cut off still runs its copy; back again, it reads whose turn it is and removes it."""
    cut_off = world.sailor("node-1")
    task = world.run()
    other = world.sailor("node-2")
    world.silence("node-1")
    world.loops.liveness()
    world.settle(task)
    assert other.container(task) is not None
    cut_off.beat()
    cut_off.look_at_everything()
    assert cut_off.container(task) is None
    assert world.settle(task).node == "node-2"


def test_a_returned_node_is_given_nothing_while_an_old_container_runs_there(world: World) -> None:
    """Its old copies still take room and ports, so it is ready only once they are gone."""
    cut_off = world.sailor("node-1")
    task = world.run()
    world.sailor("node-2")
    world.silence("node-1")
    world.loops.liveness()
    world.settle(task)
    cut_off.beat()
    cut_off.agent.sync.step(time.monotonic())
    assert not world.node("node-1").takes_tasks
    cut_off.agent.lanes.drain()
    cut_off.agent.sync.step(time.monotonic())
    assert world.node("node-1").takes_tasks


def test_what_still_waits_goes_back_to_its_container(world: World) -> None:
    """When no other node had room, the returned node is preferred, and the new attempt adopts what runs there."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.silence("node-1")
    world.loops.liveness()
    assert world.now(task).state is State.PENDING
    sailor.beat()
    sailor.look_at_everything()
    back = world.settle(task)
    assert (back.state, back.fence) == (State.RUNNING, ("node-1", 2))
    assert back.container_id == task.container_id


def test_the_returned_node_is_preferred_to_another(world: World) -> None:
    """Why it waited meanwhile does not matter: its container may still be there, and no copy is made elsewhere."""
    sailor, other = world.sailor("node-1"), world.sailor("node-2", cpus=2)
    guest = world.run("guest", cpu=2, constraints=["node=node-2"])
    task = world.run(cpu=2)
    world.silence("node-1")
    world.loops.liveness()
    assert world.now(task).state is State.PENDING
    other.engine.exit(guest.container_name, 0)
    other.listen()
    sailor.beat()
    sailor.look_at_everything()
    assert world.settle(task).node == "node-1"


def test_who_was_away_himself_judges_nobody(world: World) -> None:
    """When liveness itself did not run for a while, all nodes look silent: their silence is counted anew."""
    world.sailor("node-1")
    task = world.run()
    world.silence("node-1")
    gap = world.store.now_ms() - 10_000
    world.store.client.hset(world.store.keys.loops, "liveness:began", gap)
    world.loops.liveness()
    assert world.now(task).state is State.RUNNING
    assert world.node("node-1").state is NodeState.READY


def test_a_heartbeat_at_the_last_moment_saves_a_node(world: World) -> None:
    """The script that takes the tasks reads the age once more."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.silence("node-1")
    sailor.beat()
    lost = world.store.lose("node-1", silent_s=60, code=Code.NODE_LOST, text="lost", useless_ms=60_000)
    assert (lost, world.now(task).state) == (0, State.RUNNING)


def test_an_agent_that_ends_in_order_is_waited_for(world: World) -> None:
    """Its node is suspect and is given nothing, but lost only after half a minute: an upgrade moves no task."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.agent.close()
    world.silence("node-1", seconds=40)
    world.loops.liveness()
    waited_for = world.node("node-1")
    assert (waited_for.state, world.now(task).state) == (NodeState.SUSPECT, State.RUNNING)
    assert waited_for.state_reason is not None
    assert "ended in order" in waited_for.state_reason.sentence
    sailor.start()
    assert (world.node("node-1").state, world.settle(task)) == (NodeState.READY, world.now(task))


def test_nobody_is_waited_for_longer_than_that(world: World) -> None:
    """An agent that said it would end, and has not come back in time, is lost like any other."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.agent.close()
    world.silence("node-1")
    world.store.client.hset(world.store.keys.node("node-1"), "awaited", world.store.now_ms() - 1)
    world.loops.liveness()
    assert (world.node("node-1").state, world.now(task).state) == (NodeState.LOST, State.PENDING)


def test_a_stop_on_a_lost_node_ends_unseen(world: World) -> None:
    """Nobody can confirm it, so the record says so; the agent does it when it is back."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.silence("node-1")
    world.store.stop(task)
    world.loops.liveness()
    assert code_of(world.now(task)) is Code.STOPPED_UNSEEN
    sailor.look_at_everything()
    assert sailor.container(task) is None
