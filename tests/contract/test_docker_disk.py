"""Images and volumes on a real engine: what is told of them, and that nothing in use is ever removed."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from ormen.spec import VolumeSpec
from tests.contract.bench import Bench, busybox_layer
from tests.contract.registry import Registry
from tests.engine import engine_api


@pytest.fixture
def image_with_volume() -> Iterator[str]:
    """An image whose containers get an anonymous volume at /data."""
    client, name = engine_api(), f"ormen-volume-{uuid4().hex[:8]}"
    client.import_image_from_data(busybox_layer(), repository=name, tag="1", changes=["VOLUME /data"])
    yield f"{name}:1"
    client.remove_image(f"{name}:1", force=True)
    client.close()


def test_an_anonymous_volume_outlives_its_container_and_is_known(docker_bench: Bench, image_with_volume: str) -> None:
    """Volumes are never deleted unasked; the container told which ones nobody gave a name, so they can be asked for."""
    runtime, named = docker_bench.runtime, f"ormen-named-{uuid4().hex[:8]}"
    wanted = VolumeSpec(target="/more", name=named)
    container_id = runtime.create(docker_bench.plan(image=image_with_volume, volumes=(wanted,)))
    found = runtime.inspect(container_id)
    assert found is not None
    (volume,) = found.volumes
    assert volume != named
    assert not runtime.remove_volume(volume)
    runtime.remove(container_id)
    client = engine_api()
    assert client.inspect_volume(volume)["Name"] == volume
    assert runtime.remove_volume(volume)
    assert runtime.remove_volume(named)
    left = client.volumes()["Volumes"] or []
    assert {volume, named}.isdisjoint(item["Name"] for item in left)
    client.close()


def test_a_pulled_image_can_be_removed(docker_bench: Bench, registry: Registry) -> None:
    """By the name under which it was pulled; with its last name the image is gone."""
    name = f"{registry.address}/good:1"
    docker_bench.runtime.pull(name)
    image = docker_bench.runtime.image(name)
    assert image is not None
    assert name in image.names
    assert docker_bench.runtime.remove_image(name)
    assert docker_bench.runtime.image(image.id) is None


def test_a_name_that_somebody_else_gave_keeps_the_image(docker_bench: Bench, registry: Registry) -> None:
    """Removing our name takes nothing from whoever gave it another one."""
    name, theirs = f"{registry.address}/good:1", f"ormen-theirs-{uuid4().hex[:8]}:1"
    docker_bench.runtime.pull(name)
    client = engine_api()
    client.tag(name, *theirs.split(":"))
    assert docker_bench.runtime.remove_image(name)
    assert docker_bench.runtime.image(name) is None
    assert docker_bench.runtime.image(theirs) is not None
    client.remove_image(theirs)
    client.close()
