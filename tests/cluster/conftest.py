"""One test bed for the tests of a file, and peace between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.hosts import Bed, bed


@pytest.fixture(scope="module")
def living_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A deck with two hosts for all tests of a file; at their end nothing of it is left."""
    with bed(tmp_path_factory.mktemp("bed")) as found:
        yield found


@pytest.fixture
def deck(living_bed: Bed) -> Iterator[Bed]:
    """The deck without any task and with both hosts ready, before the test and after it."""
    living_bed.settle()
    yield living_bed
    living_bed.settle()
