"""Checks, against sockets of the test's own and against real containers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ormen.reasons import Code
from ormen.spec import HealthSpec
from tests.contract.bench import Bench
from worker_agent.probes import address_of, check
from worker_agent.runtime import Container, ProbeResult

Serve = Callable[[bytes], int]


class NoCommands:
    def probe_command(self, container_id: str, command: tuple[str, ...], *, timeout_s: float) -> ProbeResult:
        raise AssertionError("only a check by command asks the runtime")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a function that answers every connection to a new port with given bytes, and then keeps silent."""
    servers: list[socket.socket] = []
    clients: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def begin(answer: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            # Its sockets are shut under it when the test ends, wherever it is just then.
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    clients.append(client)
                    client.recv(4096)
                    client.sendall(answer)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return int(server.getsockname()[1])

    yield begin
    for item in [*servers, *clients]:
        with contextlib.suppress(OSError):
            item.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)
    for item in [*servers, *clients]:
        item.close()


def asked(port: int, **fields: object) -> ProbeResult:
    health = HealthSpec(**{"port": port, "timeout_s": 0.5, **fields})  # type: ignore[arg-type]
    return check(health, Container("c1", "web", "running", ip="127.0.0.1"), NoCommands())


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


def test_a_good_answer_is_healthy(serve: Serve) -> None:
    """A status in the expected range passes, and the sentence names port, path and status."""
    port = serve(http("200 OK", b"ok"))
    result = asked(port, http="/health")
    assert (result.ok, result.code, result.status) == (True, Code.HEALTH_HTTP, 200)
    assert result.sentence == f"GET :{port}/health answered 200"


def test_a_good_status_needs_no_body(serve: Serve) -> None:
    """A server that sends a good status and then hangs over its body is healthy, and at once."""
    began = time.monotonic()
    assert asked(serve(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), http="/").ok
    assert time.monotonic() - began < 0.4


@pytest.mark.parametrize("body", [b'{"status": "db down"}', b"db down\nmore", b'{"code": 7, "error": "db down"}'])
def test_a_bad_answer_is_quoted(serve: Serve, body: bytes) -> None:
    """A status outside the range fails with the gist of the body."""
    port = serve(http("503 Service Unavailable", body))
    result = asked(port, http="/health")
    assert (result.ok, result.status, result.output) == (False, 503, "db down")
    assert result.sentence == f'GET :{port}/health answered 503 "db down"'


def test_an_answer_made_to_confuse_is_a_failure_like_any_other(serve: Serve) -> None:
    """A length that only looks like a number, a body nested without end: the check has failed, and counts."""
    nested = serve(http("503 Bad", b"[" * 4000))
    assert asked(nested, http="/").sentence.startswith(f'GET :{nested}/ answered 503 "[[[')
    odd = serve(b"HTTP/1.1 503 Bad\r\nContent-Length: \xb2\r\n\r\ndb down")
    assert asked(odd, http="/").sentence == f'GET :{odd}/ answered 503 "db down"'


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b""])
def test_a_chunked_body_is_quoted(serve: Serve, end: bytes) -> None:
    """The gist is read through the chunked transfer encoding, also of a body that never ends."""
    port = serve(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ndb down\r\n" + end)
    assert asked(port, http="/").sentence == f'GET :{port}/ answered 500 "db down"'


@pytest.mark.parametrize("status", ["200 OK", "503 Bad"])
def test_lines_that_end_in_a_newline_alone_are_http(serve: Serve, status: str) -> None:
    """Scripts behind small servers forget the carriage return; whoever reads HTTP forgives that."""
    port = serve(f"HTTP/1.0 {status}\nContent-Length: 7\n\ndb down".encode())
    words = "answered 200" if status == "200 OK" else 'answered 503 "db down"'
    assert asked(port, http="/").sentence == f"GET :{port}/ {words}"


def test_redirects_are_not_followed(serve: Serve) -> None:
    """A redirect is an answer like any other: good by default, bad where 200 is expected."""
    port = serve(http("302 Found", b"", "Location: http://127.0.0.1:1/"))
    assert asked(port, http="/").ok
    assert not asked(port, http="/", expect=(200, 200)).ok


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_silence_ends_with_the_timeout(serve: Serve, answer: bytes) -> None:
    """A server that says nothing, or not all of its head, has failed after the timeout and not later."""
    port = serve(answer)
    result = asked(port, http="/")
    assert result.sentence == f"GET :{port}/ gave no answer within 0.5s"
    assert 400 <= result.took_ms < 900


def test_nothing_there_refuses(free_port: int) -> None:
    """A port without a listener is said to have refused."""
    assert asked(free_port, http="/").sentence == f"GET :{free_port}/ refused the connection"
    tcp = asked(free_port, tcp=free_port)
    assert (tcp.ok, tcp.code) == (False, Code.HEALTH_TCP)
    assert tcp.sentence == f"port {free_port} refused the connection"


def test_another_protocol_is_said_to_be_one(serve: Serve) -> None:
    """What answers, but not in HTTP, fails and says so."""
    port = serve(b"SSH-2.0-OpenSSH\r\n\r\n")
    assert asked(port, http="/").sentence == f"GET :{port}/ answered, but not in HTTP"


def test_tcp_needs_an_accept_only(serve: Serve) -> None:
    """A TCP check passes when the connection is accepted, whatever is said on it."""
    port = serve(b"")
    assert asked(port, tcp=port).ok


def test_the_address_is_the_containers_own() -> None:
    """On a bridge the container's address is asked, on the host's network 127.0.0.1."""
    assert address_of(Container("c", "n", "running", ip="172.17.0.9")) == "172.17.0.9"
    assert address_of(Container("c", "n", "running", network_mode="host")) == "127.0.0.1"
    result = check(HealthSpec(http="/", port=80), Container("c", "n", "created"), NoCommands())
    assert result.sentence == "GET :80/ cannot be asked: the container has no address"


def test_a_real_server_is_checked_beside_the_agent(docker_bench: Bench) -> None:
    """HTTP and TCP checks reach a container on the bridge without any published port."""
    script = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 7777 -h /www"
    container_id = docker_bench.started(command=("sh", "-c", script))
    found = docker_bench.runtime.inspect(container_id)
    assert found is not None
    ends_at = time.monotonic() + 10
    while not check(HealthSpec(tcp=7777), found, docker_bench.runtime).ok:
        assert time.monotonic() < ends_at
    assert check(HealthSpec(http="/", port=7777), found, docker_bench.runtime).ok
    missing = check(HealthSpec(http="/none", port=7777), found, docker_bench.runtime)
    assert (missing.ok, missing.status) == (False, 404)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("exit 0", "sh exited with 0"),
        ("echo db down; exit 3", 'sh exited with 3 "db down"'),
        ("sleep 5", "sh did not end within 0.4s"),
        ("while :; do echo again; done", "sh did not end within 0.4s"),
    ],
)
def test_a_real_command_is_judged_by_exit_and_time(docker_bench: Bench, script: str, sentence: str) -> None:
    """A command is healthy by exit 0; its first words are quoted; silent or chatty, it has its time and no more."""
    container_id = docker_bench.started()
    found = docker_bench.runtime.inspect(container_id)
    assert found is not None
    limit_s = 0.4 if "within" in sentence else 5.0
    result = check(HealthSpec(command=("sh", "-c", script), timeout_s=limit_s), found, docker_bench.runtime)
    assert (result.ok, result.sentence, result.code) == (script == "exit 0", sentence, Code.HEALTH_COMMAND)
    assert result.took_ms < 3000
