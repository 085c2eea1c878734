"""The fixture of the course: an empty world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ormen.settings import Settings
from tests.fundamentals.world import World
from tests.key_table import complaints


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """A deck on an empty store, with no node yet. Whatever the lesson leaves in Redis is in the table of keys."""
    made = World(settings)
    yield made
    assert complaints(made.store.client, settings.prefix) == []
    made.close()
