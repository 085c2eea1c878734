"""What the tests that kill share: an image on the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.bench import busybox_image


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Put an image of busybox alone onto the engine."""
    with busybox_image("kills") as name:
        yield name
