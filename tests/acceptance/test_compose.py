"""docker-compose.yml, brought up for real: its images are built from this machine, without a registry."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.acceptance.base_images import ROOT, python_image, redis_image
from tests.sweep import announce
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(420)


class Stack:
    """One project of docker-compose, with names, ports and passwords that are nobody else's."""

    def __init__(self) -> None:
        self.name = f"ormen-test-{os.getpid()}"
        ports = subprocess.check_output([sys.executable, ROOT / "scripts" / "free_ports.py", "4"], text=True)
        self.port = int(ports)
        self.token = secrets.token_hex(16)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("ORMEN_")} | {
            "DOCKER_BUILDKIT": "0",  # the classic builder uses local images as bases without asking a registry
            "COMPOSE_DOCKER_CLI_BUILD": "0",
            "COMPOSE_PROJECT_NAME": self.name,
            "ORMEN_IMAGE": f"{self.name}:1",
            "ORMEN_BASE_IMAGE": f"{self.name}-base:1",
            "ORMEN_REDIS_IMAGE": f"{self.name}-redis:1",
            "ORMEN_TOKEN": self.token,
            "ORMEN_REDIS_PASSWORD": secrets.token_hex(16),
            "ORMEN_FLOWER_AUTH": "ann:secret",
            "ORMEN_NODE": self.name,
            "ORMEN_PORT": str(self.port),
            "ORMEN_REDIS_PORT": str(self.port + 1),
            "ORMEN_FLOWER_PORT": str(self.port + 2),
            "ORMEN_STATUS_PORT": str(self.port + 3),
            "ORMEN_DOCKER_SOCKET": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"),
        }

    def compose(self, *words: str) -> str:
        """Run docker-compose; return what it prints."""
        command = ["docker-compose", "--file", str(ROOT / "docker-compose.yml"), *words]
        done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ormen(self, *words: str) -> str:
        """Run the command line of this checkout against the published deck; return what it prints."""
        env = self.env | {"ORMEN_MANAGER": f"127.0.0.1:{self.port}"}
        program = shutil.which("ormen", path=str(Path(sys.executable).parent)) or "ormen"
        done = subprocess.run([program, *words], env=env, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, f"ormen {' '.join(words)}: {done.stderr}\n{self.compose('logs', '--tail', '30')}"
        return done.stdout

    def get(self, port: int, path: str, **headers: str) -> int:
        """Return the status of a request to a published port; 0 where nobody answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=3) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def node_is_ready(self) -> bool:
        """Return whether the sailor has joined the deck's cluster and takes tasks."""
        if self.get(self.port, "/healthz") != 200:
            return False
        nodes = json.loads(self.ormen("mast", "-o", "json"))
        return [node["state"] for node in nodes] == ["ready"]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    """The engine."""
    connection = docker.from_env(timeout=120)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient) -> Iterator[Stack]:
    """The file's services, up and joined; afterwards down, with their volumes and images."""
    stack = Stack()
    announce(f"com.docker.compose.project={stack.name}")
    python_image(client, stack.env["ORMEN_BASE_IMAGE"])
    redis_image(client, stack.env["ORMEN_REDIS_IMAGE"])
    try:
        stack.compose("build", "deck")  # one image for all, so it is built once
        stack.compose("up", "--detach", "--no-build")
        wait_until(stack.node_is_ready, timeout_s=60, what="for the node")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "20")
        for key in ("ORMEN_IMAGE", "ORMEN_BASE_IMAGE", "ORMEN_REDIS_IMAGE"):
            client.images.remove(stack.env[key], force=True)


def test_a_task_runs_through_the_published_deck(stack: Stack) -> None:
    """A task sent to the deck's published port runs beside the sailor's container, answers, and stops."""
    label = f"compose-test={stack.name}"
    announce(label)
    stack.ormen("run", "ormen/echo:1", "--name", "compose", "-p", "7777", "--health", "/health", "--label", label)
    tasks = json.loads(stack.ormen("status", "-o", "json"))
    (port,) = tasks[0]["ports"]
    assert stack.get(port["host"], "/health") == 200
    stack.ormen("stop", "compose")
    stack.ormen("rm", "compose")


def test_flower_asks_for_a_password(stack: Stack) -> None:
    """Flower's pages are shown to who knows user and password, and to nobody else."""
    flower = stack.port + 2
    wait_until(lambda: stack.get(flower, "/") == 401, what="for Flower")
    credentials = base64.b64encode(b"ann:secret").decode()
    assert stack.get(flower, "/", Authorization=f"Basic {credentials}") == 200


def test_the_deck_asks_for_its_token(stack: Stack) -> None:
    """The deck listens beyond its container's loopback, so it answers nobody without the token."""
    assert stack.get(stack.port, "/v1/tasks") == 401
    assert stack.get(stack.port, "/v1/tasks", Authorization=f"Bearer {stack.token}") == 200


def test_redis_keeps_what_it_has_over_a_restart(stack: Stack, client: docker.DockerClient) -> None:
    """Redis writes an append-only file: a task's record survives the restart of its container."""
    label = f"compose-test={stack.name}"
    announce(label)
    stack.ormen("run", "ormen/echo:1", "--name", "kept", "--label", label)
    stack.compose("restart", "redis")
    wait_until(stack.node_is_ready, timeout_s=60, what="for the node after Redis")
    assert "kept" in stack.ormen("status", "-o", "name")
    stack.ormen("rm", "--force", "kept")
    wait_until(
        lambda: not client.containers.list(all=True, sparse=True, filters={"label": label}),
        what="for the container's end",
    )


def test_every_port_is_published_on_loopback(stack: Stack, client: docker.DockerClient) -> None:
    """Unless told otherwise, nothing of the stack can be reached from another machine."""
    chosen = {"label": f"com.docker.compose.project={stack.name}"}
    bindings = [
        binding["HostIp"]
        for container in client.containers.list(filters=chosen)
        for published in container.ports.values()
        for binding in published or ()
    ]
    assert bindings == ["127.0.0.1"] * 3
