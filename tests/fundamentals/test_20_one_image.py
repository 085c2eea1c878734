"""Lesson 20. A tag means one image for a whole submission: what it meant where a task with it was first started."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from manager_api import submission, updating
from ormen.schema import load_submission
from ormen.task import State, Task
from tests.fundamentals.world import World

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def submit(world: World, *specs: dict[str, Any]) -> list[Task]:
    """Do what ``POST /v1/tasks`` does with a list."""
    items = load_submission(list(specs), policy=world.deck.policy, new_id=lambda: str(uuid4())).items
    return submission.submit(world.deck, items)


def spec(name: str, image: str = "app:1", **fields: Any) -> dict[str, Any]:
    """A spec of a list, with an id of its client's choice; `on` is its node."""
    node = fields.pop("on", "node-1")
    return {"id": str(uuid4()), "name": name, "image": image, "constraints": [f"node={node}"], **fields}


def two_nodes(world: World) -> None:
    """Two nodes, on whose engines the tag means different images: it has moved between their pulls."""
    for name, digest in (("node-1", OLD), ("node-2", NEW)):
        meant = world.sailor(name).engine.meant
        meant["app:1"] = meant["docker.io/library/app:1"] = meant["app:2"] = digest


def image_of(world: World, task: Task) -> str:
    """The image from which the task's container was made."""
    assert world.settle(task).state is State.RUNNING
    sailor = next(sailor for sailor in world.sailors if sailor.name == world.now(task).node)
    container = sailor.container(task)
    assert container is not None
    return sailor.engine.image_of[container.id]


def test_all_specs_of_a_list_run_what_the_first_has_found(world: World) -> None:
    """Whatever else they ask, by whichever name they know the image, and whatever the tag means on their node."""
    two_nodes(world)
    web, job = submit(world, spec("web"), spec("job", "docker.io/library/app:1", on="node-2", pull="always"))
    assert (image_of(world, web), image_of(world, job)) == ("app:1", f"docker.io/library/app@{OLD}")
    assert world.now(web).pin == world.now(job).pin
    assert world.now(job).to_json()["image_digest"] == OLD


def test_another_tag_and_another_submission_are_resolved_by_themselves(world: World) -> None:
    """A pin is of one tag and one request."""
    two_nodes(world)
    web, next_one = submit(world, spec("web"), spec("next", "app:2", on="node-2"))
    (later,) = submit(world, spec("later", on="node-2"))
    for task, digest in ((web, OLD), (next_one, NEW), (later, NEW)):
        assert "@" not in image_of(world, task)
        assert world.now(task).to_json()["image_digest"] == digest


def test_who_wants_what_lies_on_its_host_shares_nothing(world: World) -> None:
    """With pull: never a task neither says nor heeds what the tag means elsewhere."""
    two_nodes(world)
    own, web = submit(world, spec("own", pull="never", on="node-2"), spec("web"))
    assert (image_of(world, own), image_of(world, web)) == ("app:1", "app:1")
    assert [world.now(task).to_json()["image_digest"] for task in (own, web)] == [None, OLD]


def test_a_task_that_was_changed_before_its_start_still_shares_the_pin(world: World) -> None:
    """It has a spec of its own from then on, and the image of its submission."""
    two_nodes(world)
    web, job = submit(world, spec("web"), spec("job", on="node-2"))
    updating.update(world.deck, job, {"labels": {"a": "1"}})
    assert (image_of(world, web), image_of(world, job)) == ("app:1", f"app@{OLD}")


def test_a_repeated_request_is_the_same_submission(world: World) -> None:
    """What it starts anew, because that was removed meanwhile, runs the image of those that are still there."""
    two_nodes(world)
    asked = [spec("web"), spec("job", on="node-2")]
    web, job = submit(world, *asked)
    assert image_of(world, job) == f"app@{OLD}"
    submission.remove(world.deck, world.now(web), force=True)
    world.settle(job)
    world.sailors[0].engine.meant["app:1"] = NEW
    again, same = submit(world, *asked)
    assert (image_of(world, again), same.attempt) == (f"app@{OLD}", 1)


def test_a_pin_is_kept_as_long_as_a_task_has_it(world: World) -> None:
    """It is one key for the tag of a submission, and goes with the last record."""
    two_nodes(world)
    tasks = submit(world, spec("web", count=2), spec("job", on="node-2"))
    keys, client = world.store.keys, world.store.client
    for left, task in zip((3, 2, 1), tasks, strict=True):
        assert image_of(world, task)
        assert [client.hget(key, "tasks") for key in client.scan_iter(keys.pin("*"))] == [str(left)]
        submission.remove(world.deck, world.now(task), force=True)
        for sailor in world.sailors:
            sailor.look_into_inbox()
    assert list(client.scan_iter(keys.pin("*"))) == []
