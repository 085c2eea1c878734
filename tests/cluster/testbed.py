"""A bed for a person: held by a process in the background, which does what `scripts/testbed VERB` asks of it.

The holder listens on an abstract socket, which leaves no file, and answers only its own user. It ends, and takes the
bed away, at `down`, and when the guard above it is gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.living import ORMEN
from tests.cluster.bed import PARTS, Bed, bed
from tests.cluster.hosts import MOST_HOSTS, Host
from tests.waiting import wait_until

PLACE = "\0ormen-testbed-" + hashlib.sha256(str(Path.cwd()).encode()).hexdigest()[:16]
"""One for each checkout: the script goes to its top folder first."""
LOOK_S = 1.0
"""How often the holder looks whether its guard is still there."""
ASK_S = 60.0
DOWN_S = 90.0
USAGE = """scripts/testbed up [HOSTS]          Redis, a deck and hosts (3) in the background
scripts/testbed shell [HOST [COMMAND...]]   a shell on a host, or beside the deck
scripts/testbed cut|mend HOST       pull its cable, plug it in again
scripts/testbed off|on HOST         its power
scripts/testbed freeze|thaw|kill agent|engine HOST, or redis|api|control|beat
scripts/testbed heal                mend, wake and start again whatever is not whole
scripts/testbed down                take all away"""


class Refused(Exception):
    """What was asked cannot be done; the sentence says why."""


class Holder:
    """Does to a bed what it is asked."""

    def __init__(self, found: Bed) -> None:
        self.bed = found
        self.over = False
        self._verbs: dict[str, Callable[..., object]] = {
            "up": lambda: None,
            "where": self.where,
            "cut": lambda host: self._host(host).cut(),
            "mend": lambda host: self._host(host).mend(),
            "off": self._off,
            "on": self._on,
            "freeze": self._freeze,
            "thaw": self._thaw,
            "kill": self._kill,
            "heal": found.heal,
            "down": self._end,
        }

    def answer(self, words: Sequence[str]) -> dict[str, Any]:
        """Do what the words ask; return ``{"done": …}`` or ``{"refused": sentence}``."""
        verb = self._verbs.get(words[0])
        try:
            if verb is None:
                raise Refused(f"there is no {words[0]}; it is one of:\n{USAGE}")
            return {"done": verb(*words[1:])}
        except Refused as refused:
            return {"refused": str(refused)}
        except (TypeError, ValueError, AssertionError, psutil.Error) as fault:
            return {"refused": f"{' '.join(words)}: {fault or type(fault).__name__}"}

    def where(self, name: str = "") -> dict[str, Any]:
        """Return what a shell on a host needs, its namespace and its variables; without a name, one beside the deck."""
        host = self._host(name) if name else None
        manager = f"{host.gateway if host else '127.0.0.1'}:{self.bed.port}"
        variables = {"ORMEN_MANAGER": manager, "ORMEN_TOKEN": self.bed.token}
        variables |= {"DOCKER_HOST": host.socket} if host else {}
        names = [each.name for each in self.bed.hosts]
        return {"netns": host.netns if host else None, "environment": variables, "hosts": names}

    def _host(self, name: str) -> Host:
        for host in self.bed.hosts:
            if host.name == name:
                return host
        raise Refused(f"there is no host {name}; there are {', '.join(host.name for host in self.bed.hosts)}")

    def _off(self, name: str) -> None:
        host = self._host(name)
        if host.daemon is None:
            raise Refused(f"{name} is off already")
        host.power_off()

    def _on(self, name: str) -> None:
        host = self._host(name)
        if host.daemon is not None:
            raise Refused(f"{name} is on")
        self.bed.power_on(host)

    def _freeze(self, what: str, name: str = "") -> None:
        self._part(what, name, engine="freeze_engine", number=signal.SIGSTOP)

    def _thaw(self, what: str, name: str = "") -> None:
        self._part(what, name, engine="thaw_engine", number=signal.SIGCONT)

    def _kill(self, what: str, name: str = "") -> None:
        if what == "engine":
            self._host(name).stop_engine(signal.SIGKILL)
            self._host(name).start_engine()
        elif what == "redis":
            self.bed.redis.kill()
            self.bed.redis.start()
        else:
            self._part(what, name, engine="", number=signal.SIGKILL)

    def _part(self, what: str, name: str, *, engine: str, number: signal.Signals) -> None:
        if what == "engine":
            getattr(self._host(name), engine)()
        elif what == "agent":
            self._host(name).agent.send_signal(number)
        elif what == "redis":
            assert self.bed.redis.process is not None
            self.bed.redis.process.send_signal(number)
        elif what in PARTS:
            part = self.bed.part(what)
            for each in [*part.children(recursive=True), part]:
                each.send_signal(number)
        else:
            raise Refused(f"there is no part {what}; it is agent or engine of a host, redis, {', '.join(PARTS)}")

    def _end(self) -> int:
        self.over = True
        return int(os.environ.get("ORMEN_GUARD", 0))


def hold(count: int) -> None:
    """Make the bed and serve until told to end, or until the guard is gone."""
    guard = os.getppid()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(PLACE)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bed-", ignore_cleanup_errors=True)))
        found = stack.enter_context(bed(folder, count=count, address="0.0.0.0", token=secrets.token_urlsafe(12)))
        holder = Holder(found)
        server.listen()
        server.settimeout(LOOK_S)
        while not holder.over and os.getppid() == guard:
            with contextlib.suppress(OSError):
                serve(server, holder)
    if os.getppid() != guard and "ORMEN_RUN_DIR" in os.environ:
        shutil.rmtree(os.environ["ORMEN_RUN_DIR"], ignore_errors=True)  # what the guard would have done


def serve(server: socket.socket, holder: Holder) -> None:
    """Answer the next who asks, if it is our own user."""
    line, _ = server.accept()
    with line:
        line.settimeout(LOOK_S)
        _, user, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user == os.geteuid():
            words = json.loads(line.makefile().readline())
            line.settimeout(ASK_S)
            line.sendall(json.dumps(holder.answer(words)).encode())


def ask(*words: str) -> Any:
    """Return what the holder answers; raise Refused with its sentence, or when there is none."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ASK_S)
        try:
            line.connect(PLACE)
        except OSError:
            raise Refused("no test bed is up; bring one up with: scripts/testbed up") from None
        line.sendall(json.dumps(words).encode() + b"\n")
        with line.makefile() as answers:
            answer = json.loads(answers.read() or '{"refused": "the bed has ended"}')
    if "refused" in answer:
        raise Refused(answer["refused"])
    return answer["done"]


