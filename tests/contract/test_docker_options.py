"""Every option of a spec, as the engine and the container itself show it; and how a host that lacks one says no."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from ormen.reasons import Code
from ormen.resolving import load
from ormen.spec import HealthSpec, LogSpec, Spec
from ormen.task import Port
from ormen.units import MOST_BYTES
from tests.contract.bench import Bench, DockerWorld, FakeWorld
from tests.waiting import wait_until
from worker_agent.docker_args import limits
from worker_agent.docker_options import container_options, host_options
from worker_agent.docker_views import frames
from worker_agent.probes import check
from worker_agent.runtime import Container, PlanRefused, RuntimeFault, StartRefused

SLEEP = ["sh", "-c", "trap 'exit 0' TERM QUIT USR1; while :; do sleep 0.05; done"]


def options(**fields: Any) -> dict[str, Any]:
    """The fields of a Spec that the schema makes of `fields`, but what every plan of the bench sets itself."""
    spec = load({"image": "x", "command": SLEEP, **fields})
    return {name: getattr(spec, name) for name in Spec.__slots__ if name not in ("image", "id", "name")}


class Shown:
    """A running container: what the engine says of it, and what a command inside prints."""

    def __init__(self, bench: Bench, **fields: Any) -> None:
        assert isinstance(bench.world, DockerWorld)
        self.bench = bench
        self.id = bench.started(**options(**fields))
        self.raw: dict[str, Any] = bench.world.client.inspect_container(self.id)

    def inside(self, script: str) -> str:
        """What the script prints, in one line."""
        done = self.bench.runtime.probe_command(self.id, ("sh", "-c", f"echo $({script})"), timeout_s=20)
        assert done.ok, done.sentence
        return done.output.strip()

    def container(self) -> Container:
        """The container as the agent sees it."""
        found = self.bench.runtime.inspect(self.id)
        assert found is not None
        return found


@pytest.fixture
def network(docker_bench: Bench) -> Iterator[str]:
    """Give the name of a network of the test's own."""
    assert isinstance(docker_bench.world, DockerWorld)
    client, name = docker_bench.world.client, f"net-{docker_bench.cluster}"
    client.create_network(name, driver="bridge")
    yield name
    for container in docker_bench.runtime.containers(docker_bench.cluster):
        docker_bench.runtime.remove(container.id)
    client.remove_network(name)


SEEN: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"workdir": "/srv"}, "readlink /proc/1/cwd", "/srv"),
    ({"user": "1000:1001"}, "id -u; id -g", "1000 1001"),
    ({"hostname": "db-1"}, "hostname", "db-1"),
    ({"init": True}, "tr '\\0' ' ' </proc/1/cmdline | cut -d' ' -f1", "/sbin/docker-init"),
    ({"tty": True}, "readlink /proc/1/fd/1 | cut -d/ -f1-3", "/dev/pts"),
    ({"read_only": True}, "touch /x 2>&1 || true", "touch: /x: Read-only file system"),
    ({"tmpfs": {"/scratch": "size=1m,mode=1700"}},
     "grep -o '/scratch tmpfs' /proc/mounts; df -k /scratch | awk 'END{print $2}'",
     "/scratch tmpfs 1024"),
    ({"shm_size": "32MiB"}, "df -k /dev/shm | awk 'END{print $2}'", "32768"),
    ({"ulimits": [{"name": "nofile", "soft": 100, "hard": 200}]}, "ulimit -Sn; ulimit -Hn", "100 200"),
    ({"sysctls": {"net.ipv4.ip_unprivileged_port_start": 0}}, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
    ({"devices": [{"host": "/dev/null", "container": "/dev/other",
     "permissions": "rw"}]}, "ls /dev/other; echo x >/dev/other",
     "/dev/other"),
    ({"security_opt": ["no-new-privileges"]}, "grep NoNewPrivs /proc/self/status | cut -f2", "1"),
    ({"security_opt": ["systempaths=unconfined"]}, "grep -c '/proc/sys .*ro,' /proc/mounts || true", "0"),
    ({"cap_drop": ["ALL"]}, "grep CapEff /proc/1/status | cut -f2", "0000000000000000"),
    ({"cap_drop": ["ALL"], "cap_add": ["NET_ADMIN"]}, "grep CapEff /proc/1/status | cut -f2", "0000000000001000"),
    ({"extra_hosts": {"db": "10.0.0.7", "six": "fd00::7"}}, "grep -e 'db$' -e 'six$' /etc/hosts | cut -f1",
     "10.0.0.7 fd00::7"),
    ({"dns": ["10.0.0.53"]}, "grep nameserver /etc/resolv.conf", "nameserver 10.0.0.53"),
    ({"network": "none"}, "ip -o link | grep -vc ' lo:' || true", "0"),
    ({"network": "bridge"}, "ip -o link | grep -c eth0", "1"),
)  # fmt: skip
"""A spec, a command inside its container, and what that prints."""


