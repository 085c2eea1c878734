"""Commands in containers of a Docker engine: begun, spoken with, and ended, which Docker itself has no call for."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

from ormen.talk import ERR, Frame
from worker_agent import inside
from worker_agent.docker_disk import QUICK_S
from worker_agent.docker_gate import Ask, Gate
from worker_agent.docker_line import Line, framed
from worker_agent.talking import ExecPlan

NOT_BEGUN = b"OCI runtime exec failed"
"""So begins what the engine prints in a program's place when it could not begin it."""
CANNOT, NOT_FOUND = 126, 127
ENDED_S = 2.0
"""How long a process may outlive its outputs before `exit_code` says that it goes on."""


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
            # A process that reads nothing must not keep us from letting go of it.
            self._line.offer(b"\x03\x04")
        self._line.close_write()
        return not self._state()["Running"]

    def close(self) -> None:
        """Let go of the connection."""
        self._line.close()

    def _read(self) -> Iterator[Frame]:
        for number, frame in enumerate(framed(self._line, tty=self._plan.tty)):
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
