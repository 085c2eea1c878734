"""The test bed itself: nothing of a host outlives the run that made it, however the run ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.checkout import ROOT, Checkout
from tests.cluster.hosts import Host
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(90)

MAKE_ONE = """
from pathlib import Path
from tests.cluster.hosts import RUN, Host
with Host("host7", 0, Path("data").absolute()) as host:
    host.own("running")
    Path("started").write_text(f"{RUN.name} {host.port}")
    input()
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout of the test's own, so that its guard is nobody else's."""
    found = Checkout(tmp_path)
    yield found
    found.close()


def left(name: str, folder: Path) -> list[str]:
    """Return what there is of a bed: processes, mounts, namespaces, folders."""
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    lines += Path("/proc/mounts").read_text().splitlines()
    found = [line for line in lines if name in line or f"{folder}/data" in line]
    return found + [str(path) for place in ("/run", "/run/netns") for path in Path(place).glob(f"{name}*")]


def test_a_killed_run_leaves_nothing_of_its_hosts(checkout: Checkout) -> None:
    """After kill -9 of a guarded run its engines, their mounts, containers, namespaces and cables are gone."""
    (checkout.folder / "make.py").write_text(MAKE_ONE)
    process = checkout.guarded(f"PYTHONPATH={ROOT} exec {sys.executable} make.py < <(sleep 4000)")
    name, port = (checkout.folder / "started").read_text().split()
    assert len(left(name, checkout.folder)) > 4
    process.kill()
    wait_until(lambda: checkout.left() == [] and left(name, checkout.folder) == [], timeout_s=30)
    wait_until(lambda: port not in psutil.net_if_addrs())


def test_a_failed_test_leaves_nothing_of_its_hosts(tmp_path: Path) -> None:
    """An exception inside the block takes the host away and passes through."""
    host = Host("host7", 0, tmp_path / "host7")

    def fail() -> None:
        with host:
            host.own("running")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert left(host.run.parent.name, host.folder) == []
    assert host.port not in psutil.net_if_addrs()
