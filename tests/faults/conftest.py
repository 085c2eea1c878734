"""One cluster for all faults, and those that take their time last."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from collections.abc import Iterator

import pytest

from tests.acceptance.living import free_port
from tests.cluster.server import Server
from tests.cluster.thief import thief
from tests.contract.bench import busybox_layer
from tests.contract.registry import USER, Registry
from tests.engine import engine_api
from tests.faults.ground import Ground
from tests.faults.provoking import EARLY
from tests.faults.table import Row


def fault_of(item: pytest.Item) -> str:
    """Return the fault that a test asks about, empty for another test."""
    row = getattr(item, "callspec", None) and item.callspec.params.get("row")
    return row.fault if isinstance(row, Row) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask last about what takes its time, so that it has had its time by then."""
    items.sort(key=lambda item: "[slow: " in item.name)


@pytest.fixture(scope="session")
def faulty_image() -> Iterator[str]:
    """Put an image of busybox and two texts onto the engine, one of them with the right to run; it names no command."""
    raw = io.BytesIO(busybox_layer())
    with tarfile.open(fileobj=raw, mode="a") as archive:
        for file, mode in (("plain", 0o644), ("text", 0o755)):
            item = tarfile.TarInfo(file)
            item.size, item.mode = 6, mode
            archive.addfile(item, io.BytesIO(b"hello\n"))
    client, name = engine_api(), f"ormen-faults-{os.getpid()}"
    client.import_image_from_data(raw.getvalue(), repository=name, tag="1")
    yield f"{name}:1"
    client.remove_image(f"{name}:1", force=True)
    client.close()


@pytest.fixture(scope="session")
def living_ground(
    faulty_image: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Ground]:
    """A deck, six agents and three registries for all tests; two of the agents are in trouble from the beginning."""
    folder = tmp_path_factory.mktemp("faults")
    registries = {"open": Registry(), "closed": Registry("basic"), "known": Registry("token")}
    wrong = base64.b64encode(f"{USER}:wrong".encode()).decode()
    (folder / "docker").mkdir()
    (folder / "docker" / "config.json").write_text(
        json.dumps({"auths": {registries["known"].address: {"auth": wrong}}})
    )
    (folder / "policy.yaml").write_text(f"host_paths: [{folder}/srv]\nlog_drivers: ['*']\n")
    ground = Ground(folder / "deck", free_port(), host="127.0.0.1", image=faulty_image, folder=folder)
    ground.server, ground.registries = Server(folder / "redis"), registries
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(folder / "docker"))
        try:
            ground.start(ground.redis.url, "--profile", "calm", "--policy-file", folder / "policy.yaml")
            ground.start_nodes()
            ground.begin_slow_trouble()
            asked = set(filter(None, map(fault_of, request.session.items)))
            ground.submit_early({name: spec for name, spec in EARLY.items() if name in asked})
            with thief(ground.redis.client(), "node.deaf"):
                yield ground
        finally:
            ground.end()


@pytest.fixture
def ground(living_ground: Ground, row: Row) -> Iterator[Ground]:
    """The cluster, with every task of the row's fault taken away behind it."""
    yield living_ground
    living_ground.clear(also=row.fault)
