"""Every way Docker says no, provoked on a real engine, and what we make of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from ormen.reasons import Code
from ormen.spec import VolumeSpec
from ormen.task import Port
from tests.contract.bench import Bench, DockerWorld
from tests.contract.registry import Registry
from tests.engine import SOCKET
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.kernel_kills import KernelKills
from worker_agent.runtime import (
    EngineDown,
    EngineHung,
    ImageMissing,
    NameInUse,
    PlanRefused,
    PullProgress,
    PullRefused,
    StartRefused,
)


def refused_start(bench: Bench, **spec: object) -> StartRefused:
    container_id = bench.runtime.create(bench.plan(**spec))  # type: ignore[arg-type]
    with pytest.raises(StartRefused) as refusal:
        bench.runtime.start(container_id)
    return refusal.value


def refused_pull(bench: Bench, image: str) -> PullRefused:
    with pytest.raises(PullRefused) as refusal:
        bench.runtime.pull(image)
    return refusal.value


@pytest.mark.parametrize("command", ["nosuch", "/nosuch", "/bin"])
def test_a_command_that_cannot_run_is_named(docker_bench: Bench, command: str) -> None:
    """A missing program and a folder in its place are COMMAND_NOT_FOUND, with the command's name."""
    fault = refused_start(docker_bench, command=(command,))
    assert fault.reason.code is Code.COMMAND_NOT_FOUND
    assert f'"{command}"' in fault.reason.sentence


def test_a_port_held_outside_names_the_process(docker_bench: Bench) -> None:
    """A port that a process of the host has is PORT_IN_USE, with the port and the process's id."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        fault = refused_start(docker_bench, ports=(Port(80, port, "tcp", "127.0.0.1"),))
    assert fault.reason.code is Code.PORT_IN_USE
    assert f"port {port}/tcp" in fault.reason.sentence
    assert f"pid {os.getpid()}" in fault.reason.sentence


def test_a_freed_port_can_be_started_on(docker_bench: Bench) -> None:
    """The container that was refused its port starts as soon as the port is free."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        ports = (Port(80, held.getsockname()[1], "tcp", "127.0.0.1"),)
        container_id = docker_bench.runtime.create(docker_bench.plan(ports=ports))
        with pytest.raises(StartRefused):
            docker_bench.runtime.start(container_id)
    docker_bench.runtime.start(container_id)
    found = docker_bench.runtime.inspect(container_id)
    assert found is not None
    assert found.running


def test_an_address_the_host_lacks_is_named(docker_bench: Bench) -> None:
    """Binding to an address of another host says so, with the address."""
    fault = refused_start(docker_bench, ports=(Port(80, 28999, "tcp", "192.0.2.1"),))
    assert fault.reason.code is Code.PORT_IN_USE
    assert "192.0.2.1" in fault.reason.sentence


def test_a_missing_host_path_is_refused_and_not_made(docker_bench: Bench, tmp_path: Path) -> None:
    """A bind of a path that is not there is NODE_LACKS naming it, and the path is not created."""
    missing = tmp_path / "missing"
    with pytest.raises(PlanRefused, match=f"There is no {missing} on this host, which") as refusal:
        docker_bench.runtime.create(docker_bench.plan(volumes=(VolumeSpec("/data", host=str(missing)),)))
    assert refusal.value.reason.code is Code.NODE_LACKS
    assert not missing.exists()


def test_one_target_twice_is_refused(docker_bench: Bench, tmp_path: Path) -> None:
    """Two mounts at one place are CREATE_REFUSED in the engine's words."""
    volumes = tuple(VolumeSpec("/data", host=str(tmp_path)) for _ in range(2))
    with pytest.raises(PlanRefused, match="Duplicate mount point: /data"):
        docker_bench.runtime.create(docker_bench.plan(volumes=volumes))


def test_a_bad_image_name_is_refused(docker_bench: Bench) -> None:
    """A name that is no reference is refused at create and at pull, never reported as missing."""
    with pytest.raises((PlanRefused, ImageMissing)):
        docker_bench.runtime.create(docker_bench.plan(image="Upper:1"))
    assert refused_pull(docker_bench, "Upper:1").reason.code is Code.PULL_NOT_FOUND


def test_a_foreign_container_under_the_name_is_handed_over(docker_bench: Bench) -> None:
    """A container that is not ours and has the name is shown as it is: without our labels."""
    plan = docker_bench.plan()
    world = docker_bench.world
    assert isinstance(world, DockerWorld)
    foreign = world.client.create_container(docker_bench.image, ["true"], name=plan.name)["Id"]
    try:
        with pytest.raises(NameInUse) as refusal:
            docker_bench.runtime.create(plan)
    finally:
        world.client.remove_container(foreign)
    assert refusal.value.holder is not None
    assert (refusal.value.holder.id, refusal.value.holder.cluster) == (foreign, None)


def test_a_limit_above_the_hosts_cores_is_no_limit(docker_bench: Bench) -> None:
    """Docker refuses more cores than the host has; here such a limit is left out, since it cannot be reached."""
    cpus = docker_bench.runtime.engine().cpus
    container_id = docker_bench.started(cpu_limit_milli=(cpus + 1) * 1000)
    assert docker_bench.runtime.inspect(container_id) is not None


def test_a_program_killed_for_memory_is_oom(docker_bench: Bench) -> None:
    """A program that takes more than its limit is killed with code 137; it is told or counted."""
    kills = KernelKills()
    script = "x=a; while :; do x=$x$x; done"
    container_id = docker_bench.started(command=("sh", "-c", script), memory_limit_bytes=8 * 1024**2)
    list(docker_bench.runtime.logs(container_id, follow=True))
    found = docker_bench.runtime.inspect(container_id)
    assert found is not None
    assert (found.exit_code, found.oom_killed or kills.claim()) == (137, True)


