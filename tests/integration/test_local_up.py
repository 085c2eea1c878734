"""`ormen up` as its user runs it: real processes, the real engine, and every way in which they may end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ormen.local.state import MARK, Run, StateFolder
from tests.waiting import wait_until

LONG_S = 110


class Machine:
    """A state folder and the command that works on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = StateFolder(folder)

    def ormen(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ormen.cli", *words, "--state-dir", str(self.folder.path)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("ORMEN_")}
        return subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False, env=env)

    def up(self, *words: str) -> Run:
        done = self.ormen("up", "-d", "--sailors", "1", "--no-flower", *words)
        assert done.returncode == 0, done.stderr
        run = self.folder.read()
        assert run is not None
        return run


def living(run: Run) -> list[str]:
    """Return what still runs of a cluster: its processes and whatever those started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == run.up.mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    """A place for a cluster; whatever runs there ends with the test."""
    made = Machine(tmp_path / "state")
    yield made
    made.ormen("down", "--purge", "-y")


@pytest.mark.timeout(240)
def test_up_and_down_leave_the_state_and_nothing_else(machine):
    """Each step is told; a second `up` is refused; after `down` no process is left, and the data is."""
    run = machine.up()
    assert {"redis", "deck", "control", "beat", "node-1"} == set(run.children)
    refused = machine.ormen("up")
    assert refused.returncode == 4
    assert f"already runs from {machine.folder.path}: pid {run.up.pid}" in refused.stderr
    down = machine.ormen("down")
    assert down.returncode == 0, down.stderr
    assert "✓ sailors   1 stopped" in down.stderr
    assert "✓ redis     saved and stopped" in down.stderr
    assert living(run) == []
    assert (machine.folder.path / "redis" / "appendonlydir").is_dir()
    assert "Nothing runs from" in machine.ormen("down").stderr


@pytest.mark.timeout(240)
def test_a_killed_up_takes_its_processes_with_it_and_down_cleans_up(machine):
    """Kill -9 leaves no process and holds no port; `down` says what it found."""
    run = machine.up()
    os.kill(run.up.pid, signal.SIGKILL)
    wait_until(lambda: not living(run), what=f"for {living(run)}")
    down = machine.ormen("down")
    assert down.returncode == 0
    assert f"The up of this cluster (pid {run.up.pid}) was killed" in " ".join(down.stderr.split())


@pytest.mark.timeout(240)
def test_each_process_that_is_killed_is_back(machine):
    """Whichever dies, the cluster answers again with the same parts."""
    run = machine.up()
    for name in run.children:
        os.kill(run.children[name].pid, signal.SIGKILL)

    def back() -> bool:
        now = machine.folder.read()
        return now is not None and all(
            now.children[n].alive and now.children[n] != run.children[n] for n in run.children
        )

    wait_until(back, timeout_s=60)
    status = [sys.executable, "-m", "ormen.cli", "-m", run.url, "mast", "-o", "json"]

    def ready() -> bool:
        shown = subprocess.run(status, capture_output=True, text=True, check=False, timeout=LONG_S)
        return shown.returncode == 0 and [node["state"] for node in json.loads(shown.stdout)] == ["ready"]

    wait_until(ready, timeout_s=60)


def test_an_up_that_cannot_have_its_port_starts_nothing(machine):
    """The error names who holds it, and no state is left running."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = machine.ormen("up", "--port", str(port))
    assert done.returncode == 4
    assert f"pid {os.getpid()}" in " ".join(done.stderr.split())
    assert "[PORT_IN_USE]" in done.stderr
    assert machine.folder.read() is None
