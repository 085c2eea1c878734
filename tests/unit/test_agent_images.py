"""Images: an agent removes what it pulled and nobody needs, when the disk is full; never what is somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.task import State
from tests.unit.agents import AgentBench
from worker_agent.fake_runtime import Behaviour
from worker_agent.images import VERSIONS_KEPT, choose, repository
from worker_agent.inventory import Inventory, Pulled
from worker_agent.runtime import StartRefused
from worker_agent.tidying import Keep, Tidier, Tools

DAY_MS = 86_400_000


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent on an engine that has one image, somebody else's."""
    made = AgentBench(settings, behaviour=Behaviour(images={"theirs:1"}))
    yield made
    made.close()


def used_once(bench: AgentBench, image: str) -> None:
    """Run a task of the image to its end and remove it with its container."""
    task = bench.running(f"t{image.translate(str.maketrans(':/', '--'))}", image=image, restart="no")
    bench.runtime.exit(task.container_name, 0)
    bench.hear()
    assert bench.task(task.id).state is State.COMPLETED
    bench.deck.remove(bench.task(task.id), force=False)
    bench.work()


def tidy(bench: AgentBench, *, full: float, days: float = 2, percent: int = 85) -> set[str]:
    """Look around `days` later on a disk that is so full, and return the images that are left."""
    bench.wall_offset_ms += round(days * DAY_MS)
    tools = Tools(drop=lambda task: None, disk=lambda: full)
    held = {task.id: task for task in bench.agent.station.store.held(bench.node)}
    Tidier(bench.agent.station, bench.agent.lanes, Keep(disk_percent=percent), tools=tools).look(held, {})
    bench.agent.lanes.drain()
    return bench.runtime.behaviour.images or set()


def test_an_image_that_nobody_needs_goes_when_the_disk_is_full(bench: AgentBench) -> None:
    """It was pulled by ormen, no container has it, and its last use is a day ago."""
    used_once(bench, "job:1")
    assert tidy(bench, full=90) == {"theirs:1"}


@pytest.mark.parametrize(("full", "days", "percent"), [(84.9, 30, 85), (90, 0.9, 85), (100, 30, 100)])
def test_an_image_is_kept_while_there_is_room_or_its_use_is_young(
    bench: AgentBench, full: float, days: float, percent: int
) -> None:
    """Whoever uses it again is spared a pull; at 100 percent images are never removed."""
    used_once(bench, "job:1")
    assert tidy(bench, full=full, days=days, percent=percent) == {"theirs:1", "job:1"}


def test_an_image_that_was_there_before_is_never_removed(bench: AgentBench) -> None:
    """Used by a task or pulled anew by one: it is whoever's brought it."""
    used_once(bench, "theirs:1")
    bench.running("fresh", image="theirs:1", pull="always")
    bench.deck.remove(bench.deck.find("fresh"), force=True)
    bench.work()
    assert tidy(bench, full=99) == {"theirs:1"}


def test_an_image_of_anybodys_container_is_needed(bench: AgentBench) -> None:
    """Also of one that is not ormen's, or has no record."""
    used_once(bench, "shared:1")
    foreign = bench.running("foreign", image="shared:1")
    bench.deck.client.delete(bench.deck.keys.task(foreign.id))
    bench.deck.client.srem(bench.deck.keys.node_tasks(bench.node), foreign.id)
    assert bench.agent.tidier.images.unneeded(unused_s=-1) == []


def test_an_image_of_a_task_is_needed_without_a_container(bench: AgentBench) -> None:
    """A task of this node that starts again needs its image, however many others of its kind were used since."""
    task = bench.running("live", image="live:1")
    bench.runtime.remove(task.container_name)
    for version in (2, 3):
        bench.wall_offset_ms += 1
        used_once(bench, f"live:{version}")
    bench.deck.client.hset(bench.deck.keys.task(task.id), "state", "running")
    assert bench.agent.tidier.images.unneeded(unused_s=-1) == []


