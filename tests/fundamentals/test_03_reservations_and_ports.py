"""Lesson 3. Reservations and ports: what a placement takes, who checks it, and when it is given back."""

from __future__ import annotations

from dataclasses import replace

from ormen.node import Resources
from ormen.policy import Policy
from ormen.reasons import Code
from ormen.store.orders import Assignment
from ormen.task import Port, State, Task
from tests.fundamentals.world import GIB, World, code_of


def assign(world: World, task: Task, *ports: Port, node: str = "node-1") -> str:
    """Give a task to a node without asking the scheduler, as one with an old view of the fleet would."""
    return world.store.assign([Assignment(task.id, node, "10.0.0.1", ports, {}, "placed")])[0].code


def test_a_placement_takes_what_was_asked(world: World) -> None:
    """Reservations are whole numbers: milli-cores and bytes. What a container really uses is another matter."""
    world.sailor("node-1")
    world.submit(cpu=0.5, memory="1GiB", disk="2GiB")
    assert world.node("node-1").reserved == Resources(500, GIB, 2 * GIB)


def test_the_store_has_the_last_word(world: World) -> None:
    """Any number of schedulers may choose from an old view: only what still fits is written."""
    first, second = world.submit("first", cpu=3), world.submit("second", cpu=3)
    world.sailor("node-1", cpus=4)
    assert assign(world, first) == "OK"
    assert assign(world, second) == "FIT"
    assert world.node("node-1").reserved.cpu_milli == 3000


def test_the_end_gives_back_what_the_record_holds(world: World) -> None:
    """Nobody has to remember to release anything: the transition that ends an attempt does it."""
    sailor = world.sailor("node-1")
    task = world.run(ports=[{"container": 80, "host": 8080}])
    sailor.engine.exit(task.container_name, 0)
    world.settle(task)
    assert world.node("node-1").reserved == Resources()
    assert world.store.node_ports(world.node("node-1")) == {}


def test_a_host_port_is_given_once_per_engine(world: World) -> None:
    """Two nodes may share an engine, and then they share its ports; another engine has its own."""
    world.sailor("node-1", engine="shared")
    world.sailor("node-2", engine="shared")
    wanted = [{"container": 80, "host": 8080}]
    assert world.submit("first", ports=wanted).state is State.SCHEDULED
    assert code_of(world.submit("second", ports=wanted)) is Code.FIT_PORT
    world.sailor("node-3")
    assert world.submit("third", ports=wanted).node == "node-3"


def test_a_port_of_the_hosts_network_is_the_hosts_own(world: World) -> None:
    """Docker publishes nothing there, so only the record keeps others from the port, from start to end."""
    world.deck = replace(world.deck, policy=Policy(host_network="always"))
    sailor = world.sailor("node-1")
    task = world.run(network="host", ports=[{"container": 8080}])
    assert (task.state, task.ports) == (State.RUNNING, (Port(8080, 8080),))
    assert [item.ports for item in sailor.engine.table.values()] == [()]
    assert code_of(world.submit("other", ports=[{"container": 80, "host": 8080}])) is Code.FIT_PORT
    sailor.engine.exit(task.container_name, 0)
    world.settle(task)
    assert world.store.find("other").state is State.RUNNING


def test_two_schedulers_cannot_give_one_port_twice(world: World) -> None:
    """The port is checked again where it is written; an address that means all of them clashes with each."""
    first, second = world.submit("first"), world.submit("second")
    world.sailor("node-1")
    assert assign(world, first, Port(80, 8080, "tcp", "10.0.0.1")) == "OK"
    assert assign(world, second, Port(80, 8080, "tcp", "0.0.0.0")) == "PORT"


def test_a_back_off_keeps_its_seat(world: World) -> None:
    """A crashed task waits for its next try with its room reserved, so nobody takes it meanwhile."""
    sailor = world.sailor("node-1")
    task = world.run(cpu=3)
    for _ in range(2):
        sailor.engine.exit(task.container_name, 1)
        waiting = world.settle(task)
    assert (waiting.state, waiting.seat) == (State.PENDING, "node-1")
    assert world.node("node-1").reserved.cpu_milli == 3000