@pytest.mark.parametrize(("fields", "script", "printed"), SEEN, ids=[next(reversed(fields)) for fields, _, _ in SEEN])
def test_a_container_has_what_its_spec_asks(
    docker_bench: Bench, fields: dict[str, Any], script: str, printed: str
) -> None:
    """Each option is so inside the container; the engine shows the member that was sent."""
    shown = Shown(docker_bench, **fields)
    assert shown.inside(script) == printed
    spec = load({"image": "x", **fields})
    for sent, seen in ((container_options(spec), shown.raw["Config"]), (host_options(spec), shown.raw["HostConfig"])):
        assert {key: seen[key] for key in sent} == sent


def test_limits_are_changed_while_it_runs(docker_bench: Bench) -> None:
    """The kernel has the new ones at once; no limit is all that the host has, and swap without end."""
    assert isinstance(docker_bench.world, DockerWorld)
    shown = Shown(docker_bench, memory="32MiB", cpu_limit=0.5)
    spec = load({"image": "x", "memory": "64MiB", "cpu": 0.2, "cpu_limit": 1000})
    docker_bench.runtime.resize(shown.id, limits(spec))
    inside = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true"
    assert shown.inside(inside).split()[0] == str(64 * 1024**2)
    docker_bench.runtime.resize(shown.id, limits(load({"image": "x"})))
    host = docker_bench.world.client.inspect_container(shown.id)["HostConfig"]
    engine = docker_bench.runtime.engine()
    assert (host["Memory"], host["MemorySwap"]) == (engine.memory_bytes, MOST_BYTES)
    assert (host["NanoCpus"], host["CpuShares"]) == (engine.cpus * 10**9, 102)


def test_a_privileged_container_is_asked_for_as_such(docker_bench: Bench) -> None:
    """The engine is told; whether it may hand on every privilege depends on how it runs itself."""
    assert isinstance(docker_bench.world, DockerWorld)
    container_id = docker_bench.runtime.create(docker_bench.plan(**options(privileged=True)))
    assert docker_bench.world.client.inspect_container(container_id)["HostConfig"]["Privileged"] is True


def test_the_stop_signal_is_the_specs(docker_bench: Bench) -> None:
    """A program that heeds another signal than SIGTERM is asked by that one, and ends before its grace is over."""
    asked = ["sh", "-c", "trap '' TERM; trap 'exit 3' USR1; while :; do sleep 0.05; done"]
    container_id = docker_bench.started(**{**options(stop_signal="usr1"), "command": tuple(asked)})
    docker_bench.runtime.stop(container_id, grace_s=60)
    found = docker_bench.runtime.inspect(container_id)
    assert found is not None
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("log", "driver", "config"),
    [
        (None, "json-file", {"max-size": "10m", "max-file": "3"}),
        ({"options": {"max-file": 5}}, "json-file", {"max-size": "10m", "max-file": "5"}),
        ({"driver": "local"}, "local", {}),
    ],
)
def test_a_log_goes_where_the_spec_says(docker_bench: Bench, log: Any, driver: str, config: dict[str, str]) -> None:
    """Driver and options are the spec's, rotation stays unless it says otherwise, and the log can be read."""
    shown = Shown(docker_bench, log=log)
    assert shown.raw["HostConfig"]["LogConfig"] == {"Type": driver, "Config": config}
    shown.inside("echo hello >/proc/1/fd/1")
    wait_until(lambda: docker_bench.runtime.log_tail(shown.id) == ("hello",))


