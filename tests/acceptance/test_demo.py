"""scripts/demo: what a stranger sees first, and what is left of it."""

from __future__ import annotations

import contextlib
import signal

import docker
import pytest

from tests.acceptance.checkout import Checkout
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)


def containers(checkout: Checkout) -> int:
    """Return how many containers this checkout's demo has left or has now."""
    (label,) = [word for word in checkout.output.split() if word.startswith("demo=")]
    with contextlib.closing(docker.from_env()) as client:
        return len(client.containers.list(all=True, sparse=True, filters={"label": label}))


@pytest.mark.alone
def test_the_demo_shows_a_task_from_run_to_stop_and_leaves_nothing(checkout: Checkout) -> None:
    """The demo ends with status 0 within 20 s, has shown every step, and no process, container or state is left."""
    process = checkout.start("scripts/demo")
    assert process.wait(20) == 0, checkout.output
    shown = [line.split()[1:3] for line in checkout.output.splitlines() if line.startswith("$ ")]
    assert shown == [["ormen", verb] for verb in ("up", "run", "status", "mast", "stop", "rm", "down")]
    assert "healthy" in checkout.output
    assert "says: Hello from" in checkout.output
    assert containers(checkout) == 0
    assert checkout.left() == []
    assert not (checkout.folder / ".cache" / "demo").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_cut_short_leaves_nothing(checkout: Checkout, number: signal.Signals) -> None:
    """Ctrl-C and kill -9 while the task runs: within seconds no process and no container of it is left."""
    process = checkout.start("scripts/demo")
    wait_until(lambda: "says: Hello from" in checkout.output, timeout_s=60, what=f"for the page: {checkout.output}")
    assert containers(checkout) == 1
    process.send_signal(number)
    assert process.wait(30) != 0
    wait_until(lambda: checkout.left() == [], timeout_s=30)
    wait_until(lambda: containers(checkout) == 0)


def test_a_kept_demo_can_be_used_and_taken_down(checkout: Checkout) -> None:
    """--keep leaves the cluster and its task up after the script has ended; --down takes both down."""
    assert checkout.start("scripts/demo", "--keep").wait(60) == 0, checkout.output
    assert containers(checkout) == 1
    assert any("worker_agent" in line for line in checkout.left())
    (checkout.folder / "output").rename(checkout.folder / "kept")
    assert checkout.start("scripts/demo", "--down").wait(60) == 0
    (checkout.folder / "kept").rename(checkout.folder / "output")
    assert containers(checkout) == 0
    assert checkout.left() == []


def test_a_wrong_word_is_refused(checkout: Checkout) -> None:
    """An argument that the demo does not know changes nothing and is named."""
    assert checkout.start("scripts/demo", "--kep").wait(20) == 1
    assert "--kep" in checkout.output
    assert not (checkout.folder / ".cache").exists()
