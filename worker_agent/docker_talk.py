"""Talks with containers of a Docker engine: the connection of an exec is taken over and carries bytes both ways."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ormen.reasons import Code, Reason
from ormen.talk import ERR, MOST_FRAME, OUT, Frame
from worker_agent import inside
from worker_agent.docker_disk import QUICK_S
from worker_agent.docker_gate import Ask, Gate, message
from worker_agent.runtime import ContainerGone, RuntimeFault
from worker_agent.talking import ExecPlan

UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
NOT_BEGUN = b"OCI runtime exec failed"
"""So begins what the engine prints in a program's place when it could not begin it."""
CANNOT, NOT_FOUND = 126, 127
ENDED_S = 2.0
"""How long a process may outlive its outputs before `exit_code` says that it goes on."""


class Line:
    """A connection to the engine that was taken over from HTTP; bytes that came with the answer's head are not lost."""

    def __init__(self, answer: Any) -> None:
        # As docker's own client does it: requests has no way to hand over the connection.
        self._answer = answer
        self._reader = answer.raw._fp.fp
        self._socket: socket.socket = self._reader.raw._sock
        self._socket.settimeout(None)

    def read(self, most: int) -> bytes:
        """Return what has come, waiting for the first byte; empty at the end."""
        try:
            found: bytes = self._reader.read1(most)
        except (OSError, ValueError):
            return b""
        return found

    def whole(self, size: int) -> bytes:
        """Return that many bytes, or as many as came before the end."""
        found = b""
        while len(found) < size and (piece := self.read(size - len(found))):
            found += piece
        return found

    def write(self, data: bytes) -> None:
        """Send; a line that has ended takes nothing."""
        with suppress(OSError):
            self._socket.sendall(data)

    def close_write(self) -> None:
        """Say that nothing more is sent."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the line; who waits in it is released."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._answer.close()
        # The answer has no length, so that closing it alone would leave the line open.
        with suppress(ValueError):
            self._reader.close()
        self._socket.close()


def printed(line: Line, *, tty: bool) -> Iterator[Frame]:
    """Yield what comes over a line. Without a terminal the engine says of each piece to which output it belongs."""
    while tty and (data := line.read(MOST_FRAME)):
        yield Frame(OUT, data)
    while not tty and len(head := line.whole(8)) == 8:
        left = int.from_bytes(head[4:], "big")
        while left and (data := line.read(min(left, MOST_FRAME))):
            left -= len(data)
            yield Frame(ERR if head[0] == 2 else OUT, data)


class DockerExec:
    """A command in a container. Not begun at all: it yields the engine's words as `ERR`, and 126 or 127 is its code."""

    def __init__(self, gate: Gate, exec_id: str, plan: ExecPlan, line: Line) -> None:
        self._gate = gate
        self._id = exec_id
        self._plan = plan
        self._line = line
        self._frames = self._read()
        self._code: int | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Return itself."""
        return self

    def __next__(self) -> Frame:
        """Return what is printed next; wait for it."""
        return next(self._frames)

    def write(self, data: bytes) -> None:
        """Hand input over."""
        self._line.write(data)

    def close_input(self) -> None:
        """End its input."""
        self._line.close_write()

    def resize(self, rows: int, columns: int) -> None:
        """Change its terminal's size; one that has ended has none."""
        self._gate.ask(Ask("POST", f"/exec/{self._id}/resize", {"h": rows, "w": columns}), timeout_s=QUICK_S)

    def signal(self, name: str) -> None:
        """Send its process a signal, where it can be seen from here."""
        state = self._begun()
        if state["Running"] and state["Pid"]:
            inside.send(state["Pid"], state["ContainerID"], signal.Signals[name])

    def exit_code(self) -> int | None:
        """Return its code."""
        deadline = time.monotonic() + ENDED_S
        while self._code is None:
            state = self._state()
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
        return self._code

    def end(self) -> bool:
        """End it by its number on this host; if that cannot be seen, tell its terminal, and close its input."""
        state = self._begun()
        if not state["Running"]:
            return True
        if state["Pid"] and inside.end(state["Pid"], state["ContainerID"]):
            return True
        if self._plan.tty:
            self._line.write(b"\x03\x04")
        self._line.close_write()
        return not self._state()["Running"]

    def close(self) -> None:
        """Let go of the connection."""
        self._line.close()

    def _read(self) -> Iterator[Frame]:
        for number, frame in enumerate(printed(self._line, tty=self._plan.tty)):
            if number == 0 and frame.data.startswith(NOT_BEGUN) and self._state()["ExitCode"] in (CANNOT, NOT_FOUND):
                self._code, sentence = not_begun(self._plan.command[0], frame.data.decode(errors="replace"))
                yield Frame(ERR, f"{sentence}\n".encode())
                return
            yield frame

    def _begun(self) -> Any:
        """Return its state once it has a number on the host, which it gets a moment after its start."""
        deadline = time.monotonic() + ENDED_S
        while (state := self._state())["Running"] and not state["Pid"] and time.monotonic() < deadline:
            time.sleep(0.02)
        return state

    def _state(self) -> Any:
        ask = Ask("GET", f"/exec/{self._id}/json")
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code == 404:  # its container was removed, and it with it
            return {"Running": False, "ExitCode": 137}
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        return answer.json()


def not_begun(program: str, said: str) -> tuple[int, str]:
    """Return code and sentence of a program that the engine could not begin; newer engines tell 127 by themselves."""
    if "chdir to cwd" in said:
        return CANNOT, f"{program}: the folder it is to run in is not in the container, or may not be entered"
    if "not found" in said or "no such file" in said:
        return NOT_FOUND, f"{program}: there is no such program in the container"
    if "permission denied" in said:
        return CANNOT, f"{program}: it may not be executed"
    return CANNOT, f"{program}: {' '.join(said.removeprefix(NOT_BEGUN.decode()).strip(': ').split())}"


class DockerTalk:
    """The part of the Docker runtime that lets somebody talk with containers."""

    _gate: Gate

    def exec(self, container_id: str, plan: ExecPlan) -> DockerExec:
        """Begin a command in a container."""
        body = {
            "Cmd": list(plan.command),
            "AttachStdin": plan.stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": plan.tty,
            "Env": [f"{name}={value}" for name, value in plan.env.items()],
            **({"User": plan.user} if plan.user else {}),
            **({"WorkingDir": plan.workdir} if plan.workdir else {}),
        }
        made = self._talked(Ask("POST", f"/containers/{container_id}/exec", body=body), container_id)
        exec_id = made.json()["Id"]
        ask = Ask(
            "POST", f"/exec/{exec_id}/start", body={"Detach": False, "Tty": plan.tty}, headers=UPGRADE, stream=True
        )
        return DockerExec(self._gate, exec_id, plan, Line(self._talked(ask, container_id)))

    def _talked(self, ask: Ask, container_id: str) -> Any:
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code in (404, 409):
            sentence = f"Container {container_id[:12]} does not run: {message(answer)}."
            raise ContainerGone(Reason(Code.INTERRUPTED, sentence))
        if answer.status_code == 400:
            raise RuntimeFault(Reason(Code.CREATE_REFUSED, f"Docker refuses it: {message(answer)}."))
        if answer.status_code not in (101, 200, 201):
            raise self._gate.unexpected(ask, answer)
        return answer
