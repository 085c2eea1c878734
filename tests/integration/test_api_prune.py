"""``POST /v1/prune`` with agents that answer: what goes, what stays, and what is said of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from manager_api import pruning
from manager_api.app import create_app
from ormen.settings import Settings
from ormen.task import State, Task
from tests.fundamentals.world import Sailor, World
from tests.waiting import wait_until


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """Two nodes whose agents look into their inboxes all the time."""
    made, ended = World(settings), threading.Event()
    for name in ("node-1", "node-2"):
        sailor = made.sailor(name)
        sailor.engine.behaviour.images = {"theirs:1"}
        sailor.engine.behaviour.with_volume = frozenset({"db:1"})

    def work(sailor: Sailor) -> None:
        while not ended.wait(0.01):
            sailor.look_into_inbox()
            sailor.listen()

    threads = [threading.Thread(target=work, args=(sailor,)) for sailor in made.sailors]
    for thread in threads:
        thread.start()
    yield made
    ended.set()
    for thread in threads:
        thread.join()
    made.close()


@pytest.fixture
def api(world: World) -> Iterator[FlaskClient]:
    """The API of the same cluster."""
    app = create_app(world.settings)
    yield app.test_client()
    app.extensions["ormen"].close()


def ended(world: World, name: str, *, node: str = "node-1", image: str = "job:1") -> Task:
    """A task that has run to its end."""
    task = world.submit(name, image=image, restart="no", constraints=[f"node={node}"])
    wait_until(lambda: world.now(task).state is State.RUNNING)
    sailor = next(sailor for sailor in world.sailors if sailor.name == node)
    sailor.engine.exit(task.container_name, 0)
    wait_until(lambda: world.now(task).state is State.COMPLETED)
    return world.now(task)


def asked(api: FlaskClient, **body: Any) -> dict[str, Any]:
    """The answer to a prune; its nodes by name."""
    answer = api.post("/v1/prune", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return {**found, "nodes": {node["node"]: node for node in found["nodes"]}}


def test_ended_tasks_go_with_their_containers_and_what_lives_stays(world: World, api: FlaskClient) -> None:
    """The answer comes once the containers are gone, and says how many of each node they were."""
    tasks = [ended(world, "one"), ended(world, "two"), ended(world, "three", node="node-2")]
    lives = world.submit("lives")
    found = asked(api)
    assert (found["tasks"], sorted(found["names"]), found["more"]) == (3, ["one", "three", "two"], False)
    assert [node["containers"] for node in found["nodes"].values()] == [2, 1]
    assert set(world.store.read([task.id for task in tasks]).values()) == {None}
    assert world.store.task(lives.id) is not None


def test_a_dry_run_says_the_same_and_removes_nothing(world: World, api: FlaskClient) -> None:
    """Tasks, images, volumes and orphans are listed; afterwards all is as it was."""
    task = ended(world, "one", image="db:1")
    orphan = ended(world, "gone")
    world.store.client.delete(world.store.keys.task(orphan.id))
    keys, images = sorted(world.store.client.keys("ormen:task:*")), set(world.sailors[0].engine.behaviour.images or ())
    found = asked(api, dry_run=True, kinds=["images", "volumes", "orphans"])
    assert (found["tasks"], found["nodes"]["node-1"]["containers"]) == (1, 1)
    assert found["nodes"]["node-1"]["orphans"] == [orphan.container_name]
    assert sorted(world.store.client.keys("ormen:task:*")) == keys
    assert world.sailors[0].engine.behaviour.images == images
    assert world.sailors[0].container(orphan) is not None
    assert world.now(task).state is State.COMPLETED


def test_only_what_is_old_enough_goes(world: World, api: FlaskClient) -> None:
    """`older_than` counts from the end of a task."""
    old, young = ended(world, "old"), ended(world, "young")
    world.store.client.zadd(world.store.keys.ended, {old.id: world.store.now_ms() - 3_700_000})
    assert asked(api, older_than="1h")["names"] == ["old"]
    assert world.store.task(young.id) is not None


def test_images_and_volumes_go_when_they_are_named(world: World, api: FlaskClient) -> None:
    """Of images those that ormen pulled and nothing needs; of volumes those that its containers have left."""
    engine = world.sailors[0].engine
    ended(world, "one", image="db:1")
    found = asked(api)["nodes"]["node-1"]
    assert (found["volumes"], engine.behaviour.images) == (
        [*engine.volumes],
        {"theirs:1", "db:1"},
    )
    found = asked(api, kinds=["images", "volumes"])["nodes"]["node-1"]
    assert [image["name"] for image in found["images"]] == ["db:1"]
    assert found["images"][0]["bytes"] > 0
    assert len(found["volumes"]) == 1
    assert (engine.volumes, engine.behaviour.images) == (set(), {"theirs:1"})


def test_an_orphan_goes_only_when_that_is_asked_for(world: World, api: FlaskClient) -> None:
    """A container without a record is shown; it is stopped and removed if somebody says so."""
    task = world.submit("web", constraints=["node=node-1"])
    wait_until(lambda: world.now(task).state is State.RUNNING)
    world.store.client.delete(world.store.keys.task(task.id))
    assert asked(api)["nodes"]["node-1"]["orphans"] == [task.container_name]
    found = world.sailors[0].container(task)
    assert found is not None
    assert found.running
    assert asked(api, kinds=["orphans"])["nodes"]["node-1"]["orphans"] == [task.container_name]
    assert world.sailors[0].container(task) is None


def test_a_node_that_does_not_answer_is_named(world: World, api: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost one is not asked; one that is late does not hold up the others' answers."""
    monkeypatch.setattr(pruning, "LISTING_S", 0.5)
    world.sailor("node-3"), world.sailor("node-4")
    world.silence("node-4")
    found = asked(api)["nodes"]
    assert found["node-3"]["error"] == "node-3 has not answered within 0.5s"
    assert found["node-4"]["error"] == "node-4 is lost"
    assert found["node-1"]["error"] is None


def test_containers_that_are_not_gone_yet_are_counted(
    world: World, api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task whose node is away is removed; that its container goes when the node is back, the answer says."""
    monkeypatch.setattr(pruning, "CONFIRM_S", 0.3)
    sailor = world.sailor("node-3")
    task = world.submit("away", restart="no", constraints=["node=node-3"])
    sailor.look_into_inbox()
    sailor.engine.exit(task.container_name, 0)
    sailor.listen()
    world.silence("node-3")
    found = asked(api)
    assert (found["names"], found["nodes"]["node-3"]["left"]) == (["away"], 1)
    assert found["nodes"]["node-1"]["left"] == 0


def test_so_many_tasks_go_with_one_request(world: World, api: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says that there are more, so no request takes for ever."""
    monkeypatch.setattr(pruning, "MOST", 1)
    ended(world, "one"), ended(world, "two")
    monkeypatch.setattr("ormen.store.keeping.BATCH", 1)
    assert [(found["tasks"], found["more"]) for found in (asked(api), asked(api))] == [(1, True), (1, False)]


def test_a_wish_has_no_faults(api: FlaskClient) -> None:
    """Every fault of the body is named, and nothing is removed."""
    answer = api.post("/v1/prune", json={"kinds": ["volume"], "older_than": "soon", "dry_run": "yes", "force": True})
    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.get_json()["errors"]}
    assert pointers == {"/kinds/0", "/older_than", "/dry_run", "/force"}
