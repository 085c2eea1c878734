"""scripts/testbed: several hosts in a person's hand, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.checkout import ROOT, Checkout
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)


def tell(checkout: Checkout, *words: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/testbed with these words."""
    command = ["scripts/testbed", *words]
    return subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=100, check=False)


def holder(checkout: Checkout) -> psutil.Process:
    """Return the process that holds the checkout's bed."""
    words = ["-m", "tests.cluster.testbed", "hold"]
    processes = psutil.process_iter(["cwd", "cmdline"])
    mine = [process for process in processes if process.info["cwd"] == str(checkout.folder)]
    (found,) = [process for process in mine if (process.info["cmdline"] or [])[1:4] == words]
    return found


def traces(pid: int) -> list[str]:
    """Return the namespaces, cables and sockets that the holder with this pid has on the machine."""
    cables = [name for name in psutil.net_if_addrs() if name.startswith(f"orm{pid}-")]
    places = [*Path("/run").glob(f"ormen-hosts-{pid}"), *Path("/run/netns").glob(f"ormen-hosts-{pid}-*")]
    return [*cables, *map(str, places)]


@pytest.fixture
def bed(checkout: Checkout) -> Iterator[psutil.Process]:
    """The holder of a bed of one host."""
    (checkout.folder / "tests").symlink_to(ROOT / "tests")
    done = tell(checkout, "up", "1")
    assert done.returncode == 0, (done.stderr, (checkout.folder / ".cache" / "testbed.log").read_text())
    assert "export ORMEN_MANAGER=" in done.stdout
    yield holder(checkout)
    tell(checkout, "down")


def state(checkout: Checkout) -> str:
    """Return the state of the one host, as a shell there sees it with ormen's own command."""
    done = tell(checkout, "shell", "host7", "ormen", "mast", "-o", "json")
    return "lost" if '"state": "lost"' in done.stdout else "ready" if '"state": "ready"' in done.stdout else done.stderr


def test_a_person_has_hosts_in_hand(checkout: Checkout, bed: psutil.Process) -> None:
    """A shell on a host has its engine and its deck; a cut cable loses the host, and a mended one brings it back."""
    engines = tell(checkout, "shell", "host7", "sh", "-c", "docker info --format '{{.DockerRootDir}}'; ip -br link")
    assert engines.stdout.split()[0].endswith("host7/data"), engines
    assert "eth0" in engines.stdout
    assert state(checkout) == "ready"
    assert tell(checkout, "cut", "host7").returncode == 0
    wait_until(lambda: '"state": "lost"' in tell(checkout, "shell", "", "ormen", "mast", "-o", "json").stdout)
    assert tell(checkout, "mend", "host7").returncode == 0
    wait_until(lambda: state(checkout) == "ready", timeout_s=30)
    assert tell(checkout, "cut", "host9").stderr.startswith("error: there is no host host9; there are host7")
    assert tell(checkout, "down").returncode == 0
    assert (checkout.left(), traces(bed.pid)) == ([], [])


@pytest.mark.parametrize("who", ["holder", "guard"])
def test_a_killed_bed_leaves_nothing(checkout: Checkout, bed: psutil.Process, who: str) -> None:
    """A kill -9 of what holds the bed, or of its guard: processes, engines, namespaces and cables are gone."""
    assert traces(bed.pid)
    os.kill(bed.pid if who == "holder" else bed.ppid(), signal.SIGKILL)
    wait_until(lambda: not checkout.left() and not traces(bed.pid), timeout_s=60)
    assert tell(checkout, "down").stderr.startswith("error: no test bed is up")
