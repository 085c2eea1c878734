"""Which login an agent pulls with: the one that the cluster keeps just then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agents import AgentBench

from ormen.reasons import Code
from ormen.registries import Login
from ormen.settings import Settings
from ormen.store.logins import LoginStore
from ormen.task import State
from worker_agent.fake_runtime import Behaviour

ANN = Login("ghcr.io", "ann", "s3cret")


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """An agent whose engine has no image yet."""
    made = AgentBench(settings, behaviour=Behaviour(images=set(), remote=None))
    yield made
    made.close()


def logins(bench: AgentBench, settings: Settings | None = None) -> LoginStore:
    """The deck's side of the logins."""
    return LoginStore(settings or bench.settings, bench.deck.client)


def passwords(bench: AgentBench) -> list[str | None]:
    """What each pull was made with."""
    return [login and login.password for login in bench.runtime.logins]


def test_each_pull_takes_the_login_of_its_registry_as_it_is_then(bench: AgentBench) -> None:
    """Made, changed, forgotten: the next pull knows, and another registry's pull takes none of it."""
    store = logins(bench)
    bench.running("none", image="ghcr.io/acme/a:1")
    store.put(ANN)
    bench.running("first", image="ghcr.io/acme/a:2")
    store.put(replace(ANN, password="newer"))
    bench.running("second", image="ghcr.io/acme/a:3")
    bench.running("other", image="acme/a:4")
    store.remove("ghcr.io")
    bench.running("last", image="ghcr.io/acme/a:5")
    assert passwords(bench) == [None, "s3cret", "newer", None, None]


def test_a_sealed_login_without_its_key_is_told(bench: AgentBench, tmp_path: Path) -> None:
    """PULL_AUTH says that this host lacks the key; the pull is not tried without the login."""
    (tmp_path / "secret").write_text("k" * 32)
    logins(bench, replace(bench.settings, secret_file=str(tmp_path / "secret"))).put(ANN)
    task = bench.running("web", image="ghcr.io/acme/a:1")
    assert (task.state, bench.runtime.logins) == (State.PENDING, [])
    assert task.reason is not None
    assert task.reason.code is Code.PULL_AUTH
    assert "The login for ghcr.io cannot be read on node-1: it is sealed" in task.reason.sentence
    assert "ORMEN_SECRET_FILE" in task.reason.sentence
