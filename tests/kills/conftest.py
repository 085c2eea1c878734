"""What the tests that kill share: an image on the engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract.bench import busybox_layer
from tests.engine import engine_api


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Put an image of busybox alone onto the engine."""
    client, name = engine_api(), f"ormen-kills-{os.getpid()}"
    client.import_image_from_data(busybox_layer(), repository=name, tag="1")
    yield f"{name}:1"
    client.remove_image(f"{name}:1", force=True)
    client.close()