def test_only_as_much_goes_as_is_needed(bench: AgentBench) -> None:
    """The longest unused first, until the disk is below its limit."""
    for n in range(3):
        used_once(bench, f"job{n}:1")
        bench.wall_offset_ms += 1
    room = iter([True, False])
    assert bench.agent.tidier.images.free(unused_s=0, is_full=lambda: next(room)) == 1
    assert bench.runtime.behaviour.images == {"theirs:1", "job1:1", "job2:1"}


def test_the_versions_before_stay_for_going_back() -> None:
    """Of a repository in use the last used others are kept; of one that nobody uses, none."""
    api = [Pulled(f"acme/api:{n}", f"api{n}", n) for n in range(5)]
    old = [Pulled("acme/old:1", "old1", 9)]
    may_go = choose([*api, *old], in_use={"api4"}, live=set(), before_ms=100)
    assert [one.id for one in may_go] == ["api0", "api1", "old1"]
    assert len(api) - 1 - VERSIONS_KEPT == 2
    assert [one.id for one in choose(api, in_use=(), live={"acme/api"}, before_ms=100)] == ["api0", "api1", "api2"]


@pytest.mark.parametrize(
    "ref", ["r.example:5000/acme/api", "r.example:5000/acme/api:4", f"r.example:5000/acme/api@{'a' * 9}"]
)
def test_a_repository_is_a_name_without_version(ref: str) -> None:
    """A registry's port is no tag."""
    assert repository(ref) == "r.example:5000/acme/api"


def test_an_image_that_only_others_name_is_theirs(bench: AgentBench) -> None:
    """An image that has lost our name and has one of somebody else's is no longer ours to remove."""
    inventory, theirs = bench.agent.station.inventory, bench.runtime.image("theirs:1")
    assert theirs is not None
    inventory.pulled("ours:1", theirs.id, before=None, now_ms=0)
    assert tidy(bench, full=99) == {"theirs:1"}
    assert inventory.images() == []


def test_what_was_brought_is_remembered(tmp_path: Path) -> None:
    """A restarted agent knows its images and the volumes its containers left; a use is noted every ten minutes."""
    path = tmp_path / "inventory.json"
    first = Inventory(path)
    first.pulled("job", "sha256:1", before=None, now_ms=1000)
    first.pulled("theirs:1", "sha256:2", before="sha256:0", now_ms=1000)
    first.left(["v1"], now_ms=5)
    first.used(["job:latest"], now_ms=2000)
    assert first.images()[0].used_ms == 1000
    first.used(["job:latest"], now_ms=700_000)
    first.save()
    again = Inventory(path)
    assert again.images() == [Pulled("job", "sha256:1", 700_000)]
    assert again.volumes() == ["v1"]


def test_a_pull_that_moves_our_name_is_ours(tmp_path: Path) -> None:
    """What the name meant before was ours as well, and is remembered until it goes."""
    inventory = Inventory(tmp_path / "inventory.json")
    inventory.pulled("job:1", "sha256:1", before=None, now_ms=1)
    inventory.pulled("job:1", "sha256:2", before="sha256:1", now_ms=2)
    assert [one.id for one in inventory.images()] == ["sha256:1", "sha256:2"]


def test_volumes_without_a_name_stay_and_are_remembered(settings: Settings) -> None:
    """Volumes are never deleted unasked; the agent knows which ones its containers left, also those that never ran."""
    bench = AgentBench(settings, behaviour=Behaviour(with_volume=frozenset({"db:1"})))
    task = bench.running("db", image="db:1")
    bench.deck.remove(task, force=True)
    bench.work()
    bench.runtime.fail("start", StartRefused(Reason(Code.PORT_IN_USE, "no")))
    bench.running("other", image="db:1")
    assert bench.runtime.table == {}
    assert len(bench.runtime.volumes) == 2
    assert set(bench.agent.station.inventory.volumes()) == bench.runtime.volumes
    bench.close()
