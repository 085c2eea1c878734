"""Test beds for the tests of a file, and peace between the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.bed import Bed, bed


@pytest.fixture(scope="module")
def living_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A deck with two hosts for all tests of a file; at their end nothing of it is left."""
    with bed(tmp_path_factory.mktemp("bed")) as found:
        yield found


@pytest.fixture
def deck(living_bed: Bed) -> Iterator[Bed]:
    """The deck without any task, all its parts whole and both hosts ready, before the test and after it."""
    living_bed.settle()
    yield living_bed
    living_bed.heal()
    living_bed.settle()


@pytest.fixture(scope="module")
def living_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A deck with three hosts for all tests of a file; at their end nothing of it is left."""
    with bed(tmp_path_factory.mktemp("fleet"), count=3) as found:
        yield found


@pytest.fixture
def fleet(living_fleet: Bed) -> Iterator[Bed]:
    """The deck of three hosts, all whole and without any task, before the test and after it."""
    living_fleet.settle()
    yield living_fleet
    living_fleet.heal()
    living_fleet.settle()
