"""Processes of containers as the host sees them: only those of the container are ever touched."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from worker_agent import inside

NO_CONTAINER = "f" * 64


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that belongs to no container."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_of_nobodys_container_is_left_alone(stranger: subprocess.Popen[bytes]) -> None:
    """A number that means another process here, as in a namespace of its own, is neither ended nor sent a signal."""
    assert not inside.belongs(stranger.pid, NO_CONTAINER)
    assert not inside.end(stranger.pid, NO_CONTAINER)
    assert not inside.send(stranger.pid, NO_CONTAINER, 15)
    assert stranger.poll() is None


def test_a_number_that_is_free_is_nobodys() -> None:
    """A process that has gone meanwhile is no fault."""
    assert not inside.end(2**22 + 1, NO_CONTAINER)
