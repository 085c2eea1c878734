"""Calls to the engine: their connections are kept, none that has ended is used, and nothing is sent twice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.waiting import wait_until
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.runtime import ContainerPlan, EngineDown, EngineHung, ImageMissing, RuntimeFault

VERSION = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 21\r\n\r\n{"ApiVersion":"1.41"}'
WHOLE = b'HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n\r\n{"message":"no such c"}'
CHUNKED = (
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'a\r\n{"message"\r\nc\r\n:"no such c"\r\n1\r\n}\r\n0\r\n\r\n'
)
LAST = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"Id'


class Engine:
    """Says to each call what `says` holds; counts its connections and the calls, by their first lines."""

    def __init__(self, door: socket.socket) -> None:
        self.says = WHOLE
        self.lines: list[str] = []
        self.connections: list[socket.socket] = []
        self._door = door
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_up(self) -> None:
        """End every connection."""
        while self.connections:
            connection = self.connections.pop()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._door.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as reader:
            while line := reader.readline().decode():
                size = 0
                while (head := reader.readline()) not in (b"\r\n", b""):
                    size = int(head.partition(b":")[2]) if head.lower().startswith(b"content-length") else size
                reader.read(size)
                if "/version" in line:
                    return connection.sendall(VERSION)
                if connection not in self.connections:
                    self.connections.append(connection)
                self.lines.append(line.split(" HTTP")[0])
                says = self.says
                connection.sendall(says)
                if says is HALF:
                    return


def container(state: str) -> bytes:
    """What the engine says of a container in this state."""
    said = {"Id": "c", "Name": "/c", "State": {"Status": state, "ExitCode": 0}, "Config": {}, "HostConfig": {}}
    body = json.dumps({**said, "NetworkSettings": {}, "Mounts": []}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


Made = tuple[Engine, DockerRuntime]


@pytest.fixture(params=["unix", "tcp"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """An engine at a socket or at a port of this host, and the runtime that asks it."""
    unix = request.param == "unix"
    door = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    door.bind(str(tmp_path / "engine") if unix else ("127.0.0.1", 0))
    door.listen()
    runtime = DockerRuntime(f"unix://{tmp_path}/engine" if unix else f"tcp://127.0.0.1:{door.getsockname()[1]}")
    engine = Engine(door)
    yield engine, runtime
    runtime.close()
    engine.hang_up()
    door.shutdown(socket.SHUT_RDWR)
    door.close()


@pytest.mark.parametrize("says", [WHOLE, CHUNKED])
def test_one_connection_serves_many_calls(made: Made, says: bytes) -> None:
    """Whatever is asked and however the answer's length is told, the next call goes the same way."""
    engine, runtime = made
    engine.says = says
    assert [runtime.inspect(name) for name in ("a", "b", "c")] == [None, None, None]
    assert engine.lines == [f"GET /v1.41/containers/{name}/json" for name in "abc"]
    assert len(engine.connections) == 1


def test_a_connection_that_ended_meanwhile_is_not_used(made: Made) -> None:
    """An engine that was restarted is spoken to at once: the call does not fail on what was kept of the former."""
    engine, runtime = made
    assert runtime.inspect("a") is None
    engine.hang_up()
    assert runtime.inspect("a") is None


@pytest.mark.parametrize("made", ["unix"], indirect=True)
def test_an_end_is_told_only_by_an_engine_that_takes_calls(made: Made, tmp_path: Path) -> None:
    """An engine that shuts down ends its containers, and still answers on what is kept: that is no end of a program."""
    engine, runtime = made
    engine.says = container("exited")
    assert (found := runtime.inspect("a")) is not None
    assert found.ended
    (tmp_path / "engine").unlink()
    with pytest.raises(EngineDown):
        runtime.inspect("a")
    engine.says = container("running")
    assert (found := runtime.inspect("a")) is not None
    assert found.running
    assert len(engine.connections) == 1


def test_a_connection_that_the_engine_ends_is_let_go(made: Made) -> None:
    """What is said to be the last answer is the last of its connection."""
    engine, runtime = made
    engine.says = LAST
    assert (runtime.inspect("a"), runtime.inspect("b")) == (None, None)
    assert len(engine.connections) == 2


@pytest.mark.parametrize(("says", "fault"), [(HALF, EngineDown), (b"", EngineHung), (b"odd\r\n\r\n", EngineDown)])
def test_no_whole_answer_is_a_fault_and_is_asked_once(
    made: Made, monkeypatch: pytest.MonkeyPatch, says: bytes, fault: type[RuntimeFault]
) -> None:
    """Half an answer, none in time, or what is none: nothing is sent again, and the connection serves no other call."""
    engine, runtime = made
    assert runtime.inspect("a") is None
    monkeypatch.setattr("worker_agent.docker_runtime.QUICK_S", 0.3)
    engine.says = says
    with pytest.raises(fault):
        runtime.inspect("b")
    engine.says = WHOLE
    monkeypatch.undo()
    assert runtime.inspect("c") is None
    assert [line[-6] for line in engine.lines] == ["a", "b", "c"]
    assert len(engine.connections) == 2


@pytest.mark.parametrize("made", ["unix"], indirect=True)
def test_something_else_is_done_once_a_call_is_sent(made: Made) -> None:
    """It neither waits for the answer nor is waited for with the sending; it may ask the engine itself."""
    engine, runtime = made
    asked: list[str] = []

    def look() -> None:
        wait_until(lambda: engine.lines)
        asked.extend(engine.lines)
        assert runtime.inspect("c") is None

    with pytest.raises(ImageMissing):
        runtime.create(ContainerPlan("web", "app:1", {}), meanwhile=look)
    assert asked == ["POST /v1.41/containers/create?name=web"]
    assert engine.lines[1] == "GET /v1.41/containers/c/json"
    assert len(engine.connections) == 2


def test_a_name_is_no_path_and_no_query(made: Made) -> None:
    """Whatever a name holds, it is one part of the path of the call."""
    engine, runtime = made
    runtime.inspect("a b?c=d#e\u00e9")
    assert engine.lines == ["GET /v1.41/containers/a%20b%3Fc=d%23e%C3%A9/json"]
