"""Talks with containers of a Docker engine: commands in them, their own streams, their logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ormen.reasons import Code, Reason
from ormen.talk import Frame
from worker_agent.docker_copy import CopyIn, CopyOut
from worker_agent.docker_disk import QUICK_S, WORK_S
from worker_agent.docker_exec import DockerExec
from worker_agent.docker_faults import log_unreadable
from worker_agent.docker_gate import Ask, Gate, message
from worker_agent.docker_line import UPGRADE, Line, framed
from worker_agent.docker_streams import chunks, hang_up
from worker_agent.docker_views import from_inspect
from worker_agent.runtime import ContainerGone, RuntimeFault
from worker_agent.talking import ExecPlan


class OfContainer:
    """What the dialogues with a container's own process have in common; ending one only lets go of the container."""

    def __init__(self, gate: Gate, container_id: str, frames: Iterator[Frame]) -> None:
        self._gate = gate
        self._container = container_id
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        """Return itself."""
        return self

    def __next__(self) -> Frame:
        """Return what is printed next; wait for it."""
        return next(self._frames)

    def resize(self, rows: int, columns: int) -> None:
        """Change its terminal's size; before its start and after its end it has none."""
        self._gate.ask(
            Ask("POST", f"/containers/{self._container}/resize", {"h": rows, "w": columns}), timeout_s=QUICK_S
        )

    def signal(self, name: str) -> None:
        """Send its process a signal; one that has ended gets none."""
        self._gate.ask(Ask("POST", f"/containers/{self._container}/kill", {"signal": name}), timeout_s=WORK_S)

    def exit_code(self) -> int | None:
        """Return its code; one that was removed meanwhile was killed."""
        ask = Ask("GET", f"/containers/{self._container}/json")
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code == 404:
            return 137
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        found = from_inspect(answer.json())
        return found.exit_code if found.ended else None


class DockerAttach(OfContainer):
    """The streams of a container's own process."""

    def __init__(self, gate: Gate, container_id: str, line: Line, *, tty: bool) -> None:
        super().__init__(gate, container_id, framed(line, tty=tty))
        self._line = line

    def write(self, data: bytes) -> None:
        """Hand input over."""
        self._line.write(data)

    def close_input(self) -> None:
        """End its input."""
        self._line.close_write()

    def end(self) -> bool:
        """Let go of it: the container goes on without input, as after `docker attach`."""
        self.close()
        return True

    def close(self) -> None:
        """Let go of the connection."""
        self._line.close()


class DockerFollow(OfContainer):
    """A container's log as it grows."""

    def __init__(self, gate: Gate, container_id: str, answer: Any, *, tty: bool) -> None:
        super().__init__(gate, container_id, framed(chunks(answer), tty=tty))
        self._answer = answer

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def close_input(self) -> None:
        """There is none."""

    def end(self) -> bool:
        """Read no more."""
        self.close()
        return True

    def close(self) -> None:
        """Let go of the connection."""
        hang_up(self._answer)


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
        ask = Ask("POST", f"/exec/{exec_id}/start", body={"Detach": False, "Tty": plan.tty}, headers=UPGRADE)
        return DockerExec(self._gate, exec_id, plan, Line(self._talked(ask, container_id)))

    def attach(self, container_id: str, *, tty: bool, past: bool) -> DockerAttach:
        """Join a container's own streams."""
        params = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1, "logs": int(past)}
        ask = Ask("POST", f"/containers/{container_id}/attach", params, headers=UPGRADE)
        return DockerAttach(self._gate, container_id, Line(self._talked(ask, container_id)), tty=tty)

    def copy_out(self, container_id: str, path: str) -> CopyOut:
        """Read a path as a tar."""
        return CopyOut(self._gate, container_id, path)

    def copy_in(self, container_id: str, path: str) -> CopyIn:
        """Unpack a tar at a path."""
        return CopyIn(self._gate, container_id, path)

    def follow(self, container_id: str) -> DockerFollow:
        """Read a container's log, from its beginning."""
        shown = self._talked(Ask("GET", f"/containers/{container_id}/json"), container_id).json()
        ask = Ask("GET", f"/containers/{container_id}/logs", {"stdout": 1, "stderr": 1, "follow": 1})
        answer = self._gate.stream(ask, timeout_s=None)
        if answer.status_code == 501:
            raise RuntimeFault(log_unreadable(container_id))
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        return DockerFollow(self._gate, container_id, answer, tty=bool(shown["Config"]["Tty"]))

    def _talked(self, ask: Ask, container_id: str) -> Any:
        answer = self._gate.stream(ask, timeout_s=QUICK_S)
        if answer.status_code in (404, 409):
            sentence = f"Container {container_id[:12]} does not run: {message(answer)}."
            raise ContainerGone(Reason(Code.INTERRUPTED, sentence))
        if answer.status_code == 400:
            raise RuntimeFault(Reason(Code.CREATE_REFUSED, f"Docker refuses it: {message(answer)}."))
        if answer.status_code not in (101, 200, 201):
            raise self._gate.unexpected(ask, answer)
        return answer