@pytest.mark.parametrize(
    ("repository", "code"),
    [
        ("nosuch", Code.PULL_NOT_FOUND),
        ("denied", Code.PULL_AUTH),
        ("limited", Code.PULL_RATE_LIMIT),
        ("arm", Code.PULL_ARCH),
    ],
)
def test_a_registrys_no_has_its_own_code(docker_bench: Bench, registry: Registry, repository: str, code: Code) -> None:
    """Missing, forbidden, too often, other processor: four codes, each sentence with the image's full name."""
    image = f"{registry.address}/{repository}:1"
    reason = refused_pull(docker_bench, image).reason
    assert reason.code is code
    assert image in reason.sentence


@pytest.mark.parametrize("image", ["127.0.0.1:1/web:1", "registry.invalid/web:1"])
def test_a_registry_out_of_reach_is_unreachable(docker_bench: Bench, image: str) -> None:
    """A registry that refuses connections or has no address is PULL_UNREACHABLE, which is tried again."""
    assert refused_pull(docker_bench, image).reason.code is Code.PULL_UNREACHABLE


def test_a_pull_tells_how_far_it_is(docker_bench: Bench, registry: Registry) -> None:
    """A good pull ends with the image present, having told bytes that never exceed their total."""
    told: list[PullProgress] = []
    registry.released.set()
    image = f"{registry.address}/slow:1"
    docker_bench.runtime.pull(image, on_progress=told.append)
    assert docker_bench.runtime.image_present(image)
    assert told
    assert all(item.done_bytes <= item.total_bytes for item in told)
    assert isinstance(docker_bench.world, DockerWorld)
    docker_bench.world.client.remove_image(image)


def test_a_pull_without_progress_is_given_up(docker_bench: Bench, registry: Registry) -> None:
    """A layer that stops half-way is PULL_STALLED after the stall time, with what was received."""
    reason = refused_pull(docker_bench, f"{registry.address}/slow:1").reason
    assert reason.code is Code.PULL_STALLED
    assert "of 2 MB" in reason.sentence


def test_no_engine_is_engine_down(no_engine: DockerRuntime) -> None:
    """Where nothing listens every call is ENGINE_DOWN with the socket's name, and making the runtime is no fault."""
    for call in (no_engine.engine, lambda: no_engine.containers("c"), lambda: no_engine.watch("c")):
        with pytest.raises(EngineDown, match=r"none\.sock: no such file") as fault:
            call()
        assert fault.value.reason.code is Code.ENGINE_DOWN


def test_a_socket_of_somebody_else_is_denied(tmp_path: Path) -> None:
    """Without the right to the socket the fault is ENGINE_DENIED and names the remedy."""
    script = """
import os, sys
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.runtime import EngineDenied
runtime = DockerRuntime("unix://" + sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    runtime.engine()
except EngineDenied as fault:
    print(fault.reason.code, fault)
"""
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(f"{tmp_path}/closed.sock")
        os.chmod(f"{tmp_path}/closed.sock", 0)
        closed.listen()
        said = subprocess.check_output([sys.executable, "-c", script, f"{tmp_path}/closed.sock"], text=True)
    assert re.match("ENGINE_DENIED This user may not use Docker.*group docker", said, re.DOTALL)


def test_an_engine_that_comes_is_found(tmp_path: Path, docker_bench: Bench) -> None:
    """A runtime made before its engine works as soon as the engine is there."""
    late = DockerRuntime(f"unix://{tmp_path}/late.sock")
    with pytest.raises(EngineDown):
        late.engine()
    (tmp_path / "late.sock").symlink_to(SOCKET)
    assert late.engine().id == docker_bench.runtime.engine().id
    late.close()


def test_an_engine_says_since_when_it_runs(docker_bench: Bench) -> None:
    """The start of the process behind the socket is told, so that a restart of the engine can be seen."""
    since = docker_bench.runtime.engine().started_at
    assert since is not None
    began = datetime.fromisoformat(since).timestamp()
    assert psutil.boot_time() - 1 <= began < time.time()


def test_an_engine_that_takes_and_never_answers_is_hung(tmp_path: Path) -> None:
    """A socket that accepts and stays silent is ENGINE_HUNG after the time for a quick question."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/silent.sock")
        silent.listen()
        with pytest.raises(EngineHung, match=r"silent\.sock") as fault:
            DockerRuntime(f"unix://{tmp_path}/silent.sock").engine()
    assert fault.value.reason.code is Code.ENGINE_HUNG


def test_an_engine_that_dies_ends_the_watch(tmp_path: Path, docker_bench: Bench) -> None:
    """The events' end is EngineDown: here a proxy to the engine closes the connection."""
    with Cut(f"{tmp_path}/cut.sock") as cut:
        runtime = DockerRuntime(f"unix://{tmp_path}/cut.sock")
        stream = runtime.watch(docker_bench.cluster)
        docker_bench.runtime.create(docker_bench.plan())
        assert next(stream).type == "create"
        cut.cut()
        with pytest.raises(EngineDown):
            next(stream)
        runtime.close()


class Cut:
    """A proxy in front of the engine's socket whose connections can be cut."""

    def __init__(self, path: str) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Cut:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for item in [self._server, *self._open]:
            item.close()

    def cut(self) -> None:
        for item in self._open:
            item.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(SOCKET)
            self._open += [client, engine]
            for source, target in ((client, engine), (engine, client)):
                self._threads.append(threading.Thread(target=self._copy, args=(source, target), daemon=True))
                self._threads[-1].start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while part := source.recv(65536):
                target.sendall(part)
        except OSError:
            return
