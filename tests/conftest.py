"""What every test may ask for: a real server of its own, and settings that point there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ormen.local.redis import RunningRedis, find_server, start
from ormen.settings import Settings


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    """A real Redis or Valkey of this test process."""
    server = start(find_server(), tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RunningRedis) -> str:
    """The URL of an emptied database."""
    import redis

    client = redis.Redis.from_url(redis_server.url)
    # Kills of its process lose nothing for it, and a disk that the engines of other tests keep busy for seconds would
    # hold up every command meanwhile.
    client.config_set("appendfsync", "no")
    client.flushall()
    client.close()
    return redis_server.url


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a cluster on the emptied database."""
    return replace(Settings(), redis_url=redis_url, state_dir=str(tmp_path / "state"))
