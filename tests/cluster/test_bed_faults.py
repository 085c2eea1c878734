"""The hand that the test bed has on each part: every fault does what its name says, and can be healed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.living import IMAGE
from tests.cluster.bed import Bed
from tests.cluster.hosts import Host
from tests.cluster.proxy import Proxy
from tests.cluster.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis of the test's own."""
    found = Server(tmp_path / "redis")
    yield found
    found.stop()


def says(port: int, within_s: float = 0.3) -> str:
    """What a Redis without a login answers to PING on this port: ``refused`` or ``nothing`` where there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=within_s) as line:
            line.sendall(b"PING\r\n")
            return line.recv(99).decode() or "cut"
    except TimeoutError:
        return "nothing"
    except OSError:
        return "refused"


def test_a_line_passes_delays_swallows_and_refuses(server: Server) -> None:
    """A proxy lets pass, holds back, swallows and refuses, one after the other."""
    with Proxy(("127.0.0.1", server.port + 1), ("127.0.0.1", server.port)) as line:
        assert says(server.port + 1).startswith("-NOAUTH")
        line.delay(0.5)
        assert [says(server.port + 1), says(server.port + 1, 2)[:7]] == ["nothing", "-NOAUTH"]
        line.open()
        line.black_hole()
        assert says(server.port + 1) == "nothing"
        line.refuse()
        assert says(server.port + 1) == "refused"
        line.open()
        assert says(server.port + 1).startswith("-NOAUTH")


def test_redis_comes_back_with_its_file_its_file_cut_or_empty(server: Server) -> None:
    """What was written before the mark outlives a kill and a cut of the tail; nothing outlives the loss of the file."""
    client = server.client()
    client.set("early", 1)
    mark = server.mark()
    client.set("late", 1)
    for forget, left in ((lambda: None, 2), (lambda: server.forget_since(mark), 1), (server.forget_all, 0)):
        server.kill()
        forget()
        server.start()
        assert server.client().dbsize() == left


def test_a_host_without_power_has_no_process_and_comes_back_with_its_disk(tmp_path: Path) -> None:
    """Power off ends the engine and every container without a word; power on finds the container, exited."""
    with Host("host1", 7, tmp_path / "host1") as host:
        container = host.own("web")
        pid = container.attrs["State"]["Pid"]
        host.power_off()
        wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
        host.power_on()
        assert [(item.name, item.status) for item in host.containers()] == [("web", "exited")]


def test_a_full_disk_is_full_and_can_be_freed(tmp_path: Path) -> None:
    """On a host with a disk of its own a container cannot be made while the disk is full."""
    with Host("host1", 7, tmp_path / "host1", disk_mb=100) as host:
        host.fill_disk()
        with pytest.raises(Exception, match="no space left on device"):
            host.client.containers.create(IMAGE)
        host.free_disk()
        host.client.containers.create(IMAGE)


def test_a_hosts_clock_can_be_moved(fleet: Bed) -> None:
    """An agent's clock goes ahead while everybody else's stays, and the deck says by how much."""
    host = fleet.hosts[0]
    host.set_clock(100)
    try:
        fleet.rejoin(host)
        wait_until(lambda: 99_000 < fleet.node(host.name)["clock_skew_ms"] < 101_000)
    finally:
        host.reset_clock()
        fleet.rejoin(host)
    wait_until(lambda: abs(fleet.node(host.name)["clock_skew_ms"]) < 1000)
