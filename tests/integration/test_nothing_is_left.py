"""Nothing grows for ever, on a real engine: what ends there in every way leaves the containers that are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from manager_api import submission
from ormen.settings import Settings
from ormen.task import State, Task
from tests.contract.bench import busybox_layer
from tests.engine import engine_api
from tests.integration.nodes import Harbour
from tests.key_table import complaints
from tests.waiting import wait_until

KEPT = 2


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Put an image of busybox onto the engine, whose containers get an anonymous volume."""
    client, name = engine_api(), f"ormen-growth-{os.getpid()}"
    client.import_image_from_data(busybox_layer(), repository=name, tag="1", changes=["VOLUME /data"])
    yield f"{name}:1"
    client.remove_image(f"{name}:1", force=True)
    client.close()


@pytest.fixture
def harbour(settings: Settings, image: str, tmp_path: Path) -> Iterator[Harbour]:
    """Give a deck and the engine; what is there at the end is removed, with the volumes of its containers."""
    made = Harbour(settings, image, tmp_path)
    yield made
    made.close()
    client = engine_api()
    for volume in VOLUMES:
        client.remove_volume(volume)
    client.close()


VOLUMES: set[str] = set()
"""The volumes that the test's containers had: ormen itself never deletes them unasked."""


def containers(harbour: Harbour) -> set[str]:
    """The names of the cluster's containers, in any state."""
    found = harbour.docker.containers(all=True, filters={"label": f"ormen.cluster={harbour.cluster}"})
    VOLUMES.update(mount["Name"] for item in found for mount in item["Mounts"] if mount["Type"] == "volume")
    return {item["Names"][0].removeprefix("/") for item in found}


def ended(harbour: Harbour, name: str, code: int) -> Task:
    """A task that has exited by itself."""
    task = harbour.run(name, restart="no")
    containers(harbour)
    harbour.end_by(task, code)
    return harbour.until(task, State.FAILED if code else State.COMPLETED)


def test_what_ends_on_a_real_engine_leaves_what_is_kept(harbour: Harbour) -> None:
    """Completed, failed, stopped, restarted, removed: the newest ended containers stay, what runs, and nothing else."""
    node = harbour.node(keep_containers=KEPT)
    ended(harbour, "completed", 0), ended(harbour, "failed", 1)
    again = ended(harbour, "again", 1)
    submission.restart(harbour.deck, again)
    harbour.end_by(harbour.until(again, State.RUNNING, attempt=2), 0)
    harbour.until(again, State.COMPLETED, attempt=2)
    stopped, removed = harbour.run("stopped", stop_grace="1s"), harbour.run("removed")
    runs = harbour.run("runs")
    assert len(containers(harbour)) == 6
    submission.stop(harbour.deck, stopped)
    harbour.until(stopped, State.COMPLETED)
    submission.remove(harbour.deck, removed, force=True)
    node.end()
    harbour.node(keep_containers=KEPT)
    kept = {task.container_name for task in (again, stopped, runs)}
    wait_until(lambda: containers(harbour) == kept, what=f"for {kept}, not {containers(harbour)}")
    wait_until(lambda: len(harbour.store.node_task_ids("node-1")) == len(kept))
    assert [task.container_id is None for task in harbour.store.tasks()[0]] == [False, False, False, True, True]
    assert complaints(harbour.store.client, harbour.settings.prefix) == []
