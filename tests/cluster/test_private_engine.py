"""The private Docker engine of the scripts, started for real in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(120)

HIDE = 'mount --bind /dev/null "$(readlink -f /var/run/docker.sock)"; unset DOCKER_HOST; exec "$@"'
"""Makes the machine's own engine silent for the one command that follows, in a mount namespace of its own."""


class Machine:
    """A checkout with the scripts, on what looks like a machine without an engine."""

    def __init__(self, folder: Path, netns: str) -> None:
        self.folder = folder
        self.prefix = ["nsenter", f"--net=/run/netns/{netns}", "unshare", "--mount", "sh", "-c", HIDE, "sh"]
        shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "images", folder / "images")
        (folder / ".venv").symlink_to(ROOT / ".venv")

    def popen(self, script: str) -> subprocess.Popen[str]:
        """Start a bash script there."""
        return subprocess.Popen(
            [*self.prefix, "bash", "-ec", script], cwd=self.folder, stdout=subprocess.PIPE, text=True
        )

    def bash(self, script: str) -> str:
        """Run a bash script there; return what it prints."""
        process = self.popen(script)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output.strip()

    def left(self) -> list[str]:
        """Return what is there of an engine: processes, mounts, sockets, data."""
        name = self.bash("python3 -c 'import sys; sys.path.append(\"scripts\"); import engine; print(engine.RUN.name)'")
        lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
        found = [line for line in lines if name in line]
        found += [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]
        places = (Path("/run") / name, self.folder / ".cache" / "engine" / "data", self.folder / ".cache" / "runs")
        return found + [str(place) for place in places if place.is_dir() and any(place.iterdir())]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """One such machine; whatever the test leaves there is stopped."""
    netns = f"ormen-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", netns], check=True)
    there = Machine(tmp_path, netns)
    there.bash("ip link set lo up")
    yield there
    there.bash("python3 scripts/engine.py stop")
    subprocess.run(["ip", "netns", "delete", netns], check=True)


def test_where_no_engine_answers_one_is_started_and_then_used(machine: Machine) -> None:
    """The first `start` brings an engine up, the second finds it, and it builds and runs an image."""
    address = machine.bash("python3 scripts/engine.py start")
    assert machine.bash("python3 scripts/engine.py start") == address
    run = "from_env().containers.run('ormen/echo:1', 'busybox echo it runs', entrypoint='', remove=True)"
    build = f"export DOCKER_HOST={address}; .venv/bin/python scripts/image.py"
    assert "it runs" in machine.bash(f'{build}; .venv/bin/python -c "import docker; print(docker.{run})"')


def test_a_stopped_engine_leaves_nothing(machine: Machine) -> None:
    """After `stop` no process, mount, socket or image of the private engine is left."""
    machine.bash("python3 scripts/engine.py start")
    assert machine.left() != []
    machine.bash("python3 scripts/engine.py stop")
    assert machine.left() == []


def test_a_killed_engine_is_replaced(machine: Machine) -> None:
    """What kill -9 of dockerd leaves (pid file, containerd, a running container) does not hinder a new start."""
    address = machine.bash("python3 scripts/engine.py start")
    run = "import docker; docker.from_env().containers.run('ormen/echo:1', detach=True)"
    machine.bash(f'export DOCKER_HOST={address}; .venv/bin/python scripts/image.py; .venv/bin/python -c "{run}"')
    os.kill(int((Path(address.removeprefix("unix://")).parent / "docker.pid").read_text()), signal.SIGKILL)
    assert machine.bash("python3 scripts/engine.py start") == address
    machine.bash("python3 scripts/engine.py stop")
    assert machine.left() == []


def test_a_pid_file_that_names_a_stranger_harms_nobody(machine: Machine) -> None:
    """A stale pid file whose number now belongs to another process is not believed."""
    address = machine.bash("python3 scripts/engine.py start")
    pid_file = Path(address.removeprefix("unix://")).parent / "docker.pid"
    stranger = subprocess.Popen(["sleep", "4005"])
    pid_file.write_text(str(stranger.pid))
    machine.bash("python3 scripts/engine.py stop")
    assert stranger.poll() is None
    assert machine.left() == []
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_engine_ends_with_the_last_command_that_uses_it(machine: Machine, number: signal.Signals) -> None:
    """A guarded command's engine is stopped when the command ends, kill -9 included."""
    script = machine.folder / "scripts" / "guarded"
    lines = ("cd", ". scripts/lib.sh", "guarded bash scripts/guarded", "need_engine", "touch started", "sleep 4000")
    script.write_text("\n".join(lines).replace("cd\n", f"cd {machine.folder}\n"))
    with machine.popen("exec bash scripts/guarded") as process:
        wait_until((machine.folder / "started").exists, timeout_s=30)
        assert machine.left() != []
        process.send_signal(number)
    wait_until(lambda: machine.left() == [], timeout_s=30)
