"""Checks that are commands in containers of a Docker engine."""

from __future__ import annotations

import time

from ormen.reasons import Code
from worker_agent.docker_disk import QUICK_S
from worker_agent.docker_gate import Ask, Gate, message
from worker_agent.docker_streams import read_within
from worker_agent.runtime import EngineHung, ProbeResult

CODE_EVERY_S = 0.02
"""Between two looks for the code of a command that has closed its outputs."""


class DockerProbe:
    """The part of the Docker runtime that runs a check's command inside."""

    _gate: Gate

    def probe_command(self, container_id: str, command: tuple[str, ...], *, timeout_s: float) -> ProbeResult:
        """Run a command inside. One that outlives its time is not ended: Docker has no call for that."""
        began = time.monotonic()
        shown = command[0]

        def result(ok: bool, sentence: str, status: int | None = None, output: str = "") -> ProbeResult:
            took_ms = round((time.monotonic() - began) * 1000)
            return ProbeResult(ok, sentence, Code.HEALTH_COMMAND, took_ms, status, output)

        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = self._gate.ask(Ask("POST", f"/containers/{container_id}/exec", body=body), timeout_s=QUICK_S)
        if made.status_code != 201:
            return result(False, f"{shown} could not be run: {message(made)}")
        exec_id = made.json()["Id"]
        ask = Ask("POST", f"/exec/{exec_id}/start", body={"Detach": False, "Tty": False})
        left_s = max(timeout_s - (time.monotonic() - began), 0.001)
        try:
            printed = read_within(self._gate.stream(ask, timeout_s=left_s), left_s)
            status = self._code_of(exec_id, began + timeout_s)
        except (EngineHung, TimeoutError):
            return result(False, f"{shown} did not end within {timeout_s:g}s")
        words = f' "{printed[:80]}"' if printed and status else ""
        return result(status == 0, f"{shown} exited with {status}{words}", status, printed)

    def _code_of(self, exec_id: str, deadline: float) -> int:
        """Return the code of a command whose outputs have ended; raise TimeoutError if it runs on until `deadline`.

        The engine notes the end after that of the outputs, and a command may close them long before.
        """
        ask = Ask("GET", f"/exec/{exec_id}/json")
        while True:
            answer = self._gate.ask(ask, timeout_s=QUICK_S)
            if answer.status_code != 200:
                raise self._gate.unexpected(ask, answer)
            state = answer.json()
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(CODE_EVERY_S)