def test_what_a_terminal_prints_is_read_as_it_came(docker_bench: Bench) -> None:
    """A container with a terminal has no frames around its output; tail and stream show it whole."""
    shown = Shown(docker_bench, tty=True)
    shown.inside("echo 'first line' >/proc/1/fd/1; echo second >/proc/1/fd/1")
    wait_until(lambda: docker_bench.runtime.log_tail(shown.id) == ("first line", "second"))
    stream = docker_bench.runtime.logs(shown.id)
    assert b"".join(stream).replace(b"\r", b"") == b"first line\nsecond\n"
    stream.close()


def test_frames_and_raw_output_are_told_apart() -> None:
    """However the stream is cut: frames lose their heads, what has none is passed on as it is."""
    framed = b"\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\2!\n"
    for size in range(1, len(framed) + 1):
        pieces = [framed[place : place + size] for place in range(0, len(framed), size)]
        assert b"".join(frames(pieces)) == b"hello!\n"
    for raw in (b"hello\r\n", b"\1", b"\2\0x", b"\x1b[1mbold", b"\0\0\0x", b"a" * 20):
        pieces = [raw[place : place + 1] for place in range(len(raw))]
        assert b"".join(frames(pieces)) == (raw if raw != b"\1" else b"")


def test_a_line_has_one_time_however_long_it_is(docker_bench: Bench) -> None:
    """The engine cuts a long line and times each part; a reader finds one time at its beginning, and the whole line."""
    shown = Shown(docker_bench)
    shown.inside("{ printf '%40000s\\n' x; echo short; } >/proc/1/fd/1")
    wait_until(lambda: docker_bench.runtime.log_tail(shown.id)[-1:] == ("short",))
    stream = docker_bench.runtime.logs(shown.id, timestamps=True)
    first, second = b"".join(stream).splitlines()
    stream.close()
    assert first.split(b" ", 1)[1] == b" " * 39_999 + b"x"
    assert second.split(b" ", 1)[1] == b"short"
    until_s = datetime.fromisoformat(second[:26].decode() + "+00:00").timestamp() - 3600
    assert list(docker_bench.runtime.logs(shown.id, until_s=until_s)) == []


def test_a_log_that_nobody_can_read_says_so(bench: Bench) -> None:
    """With the driver none there is no tail, and a reader is told what to choose instead."""
    container_id = bench.started(log=LogSpec("none"))
    with pytest.raises(RuntimeFault, match="keeps nothing that Docker can read; give the task the driver json-file"):
        bench.runtime.logs(container_id)
    if not isinstance(bench.world, FakeWorld):
        assert bench.runtime.log_tail(container_id) == ()


def test_a_log_driver_that_the_host_lacks_is_named(bench: Bench) -> None:
    """NODE_LACKS with the driver's name, before anything was made."""
    with pytest.raises(PlanRefused, match=r"This host's Docker has no log driver nosuch, which .* asks for") as refusal:
        bench.runtime.create(bench.plan(log=LogSpec("nosuch")))
    assert refusal.value.reason.code is Code.NODE_LACKS
    assert bench.runtime.inspect(bench.plan().name) is None


def test_a_network_that_the_host_lacks_is_named(bench: Bench) -> None:
    """NODE_LACKS with the network's name and the command that makes it."""
    container_id = bench.runtime.create(bench.plan(network="nosuch-net"))
    with pytest.raises(StartRefused, match="This host's Docker has no network nosuch-net, which") as refusal:
        bench.runtime.start(container_id)
    assert refusal.value.reason.code is Code.NODE_LACKS
    assert "docker network create nosuch-net" in refusal.value.reason.sentence


