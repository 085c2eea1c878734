"""The guard of scripts/demo and scripts/test: nothing that they start outlives them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import docker
import psutil
import pytest

from tests.acceptance.checkout import Checkout
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(90)

DETACHED = """
setsid setsid sleep 4001 &
env -i setsid sleep 4002 &
(trap '' TERM; exec sleep 4003) &
touch "$TMPDIR/file" started
"""
"""Three ways to hide from whoever started you: another session, an empty environment, deafness to SIGTERM."""


def test_what_a_command_leaves_running_ends_with_it(checkout: Checkout) -> None:
    """A command that ends by itself keeps its exit status, and what it left running is gone when it returns."""
    process = checkout.guarded(DETACHED + "exit 7")
    assert process.wait(20) == 7
    assert checkout.left() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_leaves_nothing(checkout: Checkout, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the command and all it has started, and the exit status says so."""
    process = checkout.guarded(DETACHED + "sleep 4000")
    process.send_signal(number)
    assert process.wait(20) == code
    assert checkout.left() == []


def test_a_killed_command_leaves_nothing(checkout: Checkout) -> None:
    """After kill -9 of the command itself, all that it has started is gone within seconds."""
    process = checkout.guarded(DETACHED + "sleep 4000")
    assert len(checkout.left()) >= 4
    process.kill()
    wait_until(lambda: checkout.left() == [])


def test_a_killed_inner_shell_leaves_nothing(checkout: Checkout) -> None:
    """A kill -9 of the script's own shell, below the guard, ends the rest too, and is the exit status."""
    process = checkout.guarded(DETACHED + "echo $$ > inner; sleep 4000")
    wait_until(lambda: (checkout.folder / "inner").exists())
    os.kill(int((checkout.folder / "inner").read_text()), signal.SIGKILL)
    assert process.wait(20) == 137
    assert checkout.left() == []


def test_a_stranger_is_spared(checkout: Checkout) -> None:
    """A process that the command has not started lives on, though it looks the same."""
    stranger = subprocess.Popen(["sleep", "4001"], cwd=checkout.folder, start_new_session=True)
    process = checkout.guarded(DETACHED + "sleep 4000")
    process.kill()
    wait_until(lambda: checkout.left() == ["sleep 4001"])
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_what_is_kept_on_purpose_lives_on(checkout: Checkout) -> None:
    """A command that succeeds and leaves the file `keep` hands its processes over."""
    process = checkout.guarded('setsid sleep 4004 & echo $! > kept; touch started "$ORMEN_RUN_DIR/keep"')
    assert process.wait(20) == 0
    kept = psutil.Process(int((checkout.folder / "kept").read_text()))
    assert kept.status() != psutil.STATUS_ZOMBIE
    kept.kill()
    wait_until(lambda: checkout.left() == [])


def test_containers_and_networks_of_the_announced_label_are_removed(checkout: Checkout) -> None:
    """What carries a label of the file $ORMEN_SWEEP goes, and what carries another stays."""
    client = docker.from_env()
    theirs = client.containers.run("ormen/echo:1", detach=True, labels={"ormen.guard-test": "theirs"})
    label = f"ormen.guard-test={checkout.folder.name}-{os.getpid()}"
    process = checkout.guarded(f'echo {label} >> "$ORMEN_SWEEP"; touch started; sleep 4000')
    key, _, value = label.partition("=")
    client.containers.run("ormen/echo:1", detach=True, labels={key: value})
    client.networks.create(value, labels={key: value})
    process.kill()
    wait_until(lambda: not client.containers.list(all=True, sparse=True, filters={"label": label}))
    wait_until(lambda: not client.networks.list(filters={"label": label}))
    theirs.reload()
    assert theirs.status == "running"
    theirs.remove(force=True)
    client.close()


def test_mounts_and_folders_of_the_announced_paths_are_removed(checkout: Checkout) -> None:
    """What a path of the file $ORMEN_SWEEP names is unmounted, with all beneath it, and deleted."""
    place = checkout.folder / "place"
    (place / "deep" / "in").mkdir(parents=True)
    mounted = f"mount -t tmpfs none {place}/deep && mkdir {place}/deep/in && mount -t tmpfs none {place}/deep/in"
    process = checkout.guarded(f'echo {place} >> "$ORMEN_SWEEP"; {mounted}; touch started; sleep 4000')
    process.kill()
    wait_until(lambda: checkout.left() == [] and not place.exists())
    assert str(place) not in Path("/proc/mounts").read_text()
