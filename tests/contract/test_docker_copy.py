"""Copies and logs out of a container when the engine breaks off in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from ormen.talk import OUT, STAT
from tests.cluster.proxy import SocketProxy
from tests.contract.bench import Bench
from tests.engine import SOCKET
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.runtime import EngineDown


def test_half_an_archive_is_no_copy(docker_bench: Bench, tmp_path: Path) -> None:
    """A connection that breaks in the middle is told as a fault, and never as the archive's end."""
    container_id = docker_bench.started()
    large = ("sh", "-c", "head -c 50000000 /dev/zero > /large")
    assert docker_bench.runtime.probe_command(container_id, large, timeout_s=60).ok
    with SocketProxy(str(tmp_path / "engine"), SOCKET) as line:
        runtime = DockerRuntime(f"unix://{tmp_path}/engine")
        copy = runtime.copy_out(container_id, "/large")
        assert [next(copy).kind, next(copy).kind] == [STAT, OUT]
        line.cut()
        with pytest.raises(EngineDown):
            list(copy)
        copy.close()
        assert runtime.inspect(container_id) is not None
        runtime.close()


def test_half_a_log_is_no_log(docker_bench: Bench, tmp_path: Path) -> None:
    """A connection that breaks in the middle is not the end of what the container said."""
    container_id = docker_bench.started()
    docker_bench.world.say(container_id, "one")
    with SocketProxy(str(tmp_path / "engine"), SOCKET) as line:
        runtime = DockerRuntime(f"unix://{tmp_path}/engine")
        log = runtime.logs(container_id, follow=True)
        assert next(log) == b"one\n"
        line.cut()
        with pytest.raises(EngineDown):
            list(log)
        assert runtime.inspect(container_id) is not None
        runtime.close()
