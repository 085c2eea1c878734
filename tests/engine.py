"""The engine that the tests use: the one DOCKER_HOST names, as scripts/test sets it, else the usual one."""

from __future__ import annotations

import os

import docker

SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
"""The path of its socket."""


def engine_api() -> docker.APIClient:
    """Return a client of it; the library itself heeds DOCKER_HOST only in another constructor."""
    return docker.APIClient(base_url=f"unix://{SOCKET}", version="auto")
