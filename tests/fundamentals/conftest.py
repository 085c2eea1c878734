"""The fixture of the course: an empty world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ormen.settings import Settings
from tests.fundamentals.world import World


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """A deck on an empty store, with no node yet."""
    made = World(settings)
    yield made
    made.close()
