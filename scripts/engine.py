"""Find a Docker engine that answers, or run a private one: ``engine.py find | start | keep | stop``.

`find` and `start` print the engine's address for DOCKER_HOST. The private engine is started only by `start`, as
root, when no other answers; `keep` makes it outlive the guards (guard.py) that would stop it. Its images and
containers live in ``.cache/engine`` and its sockets in ``/run`` (a socket's path may not exceed 107 bytes, and a
checkout's may); both are gone after `stop`. It begins empty each time, so nothing that a killed run has left can
disturb it. Only the standard library is used: this runs before ``.venv`` is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache" / "engine"
RUN = Path("/run") / f"ormen-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
OWN = f"unix://{RUN}/docker.sock"
KEEP = HOME / "keep"
START_TIMEOUT_S = 30.0


def why_silent(address: str) -> str | None:
    """Return None if the engine at that address answers its ping, else the reason in a few words."""
    parts = urlsplit(address)
    if parts.scheme not in ("unix", "tcp"):
        return None  # ssh and the like: the library that speaks them will tell
    connection = http.client.HTTPConnection(parts.hostname or "docker", parts.port or 2375, timeout=3)
    try:
        if parts.scheme == "unix":
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(3)
            connection.sock.connect(parts.path)
        connection.request("GET", "/_ping")
        return None if connection.getresponse().status in (200, 400) else "its ping fails"  # 400: it wants TLS
    except OSError as fault:
        return (fault.strerror or str(fault)).lower()
    finally:
        connection.close()


def find() -> str | None:
    """Return the address of the engine to use, None if there is none; a configured one that is silent is an error."""
    configured = os.environ.get("DOCKER_HOST")
    if configured:
        reason = why_silent(configured)
        if reason:
            fail(f"the Docker engine of DOCKER_HOST, {configured}, does not answer: {reason}.", "unset it, or start it")
        return configured
    rootless = f"unix://{os.environ['XDG_RUNTIME_DIR']}/docker.sock" if os.environ.get("XDG_RUNTIME_DIR") else None
    for address in ("unix:///var/run/docker.sock", rootless, OWN):
        if address and why_silent(address) is None:
            return address
    return None


def start() -> str:
    """Return the address of an engine that answers, starting the private one if none does."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find() or _start_own()


def _start_own() -> str:
    reason = why_silent("unix:///var/run/docker.sock")
    if os.geteuid() != 0:
        remedy = "join the group docker and log in again" if reason == "permission denied" else "start Docker"
        fail(f"no Docker engine answers at /var/run/docker.sock: {reason}.", f"{remedy}, set DOCKER_HOST, or be root")
    if shutil.which("dockerd") is None:
        fail("no Docker engine answers and dockerd is not installed.", "install docker.io, or set DOCKER_HOST")
    stop()
    say(f"none answers at /var/run/docker.sock ({reason}): starting one with its data in {HOME.relative_to(ROOT)}")
    _launch()
    return OWN


def _launch() -> None:
    exec_root, log = RUN / "exec", HOME / "dockerd.log"
    exec_root.mkdir(parents=True)
    command = ["dockerd", "--data-root", HOME / "data", "--exec-root", exec_root, "--pidfile", RUN / "docker.pid"]
    # A namespace of its own, should the machine's containerd be running: dockerd then uses that one.
    command += ["--host", OWN, "--log-level", "warn", "--containerd-namespace", RUN.name]
    environment = {key: value for key, value in os.environ.items() if key not in ("ORMEN_GUARD", "TMPDIR")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while why_silent(OWN) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            last = "\n  ".join(log.read_text(errors="replace").splitlines()[-5:])
            stop()
            fail(
                f"the Docker engine did not start; its last words:\n  {last}", "start one yourself, or set DOCKER_HOST"
            )
        time.sleep(0.05)


def stop() -> None:
    """End the private engine, its containers and mounts, and delete its files; also what a killed run has left."""
    if not (HOME / "data").exists() and not RUN.exists():
        return
    daemon = _daemon()
    if daemon is not None:
        tell([daemon], signal.SIGTERM)  # it stops its containers in order, and unmounts
        _wait_gone([daemon], 15)
    left = family(ours())
    tell(left, signal.SIGKILL)
    _wait_gone(left, 5)
    for place in (RUN, HOME / "data"):
        clear(place)
    KEEP.unlink(missing_ok=True)


def clear(place: Path) -> None:
    """Unmount what is mounted on a folder or file and beneath it, and delete it."""
    for mount in sorted(_mounts(str(place)), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _daemon() -> int | None:
    """Return the private dockerd's pid. A stale pid file may name a stranger, so its command line must fit."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((RUN / "docker.pid").read_text())
        if pid in ours():
            return pid
    return None


def ours() -> list[int]:
    """Return the processes that work in the private engine's folders: dockerd, containerd and its shims."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            engine = os.path.basename(words[0]) in ("dockerd", "containerd", "docker-proxy", "containerd-shim-runc-v2")
            if engine and any(str(RUN) + "/" in word or RUN.name == word for word in words):
                found.append(int(entry.name))
    return found


def family(pids: list[int]) -> list[int]:
    """Return these processes and all their descendants: a shim's children are the containers."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    family = list(pids)
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member and pid not in family]
    return family


def tell(pids: list[int], number: signal.Signals) -> None:
    """Send the signal to those of the processes that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_gone(pids: list[int], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process still runs; one that has ended and is not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _mounts(place: str) -> list[str]:
    with open("/proc/self/mounts") as table:
        points = [line.split()[1].encode().decode("unicode_escape") for line in table]
    return [point for point in points if point == place or point.startswith(place + "/")]


def say(sentence: str) -> None:
    """Print a step's line as the shell scripts do."""
    print(f"  · {'docker':<9} {sentence}", file=sys.stderr)


def fail(sentence: str, remedy: str) -> None:
    """Print a sentence and its remedy, and end with status 1."""
    print(f"error: {sentence}\nhint:  {remedy}.", file=sys.stderr)
    sys.exit(1)


def main(arguments: list[str]) -> int:
    """Carry out the verb; return the exit code."""
    match arguments:
        case ["find"]:
            address = find()
            say(f"the engine at {address}" if address else "no engine answers; demo and test start one for themselves")
            print(address or "")
            return 0 if address else 1
        case ["start"]:
            print(start())
        case ["stop"]:
            stop()
        case ["keep"]:
            if RUN.exists():
                KEEP.touch()
        case _:
            fail("engine.py takes find, start, keep or stop.", "see its first lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
