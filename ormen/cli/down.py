"""`ormen down`: take a cluster on this machine down, also one whose `up` was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ormen.cli.drawing import Screen, screen
from ormen.cli.errors import ended
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.session import is_terminal
from ormen.local.detach import show_end
from ormen.local.failure import FAILED, WRONG_USE, LocalFailure
from ormen.local.leftovers import clear_leftovers
from ormen.local.logs import Follower
from ormen.local.stage import Failure, Remark, Result
from ormen.local.state import Run, StateFolder, default_folder, shown

if TYPE_CHECKING:
    from ormen.client import Client
    from ormen.transport import Document

LONGEST_S = 240.0
"""How long `up` may take to go down: its containers' graces, then its own parts."""
REMOVED_S = 150.0
"""How long the containers may take to be gone, each of which has its own grace: as long as for a `down`."""
ENDING_S = 15.0
"""How long an `up` may still be there when its deck or an agent has gone already."""
AT_ONCE = 16
"""Removals that are waited for at once: as many as an agent stops."""


@click.command(
    cls=Command,
    usage=("[OPTIONS]",),
    help="Stop the cluster of this machine with its containers, and keep its state:\normen up starts its tasks again.",
    examples=("ormen down", "ormen down --keep-containers", "ormen down --purge -y"),
)
@option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where its state is kept  [~/.local/state/ormen]",
)
@option("--keep-containers", is_flag=True, help="Leave the containers running")
@option("--purge", is_flag=True, help="Then forget everything: tasks, events, logs")
@option("-y", "--yes", is_flag=True, help="Do not ask back")
@common
@click.pass_context
def down(ctx: click.Context, state_dir: Path | None, keep_containers: bool, purge: bool, yes: bool) -> None:
    """Stop the cluster of this machine and keep its state."""
    session = session_of(ctx)
    chosen = state_dir or Path(os.environ.get("ORMEN_STATE_DIR") or default_folder(os.environ))
    folder = StateFolder(chosen.absolute())
    drawn = screen(session)
    try:
        if purge and keep_containers:
            raise LocalFailure(
                "--purge forgets the tasks, and --keep-containers would leave their containers to nobody",
                hint="choose one of the two",
                exit_code=WRONG_USE,
            )
        if purge:
            _ask(folder, yes=yes)
            _remove_all(folder, drawn)
        bring_down(folder, drawn, keep_containers=keep_containers)
        if purge and folder.is_known:
            _forget(folder)
            drawn.tell(Result(f"Forgotten: {shown(folder.path)}.", _facts("forgotten", folder)))
    except LocalFailure as error:
        drawn.tell(Failure.of(error))
        code = error.exit_code
    else:
        code = 0
    finally:
        drawn.close()
    if code:
        ended(code)


def bring_down(folder: StateFolder, drawn: Screen, *, keep_containers: bool) -> None:
    """Ask the `up` of this folder to go down and show what it tells; clean up if there is none any more."""
    if not folder.is_known:
        why = "no cluster was ever started there" if folder.path.is_dir() else "there is no such folder"
        drawn.tell(Result(f"Nothing runs from {shown(folder.path)}: {why}.", _facts("nothing", folder)))
        return
    if folder.try_take():
        try:
            drawn.tell(_clear(folder))
        finally:
            folder.release()
        return
    run = folder.read()
    if run is None or not run.up.alive:
        raise LocalFailure(
            f"the cluster of {shown(folder.path)} is just starting or ending",
            hint="repeat the command in a moment",
            exit_code=FAILED,
        )
    follower = Follower(folder.progress, offset=folder.progress.stat().st_size)
    os.kill(run.up.pid, signal.SIGUSR2 if keep_containers else signal.SIGTERM)
    _await_end(run, drawn, follower)


def _await_end(run: Run, drawn: Screen, follower: Follower) -> None:
    deadline = time.monotonic() + LONGEST_S
    while run.up.alive:
        show_end(follower, drawn)
        drawn.tick()
        time.sleep(0.1)
        if time.monotonic() > deadline:
            raise LocalFailure(
                f"the cluster is not down after {LONGEST_S:.0f}s; pid {run.up.pid} still runs",
                hint=f"kill -9 {run.up.pid}, then ormen down again: the containers run on",
                exit_code=FAILED,
            )
    show_end(follower, drawn)


