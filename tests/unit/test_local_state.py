"""The state folder, and who holds it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ormen.local.failure import LocalFailure
from ormen.local.leftovers import clear_leftovers
from ormen.local.processes import identity
from ormen.local.state import MARK, Process, Run, StateFolder, default_folder, shown


def test_a_second_up_on_the_same_folder_is_refused(tmp_path):
    """The sentence names the folder and the holder, the hint both ways out."""
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    first.take("a cluster")
    first.write(Run(Process.of(os.getpid()), "http://127.0.0.1:5555"))
    with pytest.raises(LocalFailure, match=f"a cluster already runs from {tmp_path}: pid {os.getpid()}") as caught:
        second.take("a cluster")
    assert caught.value.exit_code == 4
    first.release()
    second.take("a cluster")
    second.release()


@pytest.mark.parametrize("inside", ["file/state", "file"])
def test_a_folder_that_cannot_be_made_is_wrong_use(tmp_path, inside):
    """The sentence names the folder and what the kernel says; nobody sees a stack trace."""
    (tmp_path / "file").touch()
    with pytest.raises(LocalFailure, match=f"no state can be kept in {tmp_path}/{inside}: ") as caught:
        StateFolder(tmp_path / inside).take("a cluster")
    assert caught.value.exit_code == 2


def test_what_goes_on_in_the_background_keeps_nothing_of_its_callers_open(tmp_path):
    """A shell that waits for the end of a pipe, as after ``2> >(tee log)``, gets it once `up -d` has returned."""
    code = (
        "import sys, time; from pathlib import Path; from ormen.local.detach import into_background\n"
        "print(pid, flush=True) if (pid := into_background(Path(sys.argv[1]))) else time.sleep(60)"
    )
    ours, theirs = os.pipe()
    command = [sys.executable, "-c", code, str(tmp_path / "up.log")]
    pid = int(subprocess.run(command, pass_fds=[theirs], stdout=subprocess.PIPE, check=True).stdout)
    os.close(theirs)
    try:
        assert select.select([ours], [], [], 5)[0] == [ours]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(ours)


def test_a_run_is_read_as_it_was_written(tmp_path):
    """Nothing is lost between `up` and `down`, which are two processes."""
    folder = StateFolder(tmp_path)
    run = Run(Process.of(os.getpid()), "http://127.0.0.1:5555", {"redis": Process.of(os.getppid())})
    folder.write(run)
    assert folder.read() == run
    folder.clear()
    assert folder.read() is None


def test_another_process_with_the_same_pid_is_not_taken_for_it():
    """A pid file is stale as soon as its process is gone, whoever has the number now."""
    assert Process.of(os.getpid()).alive
    assert not Process(os.getpid(), "another boot:1").alive
    assert not Process.of(2**22 + 1).alive


def test_leftovers_of_a_killed_run_are_ended_and_nothing_else_is(tmp_path):
    """Only what carries the run's mark is ours."""
    gone = Run(Process(2**22 + 1, "boot:1"))
    marked = subprocess.Popen(["/bin/sleep", "60"], env={MARK: gone.up.mark})
    stranger = subprocess.Popen(["/bin/sleep", "60"], env={MARK: "another"})
    try:
        assert clear_leftovers(gone) == [marked.pid]
        assert identity(marked.pid) is None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        marked.wait()


def test_forgetting_keeps_what_is_not_ours(tmp_path):
    """A state folder may be a folder of the user's: only what ormen keeps there goes."""
    folder = StateFolder(tmp_path / "mine")
    folder.take("a cluster")
    (folder.path / "redis").mkdir()
    (folder.path / "notes.txt").write_text("keep me")
    folder.forget()
    folder.release()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]


def test_the_folder_is_the_users_state_folder(monkeypatch):
    """XDG_STATE_HOME is honoured if it is absolute, as its specification asks."""
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_folder({"XDG_STATE_HOME": "/var/tmp/x"}) == Path("/var/tmp/x/ormen")
    assert shown(default_folder({"XDG_STATE_HOME": "relative"})) == "~/.local/state/ormen"


def test_the_lock_is_let_go_when_its_holder_is_killed(tmp_path):
    """No file is left that would keep the next `up` out."""
    script = (
        "import sys, time; from pathlib import Path; from ormen.local.state import StateFolder\n"
        "StateFolder(Path(sys.argv[1])).take('a cluster'); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        folder = StateFolder(tmp_path)
        assert not folder.try_take()
        holder.kill()
    assert folder.try_take()
    folder.release()
