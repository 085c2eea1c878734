"""What is not this cluster's and this node's is never touched, whatever it is called and whatever happens to a host."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
from docker.models.containers import Container

from tests.acceptance.living import new_id
from tests.cluster.bed import Bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)
HERE = ["node=host7"]


class Strangers:
    """Containers on host7 that are not ours to touch, and a task of ours whose name each of them comes close to."""

    def __init__(self, deck: Bed) -> None:
        self.deck = deck
        self.task = new_id()
        digest = sha256(f"{deck.id} {self.task}".encode()).hexdigest()[:10]
        ours = {"ormen.cluster": deck.id, "ormen.task": self.task, "ormen.attempt": "99", "ormen.spec": "x"}
        labels: dict[str, dict[str, str]] = {
            "web": {},
            f"web.{digest[:9]}": {},
            f"xweb.{digest}": {**ours, "ormen.cluster": "another", "ormen.node": "host7"},
            f"web.{digest}x": {**ours, "ormen.node": "host8"},
            "of-no-node": ours,
            "of-no-task": {"ormen.cluster": deck.id, "ormen.node": "host7", "ormen.attempt": "1"},
            "orphan": {**ours, "ormen.task": new_id(), "ormen.node": "host7"},
        }
        self.containers = [deck.hosts[0].own(name, **words) for name, words in labels.items()]
        self.states = self.look()

    def look(self) -> list[tuple[str, str, int, str]]:
        """Name, state, process and start of each, as the engine has them now."""
        for container in self.containers:
            container.reload()
        return [(str(each.name), each.status, *self._life(each)) for each in self.containers]

    def _life(self, container: Container) -> tuple[int, str]:
        state = container.attrs["State"]
        return int(state["Pid"]), str(state["StartedAt"])


@pytest.fixture
def strangers(deck: Bed) -> Iterator[Strangers]:
    """The strangers, who must be as they were when the test ends."""
    found = Strangers(deck)
    yield found
    for container in found.containers:
        container.remove(force=True)


def test_a_tasks_life_touches_nobody_else(strangers: Strangers) -> None:
    """Runs, restarts, stops, crashes, drains and removals of a task pass by whatever stands beside it."""
    deck = strangers.deck
    deck.run(id=strangers.task, name="web", restart="always", constraints=HERE)
    for verb in ("restart", "stop", "restart"):
        assert deck.call("POST", f"/v1/tasks/web/{verb}?wait=1", {}).status == 202
    (container,) = [each for each in deck.hosts[0].containers(strangers.task) if each.name not in names(strangers)]
    container.remove(force=True)
    deck.until("web", lambda now: now["state"] == "running" and now["container_id"] != container.id)
    assert deck.call("POST", "/v1/nodes/host7/drain", {}).status == 202
    deck.until("web", lambda now: now["state"] == "pending")
    deck.ormen("mast", "activate", "host7")
    deck.ormen("rm", "-f", "web")
    assert strangers.look() == strangers.states


def test_failures_of_agent_and_host_touch_nobody_else(strangers: Strangers) -> None:
    """An agent that dies, and a host that is lost, replaced and back, leave the strangers alone."""
    deck = strangers.deck
    host = deck.hosts[0]
    deck.run(id=strangers.task, name="web", constraints=["node in (host7,host8)"])
    deck.rejoin(host)
    wait_until(lambda: "container orphan is of this cluster" in host.log, what="for the orphan to be reported")
    host.cut()
    try:
        deck.until_node("host7", "lost")
    finally:
        host.mend()
    deck.until_node("host7", "ready")
    assert deck.run(name="late", constraints=HERE)["state"] == "running"
    assert strangers.look() == strangers.states


def test_what_died_with_its_engine_is_not_ours_to_start(strangers: Strangers) -> None:
    """An engine that restarts ends every container; ormen runs its own again and leaves the strangers as they fell."""
    deck = strangers.deck
    task = deck.run(id=strangers.task, name="web", constraints=HERE)
    deck.hosts[0].stop_engine()
    deck.hosts[0].start_engine()
    fallen = strangers.look()
    deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
    assert deck.run(name="late", constraints=HERE)["state"] == "running"
    assert strangers.look() == fallen
    assert {state for _, state, *_ in fallen} == {"exited"}


def test_a_name_that_a_stranger_has_is_left_to_it(deck: Bed) -> None:
    """Where a container of nobody has the very name of a task's container, the task goes to another host."""
    task = new_id()
    name = f"web.{sha256(f'{deck.id} {task}'.encode()).hexdigest()[:10]}"
    stranger = deck.hosts[0].own(name)
    try:
        deck.ormen("mast", "cordon", "host8")
        deck.submit(id=task, name="web")
        waits = deck.until(task, lambda now: now["state"] == "pending" and now["reason"]["code"] == "NAME_TAKEN")
        assert name in waits["reason"]["sentence"]
        deck.ormen("mast", "activate", "host8")
        assert deck.until(task, lambda now: now["state"] == "running", timeout_s=40)["node"] == "host8"
        before = stranger.attrs["State"]
        stranger.reload()
        assert stranger.attrs["State"] == before
    finally:
        stranger.remove(force=True)


def test_another_host_of_the_same_name_touches_nobody_else(strangers: Strangers) -> None:
    """Host8 takes the name of a host that is gone for good; what carries that name there is still not its own."""
    deck = strangers.deck
    host, other = deck.hosts
    mine = {"ormen.cluster": deck.id, "ormen.node": "host7", "ormen.task": new_id(), "ormen.attempt": "1"}
    orphan = other.own("left-here", **mine)
    host.end_sailors()
    deck.until_node("host7", "lost")
    other.sailor(deck.url(other), "--name", "host7", "--port", "5557")
    try:
        deck.until_node("host7", "ready", timeout_s=30)
        assert deck.run(id=strangers.task, name="web", constraints=HERE)["state"] == "running"
        deck.ormen("rm", "-f", "web")
        orphan.reload()
        assert (strangers.look(), orphan.status) == (strangers.states, "running")
    finally:
        other.end_sailors()
        deck.until_node("host7", "lost")
        deck.rejoin(other)
        orphan.remove(force=True)


def names(strangers: Strangers) -> set[str]:
    """The names of the strangers."""
    return {str(each.name) for each in strangers.containers}
