"""Registries that want a login, and a real engine that asks them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ormen.reasons import Code, Reason
from ormen.registries import Login
from tests.contract.bench import Bench, DockerWorld
from tests.contract.registry import PASSWORD, USER, Registry
from worker_agent.docker_faults import pull_refusal
from worker_agent.runtime import PullRefused


@pytest.fixture(params=["basic", "token"])
def locked(request: pytest.FixtureRequest, docker_bench: Bench) -> Iterator[Registry]:
    """Give a registry that wants a login, in each of the two ways there are; its images are removed."""
    found = Registry(request.param)
    yield found
    assert isinstance(docker_bench.world, DockerWorld)
    for image in docker_bench.world.client.images(f"{found.address}/good"):
        docker_bench.world.client.remove_image(image["Id"], force=True)
    found.close()


def refusal(bench: Bench, image: str, login: Login | None) -> Reason:
    """Return why the image could not be had."""
    with pytest.raises(PullRefused) as refused:
        bench.runtime.pull(image, login=login)
    return refused.value.reason


def test_a_login_opens_a_private_image(docker_bench: Bench, locked: Registry) -> None:
    """With the registry's user and password the image is there."""
    image = f"{locked.address}/good:1"
    docker_bench.runtime.pull(image, login=Login(locked.address, USER, PASSWORD))
    assert docker_bench.runtime.image_present(image)


def test_a_wrong_password_is_not_a_missing_image(docker_bench: Bench, locked: Registry) -> None:
    """PULL_AUTH names the registry, whose login it was and the command, and does not tell the password."""
    reason = refusal(docker_bench, f"{locked.address}/good:1", Login(locked.address, USER, "wr0ng"))
    assert reason.code is Code.PULL_AUTH
    assert f"Registry {locked.address} does not let {USER} have {locked.address}/good:1" in reason.sentence
    assert reason.sentence.endswith(f"log in anew: ormen registry login {locked.address}.")
    assert "wr0ng" not in reason.sentence


def test_no_login_is_told_with_the_command_that_makes_one(docker_bench: Bench, locked: Registry) -> None:
    """PULL_AUTH says that none is kept."""
    reason = refusal(docker_bench, f"{locked.address}/good:1", None)
    assert reason.code is Code.PULL_AUTH
    assert reason.sentence.endswith(f"no login is kept for it; log in: ormen registry login {locked.address}.")


def test_a_registry_is_asked_before_a_login_is_kept(docker_bench: Bench, locked: Registry) -> None:
    """What it takes passes; a wrong password is PULL_AUTH."""
    docker_bench.runtime.check_login(Login(locked.address, USER, PASSWORD))
    with pytest.raises(PullRefused) as refused:
        docker_bench.runtime.check_login(Login(locked.address, USER, "wr0ng"))
    assert refused.value.reason.code is Code.PULL_AUTH
    assert f"{locked.address} does not know {USER} with this password" in refused.value.reason.sentence


@pytest.mark.parametrize("host", ["127.0.0.1:1", "registry.invalid"])
def test_a_registry_out_of_reach_is_no_wrong_password(docker_bench: Bench, host: str) -> None:
    """Nobody knows whether the login is right: PULL_UNREACHABLE with the engine's words."""
    with pytest.raises(PullRefused, match=f"Registry {host} could not be asked") as refused:
        docker_bench.runtime.check_login(Login(host, USER, PASSWORD))
    assert refused.value.reason.code is Code.PULL_UNREACHABLE


def test_a_hidden_repository_offers_both_cures() -> None:
    """Docker Hub says one thing for private and for missing: the sentence has the name and the login."""
    said = "pull access denied for acme/api, repository does not exist or may require 'docker login'"
    without = pull_refusal("acme/api:1", said)
    assert without.code is Code.PULL_NOT_FOUND
    assert "hides it from who has no login; check its name and tag, or log in: ormen registry login docker.io" in str(
        without.sentence
    )
    assert "or hides it from ann;" in pull_refusal("acme/api:1", said, user="ann").sentence
