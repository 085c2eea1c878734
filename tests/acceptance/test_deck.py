"""`ormen deck` and `ormen sailor` where others could reach them: refused with the remedy, before anything listens."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.living import ORMEN, Done, free_port

BEYOND = "198.51.100.7"
"""An address that documents use and nobody has."""


def ormen(*words: str, cwd: Path | None = None, **variables: str) -> Done:
    """Run a command that must end by itself."""
    env = {**os.environ, **variables}
    done = subprocess.run([ORMEN, *words], capture_output=True, text=True, timeout=30, cwd=cwd, env=env)
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


@pytest.mark.parametrize("command", ["deck", "up"])
def test_a_faulty_policy_file_ends_the_start_with_all_its_faults(tmp_path: Path, command: str) -> None:
    """Nothing is started that would die of it again and again; every fault is told at once."""
    (tmp_path / "policy.yaml").write_text("host_path: /srv\nprivileged: yes\n")
    state = tmp_path / "state"
    done = ormen(command, cwd=tmp_path, ORMEN_POLICY_FILE="policy.yaml", ORMEN_STATE_DIR=str(state))
    said = " ".join(done.err.split())
    assert (done.code, done.out) == (2, ""), done
    assert f"the policy file {tmp_path}/policy.yaml has 2 faults; nothing was started." in said
    assert "host_path: unknown key; did you mean host_paths?" in said
    assert "privileged: must be never or always, not a boolean; did you mean always?" in said
    assert "hint:" in said
    assert not state.exists()


def test_a_policy_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    """A deck without the policy that was meant would allow, or forbid, something else."""
    done = ormen("deck", "-p", str(free_port()), "--policy-file", "none.yaml", cwd=tmp_path)
    said = " ".join(done.err.split())
    assert (done.code, "Traceback" in said) == (2, False)
    assert f"{tmp_path}/none.yaml cannot be read: no such file or directory; nothing was started." in said
