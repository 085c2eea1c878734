"""`ormen deck` and `ormen sailor` where others could reach them: refused with the remedy, before anything listens."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.living import ORMEN, Done, free_port

BEYOND = "198.51.100.7"
"""An address that documents use and nobody has."""


def ormen(*words: str) -> Done:
    """Run a command that must end by itself."""
    done = subprocess.run([ORMEN, *words], capture_output=True, text=True, timeout=30)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("host", [BEYOND, "0.0.0.0", "::"])
def test_a_deck_that_others_reach_needs_a_token(host: str) -> None:
    """Beyond loopback a deck without a token is refused; the hint names each way to go on."""
    done = ormen("deck", "-H", host, "-p", str(free_port()))
    assert (done.code, done.out) == (6, "")
    assert "[TOKEN_MISSING]" in done.err
    assert all(way in done.err for way in ("ORMEN_TOKEN", "--token-file", "127.0.0.1", "--insecure")), done.err


@pytest.mark.parametrize("command", ["deck", "sailor"])
def test_a_redis_that_others_reach_needs_a_password(command: str) -> None:
    """Beyond loopback a Redis without a password is refused by both sides; the hint says how to set one."""
    done = ormen(command, "-p", str(free_port()), "--redis-url", f"redis://{BEYOND}:6379")
    assert (done.code, done.out) == (6, "")
    assert "[STORE_INSECURE]" in done.err
    assert all(way in done.err for way in ("requirepass", f"redis://:PASSWORD@{BEYOND}:6379", "--insecure")), done.err


def test_an_empty_token_file_protects_nothing(tmp_path: Path) -> None:
    """A token file without a token is as good as none: the deck does not start."""
    file = tmp_path / "token"
    file.write_text("\n")
    done = ormen("deck", "-H", "0.0.0.0", "-p", str(free_port()), "--token-file", str(file))
    assert done.code != 0
    assert "token" in done.err
