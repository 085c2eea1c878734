"""An engine that takes what it is sent and then does nothing more, or says it in odd pieces: nobody waits for ever."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ormen.reasons import Code
from tests.serving import UnixServer
from worker_agent import docker_copy, docker_exec
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.runtime import EngineHung, PullRefused
from worker_agent.talking import ExecPlan

RUNS = {"Running": True, "Pid": 0, "ContainerID": "c", "ExitCode": None}
ANSWERS: dict[str, list[Any]] = {
    "/version": [{"ApiVersion": "1.41"}],
    "/containers/c/exec": [{"Id": "e"}],
    "/containers/d/exec": [{"Id": "f"}],
    "/exec/e/json": [RUNS],
    "/exec/f/json": [RUNS, {**RUNS, "Running": False, "ExitCode": 0}],
}
"""What is said to each request, one after the other; the last again and again."""
LINES = (b'{"status":"Downloading"}\r', b'\n{"status":"Pull complete"}\r\n')


class Dumb(BaseHTTPRequestHandler):
    """What the engine says."""

    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """There is no address on a socket of the host."""
        return ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Say that there is no such path."""
        self._head(404)

    def do_PUT(self) -> None:
        """Take all of an upload, and never answer."""
        while (size := int(self.rfile.readline(), 16)) > 0:
            self.rfile.read(size + 2)
        self.server.over.wait(60)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        """Answer from the table."""
        path = self.path.partition("?")[0].removeprefix("/v1.41")
        said = self.server.answers[path]  # type: ignore[attr-defined]
        body = json.dumps(said.pop(0) if len(said) > 1 else said[0]).encode()
        self._head(201 if path.endswith("/exec") else 200, f"Content-Length: {len(body)}")
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Answer from the table, tell a pull in pieces, or hand the connection over and read nothing more from it."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/images/create" in self.path:
            self._head(200, "Transfer-Encoding: chunked")
            for line in (*LINES, b""):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        elif self.path.endswith("/start") and "Upgrade" not in self.headers:
            self._head(200, "Content-Length: 0")
        elif self.path.endswith("/start"):
            self._head(101, "Connection: Upgrade", "Upgrade: tcp")
            self.server.over.wait(60)  # type: ignore[attr-defined]
        else:
            self.do_GET()

    def _head(self, status: int, *lines: str) -> None:
        self.send_response(status)
        for line in lines:
            self.send_header(*line.split(": "))
        self.end_headers()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[DockerRuntime]:
    """A runtime whose engine is dumb."""
    with UnixServer(str(tmp_path / "engine"), Dumb) as server:
        server.over, server.answers = threading.Event(), deepcopy(ANSWERS)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        made = DockerRuntime(f"unix://{tmp_path}/engine")
        yield made
        made.close()
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()


def within(seconds: float, work: Callable[[], object]) -> bool:
    """Return whether some work ends in time, in a thread that is left behind where it does not."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def test_a_copy_that_the_engine_never_confirms_ends(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once all is sent, the engine has a time for its answer, as for all its work; then the reader is told."""
    monkeypatch.setattr(docker_copy, "WORK_S", 0.5)
    copy, heard = runtime.copy_in("c", "/srv/file"), []

    def run() -> None:
        with pytest.raises(EngineHung) as found:
            list(copy)
        heard.append(str(found.value))

    copy.write(b"half an archive")
    copy.close_input()
    assert within(10, run)
    assert "PUT /containers/c/archive and did not answer in time" in heard[0]


def test_a_command_that_reads_nothing_can_be_given_up(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its input is full and its number is not known here: the farewell to its terminal is not waited with."""
    monkeypatch.setattr(docker_exec, "ENDED_S", 0.1)
    command = runtime.exec("c", ExecPlan(("sleep", "60"), tty=True, stdin=True))
    assert not within(0.5, lambda: command.write(bytes(50_000_000)))
    assert within(10, command.end)
    command.close()


def test_a_check_whose_code_is_noted_a_moment_later_has_passed(runtime: DockerRuntime) -> None:
    """The engine ends a command's outputs before it notes its end: a check waits for that moment."""
    assert runtime.probe_command("d", ("true",), timeout_s=5).sentence == "true exited with 0"
    assert runtime.probe_command("c", ("true",), timeout_s=0.2).sentence == "true did not end within 0.2s"


def test_a_line_of_a_pull_that_comes_in_two_pieces_is_one(runtime: DockerRuntime) -> None:
    """Where the end of a line is cut in two, nothing is read between its halves."""
    began = time.monotonic()
    runtime.pull("acme/web:1")
    assert time.monotonic() - began < 10


@pytest.mark.filterwarnings("ignore:docker-credential")  # so docker's own client says it, before it fails
def test_a_helper_for_passwords_that_is_missing_is_told(
    runtime: DockerRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Docker config that names one is common; without it the pull is refused, with the way around it."""
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "nobody-has-this"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(PullRefused) as found:
        runtime.pull("acme/web:1")
    assert found.value.reason.code is Code.PULL_AUTH
    assert "nobody-has-this" in str(found.value)
    assert str(found.value).endswith("or give the cluster a login: ormen registry login docker.io.")