def test_the_networks_there_are_stand_in_the_refusal(docker_bench: Bench, network: str) -> None:
    """Who mistyped a name sees the right one."""
    container_id = docker_bench.runtime.create(docker_bench.plan(network=f"{network}x"))
    with pytest.raises(StartRefused, match=rf"\(it has .*{network}"):
        docker_bench.runtime.start(container_id)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gpus": 1}, "has no driver for the GPUs that .* asks for"),
        ({"gpus": ["0"]}, "has no driver for the GPUs that .* asks for"),
        ({"sysctls": {"net.nosuch": 1}}, "has no sysctl net.nosuch, which .* asks for; leave it out"),
        ({"devices": [{"host": "/dev/nosuch"}]}, "There is no device /dev/nosuch on this host, which .*constraint"),
    ],
)
def test_what_a_host_lacks_is_refused_at_the_start(docker_bench: Bench, fields: dict[str, Any], said: str) -> None:
    """NODE_LACKS, since another host may have it, with the thing that is missing."""
    container_id = docker_bench.runtime.create(docker_bench.plan(**options(**fields)))
    with pytest.raises(StartRefused, match=said) as refusal:
        docker_bench.runtime.start(container_id)
    assert refusal.value.reason.code is Code.NODE_LACKS


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"user": "nosuch"}, "unable to find user nosuch.*change the spec"),
        ({"log": {"options": {"max-size": "10x"}}}, "invalid size.*10x.*change the spec"),
    ],
)
def test_what_no_host_can_do_is_refused_at_the_start(docker_bench: Bench, fields: dict[str, Any], said: str) -> None:
    """CREATE_REFUSED, never another code, with what to change."""
    container_id = docker_bench.runtime.create(docker_bench.plan(**options(**fields)))
    with pytest.raises(StartRefused, match=said) as refusal:
        docker_bench.runtime.start(container_id)
    assert refusal.value.reason.code is Code.CREATE_REFUSED


def test_the_hosts_network_is_the_hosts(docker_bench: Bench, free_port: int) -> None:
    """Nothing is published, the program's own port answers on the host, and the check asks 127.0.0.1."""
    ports = (Port(free_port, free_port),)
    fields = options(network="host", ports=[{"container": free_port}])
    server = ("sh", "-c", f"exec httpd -f -p {free_port} -h /")
    container_id = docker_bench.started(**{**fields, "command": server, "ports": ports})
    found = docker_bench.runtime.inspect(container_id)
    assert found is not None
    assert (found.network_mode, found.ports) == ("host", ())
    health = HealthSpec(http="/bin/", port=free_port, expect=(100, 599), timeout_s=5)
    wait_until(lambda: check(health, found, docker_bench.runtime).ok)
    assert check(HealthSpec(tcp=free_port, timeout_s=5), found, docker_bench.runtime).ok


def test_a_named_network_is_joined_and_checked(docker_bench: Bench, network: str) -> None:
    """The container is on that network alone, two of it know each other by name, and checks and ports reach it."""
    server = ("sh", "-c", "exec httpd -f -p 80 -h /")
    one = docker_bench.started("one", **{**options(network=network), "command": server, "ports": (Port(80, 0),)})
    found = docker_bench.runtime.inspect(one)
    assert found is not None
    assert found.network_mode == network
    wait_until(lambda: check(HealthSpec(tcp=80, timeout_s=5), found, docker_bench.runtime).ok)
    other = docker_bench.started("two", **options(network=network))
    script = f"nc -w 5 {found.name} 80 </dev/null"
    assert docker_bench.runtime.probe_command(other, ("sh", "-c", script), timeout_s=20).ok
    listed = {item.id: item for item in docker_bench.runtime.containers(docker_bench.cluster)}[one]
    assert (listed.network_mode, listed.ip) == (network, found.ip)
