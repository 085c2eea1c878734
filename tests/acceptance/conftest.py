"""One living cluster for each test process that asks for it, and peace between its tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.checkout import Checkout
from tests.acceptance.living import ROOT, Cluster, free_port


@pytest.fixture(scope="session")
def echo_image() -> None:
    """The echo image, under its own name and those of the seeds' READMEs."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "image.py")], check=True, capture_output=True, timeout=100)


@pytest.fixture(scope="session")
def living(echo_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three sailors that lives as long as this test process; at its end nothing of it is left."""
    found = Cluster(tmp_path_factory.mktemp("living") / "state", free_port())
    try:
        found.up()
        yield found
    finally:
        found.end()


@pytest.fixture
def cluster(living: Cluster) -> Iterator[Cluster]:
    """The living cluster without any task and with every part well, before the test and after it."""
    living.settle()
    yield living
    living.settle()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout of the test's own, so that what is started from it is nobody else's."""
    found = Checkout(tmp_path)
    yield found
    found.close()
