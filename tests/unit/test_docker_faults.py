"""What Docker says, and what it means: the messages of engines and registries as they were seen, without an engine."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from ormen.reasons import Code
from worker_agent.docker_faults import create_refusal, exec_format, pull_refusal
from worker_agent.docker_runtime import DockerRuntime
from worker_agent.runtime import EngineDown

HUB = "pull access denied for acme/web, repository does not exist or may require 'docker login'"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (f"{HUB}: denied: requested access to the resource is denied", Code.PULL_NOT_FOUND),
        (HUB, Code.PULL_NOT_FOUND),
        (f"{HUB}: denied: User ann is not authorized to perform ecr:BatchGetImage", Code.PULL_AUTH),
        ("denied", Code.PULL_AUTH),
        ("unauthorized", Code.PULL_AUTH),
        ("unauthorized: incorrect username or password", Code.PULL_AUTH),
        ("open /var/lib/docker/tmp/x: permission denied", Code.PULL_UNREACHABLE),
        ("manifest for acme/web:9 not found: manifest unknown: manifest unknown", Code.PULL_NOT_FOUND),
        ("toomanyrequests", Code.PULL_RATE_LIMIT),
        ('Get "https://acme/v2/": dial tcp: lookup acme: no such host', Code.PULL_UNREACHABLE),
        ("received unexpected HTTP status: 500 Internal Server Error", Code.PULL_UNREACHABLE),
    ],
)
def test_what_ends_a_pull_is_told_apart(message: str, code: Code) -> None:
    """A login that is missing or wrong is not a missing image, and a registry that is broken is neither."""
    assert pull_refusal("acme/web:9", message).code is code


@pytest.mark.parametrize("word", ["unauthorized", "toomanyrequests", "access-denied", "denied"])
@pytest.mark.parametrize("where", ["{}/web:9", "acme/{}:9", "acme/web:{}", "{}.example.com/web:9", "{}:9"])
def test_an_images_name_is_no_fault(word: str, where: str) -> None:
    """An image may be called as it likes: only what is said of it counts."""
    image = where.format(word)
    message = f"manifest for {image} not found: manifest unknown: manifest unknown"
    assert pull_refusal(image, message).code is Code.PULL_NOT_FOUND
    host = image.partition("/")[0]
    away = f'Get "https://{host}/v2/": dial tcp: lookup {host}: no such host'
    if "." in host:
        assert pull_refusal(image, away).code is Code.PULL_UNREACHABLE


def test_an_image_without_a_command_is_told_so() -> None:
    """Neither the task nor its image says what to run: the command is at fault, not Docker's taste."""
    reason = create_refusal("web", "No command specified")
    assert reason.code is Code.COMMAND_NOT_FOUND
    assert "give it a command" in reason.sentence


def test_a_working_directory_under_a_file_is_named_as_the_image_has_it() -> None:
    """The engine's own folders are nobody's concern; the path in the container is."""
    said = "lstat /var/lib/docker/overlay2/8c7dcc78/merged/bin/busybox/nosuch: not a directory"
    reason = create_refusal("web", said)
    assert reason.code is Code.CREATE_REFUSED
    assert reason.sentence.startswith("The working directory /bin/busybox/nosuch cannot be made")
    assert "overlay2" not in reason.sentence


@pytest.mark.parametrize(
    ("made_for", "code"),
    [("arm64", Code.PULL_ARCH), ("amd64", Code.COMMAND_NOT_FOUND), ("", Code.COMMAND_NOT_FOUND)],
)
def test_a_program_that_the_kernel_refuses_is_alien_or_none(made_for: str, code: Code) -> None:
    """An image for another processor is the image's fault; else it is the command that is no program."""
    reason = exec_format("web", "acme/web:9", made_for=made_for, host="amd64")
    assert reason.code is code
    assert "amd64" in reason.sentence


@pytest.mark.parametrize("reads", [True, False])
def test_an_engine_that_breaks_off_and_is_gone_is_said_to_be_gone(tmp_path: Path, reads: bool) -> None:
    """A connection that breaks without a word is looked into: whether anybody is there still is what matters."""
    path = str(tmp_path / "engine.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def die() -> None:
        server.accept()[0].close()  # it only knocks
        asks, _ = server.accept()
        asks.recv(4096 if reads else 1)  # what it has not read makes a reset of the end
        server.close()
        asks.close()

    thread = threading.Thread(target=die)
    thread.start()
    with pytest.raises(EngineDown, match=r"engine\.sock: connection refused; start it"):
        DockerRuntime(f"unix://{path}").engine()
    thread.join()