def _clear(folder: StateFolder) -> Result:
    """End what a killed `up` may have left, and say what was done."""
    run = folder.read()
    if run is None:
        return Result(f"Nothing runs from {shown(folder.path)}.", _facts("nothing", folder))
    left = len(clear_leftovers(run))
    folder.clear()
    processes = "none of its processes is left"
    if left:
        processes = (
            "one of its processes was left and is ended" if left == 1 else f"{left} processes were left and are ended"
        )
    text = (
        f"The up of this cluster (pid {run.up.pid}) was killed; {processes}. "
        "Its containers run on; ormen up takes them over again."
    )
    return Result(text, _facts("cleared", folder))


def _facts(outcome: str, folder: StateFolder) -> dict[str, Any]:
    return {"outcome": outcome, "state_dir": str(folder.path)}


def _ask(folder: StateFolder, *, yes: bool) -> None:
    if yes or not folder.is_known:
        return
    if not is_terminal(sys.stdin):
        raise LocalFailure(
            f"--purge forgets every task of {shown(folder.path)} and asks before it does",
            hint="say so with -y",
            exit_code=WRONG_USE,
        )
    if not click.confirm(f"Forget every task, event and log of {shown(folder.path)}?", err=True):
        raise click.Abort


def _wake(folder: StateFolder, drawn: Screen) -> None:
    """Start a cluster that does not run: only its own agents remove its containers, and only by its records."""
    run = folder.read()
    if not (folder.path / "redis").is_dir() or (run is not None and run.up.alive):
        return
    drawn.tell(Remark("it does not run: it is started once more, to remove its containers"))
    command = [sys.executable, "-m", "ormen.cli", "up", "--detach", "--no-flower", "--state-dir", str(folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalFailure(
            f"the cluster of {shown(folder.path)} cannot be started to remove its containers, so nothing is forgotten",
            hint="cure that, or delete the folder by hand; containers may be left, labelled ormen.cluster",
            exit_code=done.returncode,
            evidence=tuple(done.stderr.splitlines()[-5:]),
        )


def _remove_all(folder: StateFolder, drawn: Screen) -> None:
    """Have a living cluster remove every task, so that no container outlives the record that says whose it is.

    A `down` that was under way takes deck and agents from under it: then the cluster is started once more.
    """
    from ormen.client import Client
    from ormen.errors import OrmenError

    for last in (False, True):
        _wake(folder, drawn)
        run = folder.read()
        if run is None or not run.up.alive or not run.url:
            return
        left: list[str] = []
        trouble: OrmenError | None = None
        try:
            left = _remove_tasks(Client(run.url, os.environ.get("ORMEN_TOKEN") or None))
        except OrmenError as error:
            trouble = error
        if (left or trouble) and not last and _ends(run):
            continue
        if trouble:
            raise LocalFailure(
                f"not every task could be removed, so nothing is forgotten: {trouble}",
                hint="once that is cured, ormen down --purge again",
                exit_code=FAILED,
            ) from trouble
        if left:
            drawn.tell(Remark(f"not removed: {', '.join(left)}; containers may be left there, labelled ormen.cluster"))
        return


def _remove_tasks(client: Client) -> list[str]:
    """Remove every task; return the name and the node of each whose container may be left."""
    from ormen.errors import TaskNotFound

    deadline = time.monotonic() + REMOVED_S
    ready = {node["name"] for node in client.nodes() if node["state"] == "ready"}

    def is_left(task: Document) -> bool:
        reached = task["node"] in ready
        wait_s = max(1.0, deadline - time.monotonic()) if reached else 0.0
        try:
            answer = client.remove(task["id"], force=True, wait_s=wait_s)
        except TaskNotFound:
            # Somebody else has removed it since it was listed.
            return False
        return answer is not None or (task["node"] is not None and not reached)

    tasks = list(client.tasks())
    with ThreadPoolExecutor(AT_ONCE) as threads:
        left = threads.map(is_left, tasks)
        return [f"{task['name']} ({task['node']})" for task, is_there in zip(tasks, left, strict=True) if is_there]


def _ends(run: Run) -> bool:
    """Return whether the `up` of a cluster, whose deck or agents have gone, is ending."""
    deadline = time.monotonic() + ENDING_S
    while run.up.alive and time.monotonic() < deadline:
        time.sleep(0.1)
    return not run.up.alive


def _forget(folder: StateFolder) -> None:
    folder.take("a cluster")
    folder.forget()
    folder.release()