def is_up() -> bool:
    """Return whether a holder answers."""
    try:
        ask("up")
    except Refused:
        return False
    return True


def shell(name: str = "", *command: str) -> None:
    """Become a shell on a host, or the command."""
    there = ask("where", name) if name else ask("where")
    netns = ["nsenter", f"--net=/run/netns/{there['netns']}"] if there["netns"] else []
    path = f"{Path(ORMEN).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **there["environment"], "PATH": path, "debian_chroot": name or "bed"}
    words = [*netns, *(command or [os.environ.get("SHELL", "/bin/sh")])]
    os.execvpe(words[0], words, environment)


def down() -> None:
    """Have all taken away, and return once it is."""
    guard = ask("down")
    wait_until(lambda: not psutil.pid_exists(guard), timeout_s=DOWN_S, what="for the bed to go")


def usage() -> str:
    """Return how a person goes on after `up`."""
    there = ask("where")
    lines = [f"  export {key}={value}" for key, value in there["environment"].items()]
    first = there["hosts"][0]
    return "\n".join(
        [
            f"A bed of {len(there['hosts'])} hosts is up: {', '.join(there['hosts'])}.",
            *lines,
            "",
            USAGE.replace(" HOST ", f" {first} "),
        ]
    )


def main(words: Sequence[str]) -> int:
    """Do what the words say; return the exit code."""
    try:
        match words:
            case ["hold", count]:
                hold(min(max(int(count), 1), MOST_HOSTS))
            case ["is-up"]:
                return 0 if is_up() else 1
            case ["usage"]:
                print(usage())
            case ["shell", *rest]:
                shell(*rest)
            case ["down"]:
                down()
            case [_, *_]:
                ask(*words)
            case _:
                print(USAGE)
                return 2
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
