"""The state folder of a cluster on one machine: who runs it now, what it told, where its parts keep their things.

::

    lock              held (flock) by the `up` that runs this cluster
    run.json          its pid, address and children, each pid with the start of its process
    progress.jsonl    what it shows, for `up --detach` and `down` in other processes
    redis/            data, password and configuration of the embedded Redis
    agents/           what the agents remember of this host
    logs/             one file for each child, rotated
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ormen.local.failure import TAKEN, WRONG_USE, LocalFailure
from ormen.local.processes import identity

MARK = "ORMEN_RUN"
"""The variable by which every process of a run, and whatever those start, can be told from others."""


def default_folder(env: Mapping[str, str]) -> Path:
    """Return the user's state folder for ormen (XDG_STATE_HOME, by default ``~/.local/state``)."""
    base = env.get("XDG_STATE_HOME") or ""
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state") / "ormen"


def shown(path: Path) -> str:
    """Return the path as a person writes it: ``~/.local/state/ormen``."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was written down; `alive` only while that very process lives, not another with its pid."""

    pid: int
    identity: str | None

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process that has this pid now."""
        return cls(pid, identity(pid))

    @property
    def mark(self) -> str:
        """Return what no other process was, or will be, called."""
        return f"{self.pid}:{self.identity}"

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self.identity is not None and identity(self.pid) == self.identity


@dataclass(frozen=True, slots=True)
class Run:
    """Who runs the cluster: the `up` process, the deck's URL, its children by name."""

    up: Process
    url: str = ""
    children: Mapping[str, Process] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "pid": self.up.pid,
            "identity": self.up.identity,
            "url": self.url,
            "children": {name: [child.pid, child.identity] for name, child in self.children.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        """Return the run that `to_json` wrote."""
        children = {name: Process(*pair) for name, pair in data["children"].items()}
        return cls(Process(data["pid"], data["identity"]), data["url"], children)


class StateFolder:
    """One cluster's folder; made on first use, for its owner's eyes only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def progress(self) -> Path:
        """Return the file of what the running `up` shows."""
        return self.path / "progress.jsonl"

    @property
    def is_known(self) -> bool:
        """Return whether a cluster was ever started from this folder, and not forgotten since."""
        return (self.path / "lock").exists()

    def log(self, name: str) -> Path:
        """Return the log file of a child."""
        return self.path / "logs" / f"{name}.log"

    def take(self, what: str) -> None:
        """Hold the folder until this process ends; raise `LocalFailure` that names the one who holds it."""
        holder = self.take_or_holder()
        if holder is not None:
            raise LocalFailure(
                f"{what} already runs from {shown(self.path)}: {holder}",
                hint="stop it with ormen down, or give this one another --state-dir",
                exit_code=TAKEN,
            )

    def take_or_holder(self) -> str | None:
        """Hold the folder and return None; or return who holds it: ``pid 812 (http://127.0.0.1:5555)``."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = self.try_take()
        except OSError as error:
            raise LocalFailure(
                f"no state can be kept in {shown(self.path)}: {str(error.strerror or error).lower()}",
                hint="give a folder that can be written to: --state-dir",
                exit_code=WRONG_USE,
            ) from None
        if held:
            return None
        run = self.read()
        address = f" ({run.url})" if run and run.url else ""
        return f"pid {run.up.pid}{address}" if run and run.up.alive else "another process"

    def try_take(self) -> bool:
        """Hold the folder if nobody does; return whether it is held now. The kernel lets go when the process ends."""
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def release(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> Run | None:
        """Return who runs, or ran, the cluster; None if nobody has or the file cannot be read."""
        try:
            return Run.from_json(json.loads((self.path / "run.json").read_text()))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, run: Run) -> None:
        """Write down who runs the cluster, in one step."""
        fresh = self.path / "run.json.new"
        fresh.write_text(json.dumps(run.to_json()))
        fresh.replace(self.path / "run.json")

    def clear(self) -> None:
        """Forget who ran it: an orderly end."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / "run.json").unlink()

    def forget(self) -> None:
        """Delete what ormen keeps here, and the folder itself if nothing else is in it."""
        for folder in (*(self.path / name for name in ("redis", "agents", "logs")), *self.path.glob("metrics-*")):
            shutil.rmtree(folder, ignore_errors=True)
        for name in ("run.json", "run.json.new", "progress.jsonl", "lock"):
            (self.path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
