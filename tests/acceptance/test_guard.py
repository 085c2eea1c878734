"""The guard of scripts/demo and scripts/test: nothing that they start outlives them, however they end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import psutil
import pytest

from tests.waiting import wait_until

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
pytestmark = pytest.mark.timeout(90)

DETACHED = """
setsid setsid sleep 4001 &
env -i setsid sleep 4002 &
(trap '' TERM; exec sleep 4003) &
touch "$TMPDIR/file" started
"""
"""Three ways to hide from whoever started you: another session, an empty environment, deafness to SIGTERM."""


class Checkout:
    """A folder with the scripts and one guarded script of the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []
        shutil.copytree(SCRIPTS, folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))

    def start(self, body: str) -> subprocess.Popen[bytes]:
        """Start a guarded script, and return once it has touched the file `started`."""
        script = self.folder / "scripts" / "guarded"
        script.write_text(f'cd "$(dirname "$0")/.." && . scripts/lib.sh\nguarded bash scripts/guarded\n{body}\n')
        process = subprocess.Popen(["bash", script], start_new_session=True)
        self.started.append(process)
        wait_until(lambda: (self.folder / "started").exists() or process.poll() is not None)
        return process

    def left(self) -> list[str]:
        """Return the command lines that still run in this folder, and the runs' folders that are still there."""
        running = []
        for process in psutil.process_iter(["cwd", "cmdline", "status"]):
            inside = (process.info["cwd"] or "").startswith(str(self.folder))
            if inside and process.info["status"] != psutil.STATUS_ZOMBIE:
                running.append(" ".join(process.info["cmdline"] or ()))
        return running + [str(path) for path in (self.folder / ".cache" / "runs").glob("*")]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout of its own, so that its runs are nobody else's."""
    there = Checkout(tmp_path)
    yield there
    for process in there.started:
        process.kill()
        process.wait()


def test_what_a_command_leaves_running_ends_with_it(checkout: Checkout) -> None:
    """A command that ends by itself keeps its exit status, and what it left running is gone when it returns."""
    process = checkout.start(DETACHED + "exit 7")
    assert process.wait(20) == 7
    assert checkout.left() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_leaves_nothing(checkout: Checkout, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the command and all it has started, and the exit status says so."""
    process = checkout.start(DETACHED + "sleep 4000")
    process.send_signal(number)
    assert process.wait(20) == code
    assert checkout.left() == []


def test_a_killed_command_leaves_nothing(checkout: Checkout) -> None:
    """After kill -9 of the command itself, all that it has started is gone within seconds."""
    process = checkout.start(DETACHED + "sleep 4000")
    assert len(checkout.left()) >= 4
    process.kill()
    wait_until(lambda: checkout.left() == [])


def test_a_killed_inner_shell_leaves_nothing(checkout: Checkout) -> None:
    """A kill -9 of the script's own shell, below the guard, ends the rest too, and is the exit status."""
    process = checkout.start(DETACHED + "echo $$ > inner; sleep 4000")
    wait_until(lambda: (checkout.folder / "inner").exists())
    os.kill(int((checkout.folder / "inner").read_text()), signal.SIGKILL)
    assert process.wait(20) == 137
    assert checkout.left() == []


def test_a_stranger_is_spared(checkout: Checkout) -> None:
    """A process that the command has not started lives on, though it looks the same."""
    stranger = subprocess.Popen(["sleep", "4001"], cwd=checkout.folder, start_new_session=True)
    process = checkout.start(DETACHED + "sleep 4000")
    process.kill()
    wait_until(lambda: checkout.left() == ["sleep 4001"])
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_what_is_kept_on_purpose_lives_on(checkout: Checkout) -> None:
    """A command that succeeds and leaves the file `keep` hands its processes over."""
    process = checkout.start('setsid sleep 4004 & echo $! > kept; touch started "$ORMEN_RUN_DIR/keep"')
    assert process.wait(20) == 0
    kept = psutil.Process(int((checkout.folder / "kept").read_text()))
    assert kept.status() != psutil.STATUS_ZOMBIE
    kept.kill()
    wait_until(lambda: checkout.left() == [])


def test_containers_and_networks_of_the_announced_label_are_removed(checkout: Checkout) -> None:
    """What carries a label of the file $ORMEN_SWEEP goes, and what carries another stays."""
    (checkout.folder / ".venv").symlink_to(SCRIPTS.parent / ".venv")
    client = docker.from_env()
    theirs = client.containers.run("ormen/echo:1", detach=True, labels={"ormen.guard-test": "theirs"})
    label = f"ormen.guard-test={checkout.folder.name}-{os.getpid()}"
    process = checkout.start(f'echo {label} >> "$ORMEN_SWEEP"; touch started; sleep 4000')
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
