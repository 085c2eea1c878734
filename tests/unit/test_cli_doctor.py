"""`ormen doctor`: a line for each finding with its fix, exit 1 for a fault, and Redis itself where no deck answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_golden import PIPE, eyes, fits, golden
from cli_stub import deck, ormen

from ormen import __version__
from ormen.cli.render import doctor
from ormen.doctor import redis
from ormen.doctor.finding import Finding, fault, fine, report, warning
from ormen.doctor.redis import RedisSeen
from ormen.local.redis import RunningRedis
from ormen.settings import Settings

FOUND = report(
    [
        fine("deck", f"{__version__}, 10.0.0.5:5555"),
        fine("redis", "7.2.5, 41 MiB, noeviction, answers in 0.3 ms"),
        fault(
            "redis",
            "REDIS_AOF_OFF",
            "appendonly is off on 10.0.0.6: a restart loses every task",
            "redis-cli -h 10.0.0.6 config set appendonly yes",
        ),
        fine("nodes", "3 of 3 ready, agents 0.1.0"),
        warning("node-1", "CLOCK", "clock is 4.2s ahead; ages and events will look wrong", "install chrony on node-1"),
        fault(
            "node-3",
            "QUEUE_STUCK",
            "12 messages wait 48s in queue node.node-3; the agent reads none",
            "systemctl restart ormen-sailor on node-3",
        ),
    ]
)
"""The sketch of ux, as the deck answers it."""


def seen(**facts: Any) -> RedisSeen:
    """Return a Redis in which all is well, but for these facts."""
    latency_ms = facts.pop("latency_ms", 0.3)
    info = {"redis_version": "7.2.5", "used_memory": 43_000_000, "aof_enabled": 1, "role": "master"}
    settings = {"appendfsync": "everysec", "maxmemory-policy": "noeviction", "timeout": "0"}
    known = {**info, "maxmemory_policy": "noeviction", **facts}
    return RedisSeen("10.0.0.6:6379", "redis-cli -h 10.0.0.6", known, settings, latency_ms)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    """Return what is wrong, with its level."""
    return [(one.code, one.level.value) for one in findings if one.code != "OK"]


@pytest.mark.parametrize(("name", "look"), [("80", eyes(80)), ("50", eyes(50)), ("pipe", PIPE)])
def test_findings_are_drawn_for_each_width(name: str, look: Any) -> None:
    """The sign, the place, the sentence, and under it the fix; nothing is cut."""
    text = doctor.findings(FOUND["findings"], look)
    golden(f"doctor_{name}", f"{text}\n{doctor.summary(FOUND)}")
    assert look.width is None or fits(text, look.width)


def test_a_fault_is_exit_1_and_the_deck_is_timed() -> None:
    """The findings are on stdout, the count on stderr; with -q only what is wrong, with -o json all of it."""
    with deck({"GET /v1/doctor": FOUND}) as stub:
        told = ormen("doctor", at=stub.address)
        quiet = ormen("doctor", "-q", at=stub.address)
        raw = ormen("doctor", "-o", "json", at=stub.address)
    assert (told.returncode, told.stderr) == (1, "2 faults, 1 warning, 3 in order.\n")
    assert f"✓ deck      {__version__}, 10.0.0.5:5555, answers in " in told.stdout
    assert (quiet.returncode, quiet.stderr, "✓" in quiet.stdout, "✗" in quiet.stdout) == (1, "", False, True)
    assert [one["code"] for one in json.loads(raw.stdout)["findings"]][2] == "REDIS_AOF_OFF"


def test_warnings_alone_are_exit_0() -> None:
    """A deck of another version than the command is one."""
    with deck({"GET /v1/doctor": report([fine("deck", "0.0.1, 10.0.0.5:5555")])}) as stub:
        told = ormen("doctor", at=stub.address)
    assert (told.returncode, told.stderr) == (0, "1 warning, 1 in order.\n")
    assert f"! deck      this command is {__version__}, the deck 0.0.1" in told.stdout


def test_without_a_deck_redis_itself_is_asked(settings: Settings) -> None:
    """What is out of reach is named, and what Redis says of itself, the loops and the nodes is judged all the same."""
    told = ormen("doctor", at="127.0.0.1:1", env={"ORMEN_REDIS_URL": settings.redis_url})
    assert told.returncode == 1
    assert "✗ deck      no deck answers at 127.0.0.1:1: connection refused" in told.stdout
    assert "✓ redis     " in told.stdout
    assert "✗ loops     the loop liveness has never run" in told.stdout
    assert "! nodes     no node has joined" in told.stdout


def test_without_a_deck_nor_redis_both_are_named(tmp_path: Path) -> None:
    """Each by where it was looked for; or that nobody knows where Redis is, and how to say it."""
    away = ormen("doctor", at="127.0.0.1:1", env={"ORMEN_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert "✗ redis     Redis at 127.0.0.1:1 refuses connections" in away.stdout
    unknown = ormen("doctor", at="127.0.0.1:1", env={"XDG_STATE_HOME": str(tmp_path)})
    assert "! redis     not asked: nobody has said here where it is" in unknown.stdout
    assert "ORMEN_REDIS_URL=redis://:PASSWORD@HOST:6379/0 ormen doctor" in unknown.stdout


def test_the_redis_of_this_machines_cluster_is_known(redis_server: RunningRedis, tmp_path: Path) -> None:
    """A deck of `ormen up` that has died leaves its Redis to be asked, with the password of the state folder."""
    (tmp_path / "ormen").mkdir()
    (tmp_path / "ormen" / "redis").symlink_to(redis_server.plan.folder)
    told = ormen("doctor", at="127.0.0.1:1", env={"XDG_STATE_HOME": str(tmp_path)})
    assert "✓ redis     " in told.stdout
    assert redis_server.plan.password not in told.stdout + told.stderr
    config = redis_server.plan.folder / "redis.conf"
    (tmp_path / "ormen" / "redis").unlink()
    (tmp_path / "ormen" / "redis").mkdir()
    (tmp_path / "ormen" / "redis" / "redis.conf").write_text(config.read_text().replace("\nport ", "\nport 1\n#"))
    (tmp_path / "ormen" / "redis" / "password").write_text("x")
    gone = ormen("doctor", at="127.0.0.1:1", env={"XDG_STATE_HOME": str(tmp_path)})
    assert gone.stdout.endswith("ormen up\n")


@pytest.mark.parametrize(
    ("facts", "code", "level"),
    [
        ({"latency_ms": 80.0}, "REDIS_SLOW", "warning"),
        ({"latency_ms": 800.0}, "REDIS_SLOW", "fault"),
        ({"redis_version": "5.0.14"}, "REDIS_OLD", "fault"),
        ({"cluster_enabled": 1}, "REDIS_CLUSTER", "fault"),
        ({"aof_last_write_status": "err"}, "REDIS_CANNOT_WRITE", "fault"),
        ({"loading": 1}, "REDIS_LOADING", "warning"),
        ({"maxmemory": 44_000_000}, "REDIS_FULL", "fault"),
        ({"maxmemory": 48_000_000}, "REDIS_FULL", "warning"),
    ],
)
def test_what_redis_says_of_itself_is_judged(facts: dict[str, Any], code: str, level: str) -> None:
    """What a test can hardly provoke: each alone is one finding, and without it there is none."""
    assert codes(list(redis.judge(seen(**facts)))) == [(code, level)]
    assert codes(list(redis.judge(seen()))) == []
