"""A checkout of a test's own: what the scripts start from it can be told from everything else on the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """A folder with copies of the scripts and what they need; its environment is that of the real checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        for name in ("scripts", "images"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("setup.cfg", "constraints.txt"):
            shutil.copy(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(ROOT / ".venv")

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command in the folder, as a terminal would: in a session of its own. Its output goes to a file.

        It heeds Ctrl-C also if the tests themselves were started in the background, where shells have it ignored.
        """
        with (self.folder / "output").open("w") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, text=True, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip
        self.started.append(process)
        return process

    def guarded(self, body: str) -> subprocess.Popen[str]:
        """Start a guarded script, and return once it has touched the file `started`."""
        script = self.folder / "scripts" / "guarded"
        script.write_text(f'cd "$(dirname "$0")/.." && . scripts/lib.sh\nguarded bash scripts/guarded\n{body}\n')
        process = self.start("bash", script)
        wait_until(lambda: (self.folder / "started").exists() or process.poll() is not None)
        return process

    @property
    def output(self) -> str:
        """Return what the latest command has printed so far."""
        return (self.folder / "output").read_text()

    def left(self) -> list[str]:
        """Return the command lines that still run in this folder, and the runs' folders that are still there."""
        running = []
        for process in psutil.process_iter(["cwd", "cmdline", "status"]):
            inside = (process.info["cwd"] or "").startswith(str(self.folder))
            if inside and process.info["status"] != psutil.STATUS_ZOMBIE:
                running.append(" ".join(process.info["cmdline"] or ()))
        return running + [str(path) for path in (self.folder / ".cache" / "runs").glob("*")]

    def close(self) -> None:
        """End what a failed test has left; the guard does the rest, and a kept demo is taken down."""
        if (self.folder / ".cache" / "demo").exists():
            self.start("scripts/demo", "--down").wait(60)
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, 15)
            process.wait(30)
