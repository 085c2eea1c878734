"""A tap on the way to the engine: everything is passed on, and the moment is told in which each create call comes in.

    .venv/bin/python -m benchmarks.tap SOCKET ENGINE

Both are paths of sockets. A line is printed for each create: its time in ns since the epoch, and the container's name.
It is a process of its own, so that the benchmark's work does not delay its clock.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import engine, wait_until

CREATE = re.compile(rb"POST /v[\d.]+/containers/create\?name=([^ &]+)")
PIECE = 1 << 16


class Creates:
    """When create calls have come in, by the name of the container."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._times: dict[str, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            at, name = line.split()
            self._times[name] = int(at)

    def wait(self, name: str) -> int:
        """Return when the create call of this container came in, in ns since the epoch."""
        wait_until(lambda: name in self._times, what=f"the create of {name}")
        return self._times[name]


@contextlib.contextmanager
def tapped() -> Iterator[tuple[str, Creates]]:
    """Give the block the address of a tap on the engine and what it hears."""
    if not engine().startswith("unix://"):
        raise SystemExit(f"the tap needs an engine on a socket, not at {engine()}")
    with tempfile.TemporaryDirectory(prefix="ormen-tap-") as folder:
        path = Path(folder) / "docker.sock"
        command = [sys.executable, "-u", "-m", "benchmarks.tap", str(path), engine().removeprefix("unix://")]
        # A session of its own: Ctrl-C reaches the benchmark, which still needs the engine to clean up.
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            try:
                wait_until(path.exists, what="the tap's start")
                yield f"unix://{path}", Creates(process)
            finally:
                process.terminate()


def pump(source: socket.socket, target: socket.socket, *, tell: bool) -> None:
    """Pass on what comes until the end; `tell` looks for create calls."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            at = time.time_ns()
            target.sendall(piece)
            if tell and (found := CREATE.search(piece)):
                print(at, found[1].decode(), flush=True)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve(near: socket.socket, far: socket.socket) -> None:
    """Pass both ways until both ends have closed."""
    back = threading.Thread(target=pump, args=(far, near), kwargs={"tell": False}, daemon=True)
    back.start()
    pump(near, far, tell=True)
    back.join()
    near.close()
    far.close()


def main() -> None:
    """Listen until ended."""
    path, target = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(64)
        while True:
            near, _ = door.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(target)
            threading.Thread(target=serve, args=(near, far), daemon=True).start()


if __name__ == "__main__":
    main()
