"""Lesson 2. Placement and refusal: which node, or why none."""

from __future__ import annotations

from ormen.reasons import Code
from ormen.task import State
from tests.fundamentals.world import World, code_of


def test_the_request_itself_places(world: World) -> None:
    """The answer to a submission already names the node and the first attempt there, and says why that node."""
    world.sailor("node-1")
    task = world.submit()
    assert (task.state, task.node, task.attempt) == (State.SCHEDULED, "node-1", 1)
    assert task.placement is not None
    assert task.placement["strategy"] == "epvm"


def test_what_fits_nowhere_is_accepted_and_waits(world: World) -> None:
    """Room may come, so a task without room is no error: it is pending, with a code and the amounts in a sentence."""
    world.sailor("node-1", cpus=4)
    task = world.submit(cpu=64)
    assert (task.state, code_of(task)) == (State.PENDING, Code.FIT_CPU)
    assert task.reason is not None
    assert task.reason.sentence == "Needs 64 cpu; the largest node, node-1, has 4."


def test_constraints_choose_among_labels(world: World) -> None:
    """A node that does not meet a constraint is not considered, however much room it has."""
    world.sailor("node-1", disk="hdd")
    world.sailor("node-2", disk="ssd")
    assert world.submit("fast", constraints=["disk=ssd"]).node == "node-2"
    nowhere = world.submit("odd", constraints=["disk=tape"])
    assert code_of(nowhere) is Code.CONSTRAINT


def test_a_list_is_placed_together(world: World) -> None:
    """Each placement counts for the next one, so two tasks of one request do not take the same room."""
    world.sailor("node-1", cpus=2)
    world.sailor("node-2", cpus=2)
    assert {world.submit(f"half-{n}", cpu=2).node for n in (1, 2)} == {"node-1", "node-2"}
    assert world.submit("third", cpu=2).state is State.PENDING


def test_a_node_is_given_nothing_before_its_first_pass(world: World) -> None:
    """Until an agent has looked at all that runs on its engine, nobody knows what room there is."""
    sailor = world.sailor("node-1")
    sailor.store.join(sailor.agent._card)
    assert world.submit("early").state is State.PENDING
    sailor.look_at_everything()
    assert world.submit("later").node == "node-1"


def test_a_cordoned_node_keeps_its_tasks_and_gets_no_more(world: World) -> None:
    """Cordon says nothing of what runs there."""
    world.sailor("node-1")
    old = world.run("old")
    world.store.mark_node("node-1", mode="cordoned", by="ann", why="new disk")
    new = world.submit("new")
    assert world.settle(old).state is State.RUNNING
    assert code_of(new) is Code.NODE_CORDONED
