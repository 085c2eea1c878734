"""Registries, and the logins with which nodes pull from them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ormen.clock import rfc3339

DOCKER_HUB = "docker.io"
"""The registry of an image that names none."""

_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]+)?"
)


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a registry. The password is shown nowhere: neither in `repr` nor by `to_json`."""

    host: str
    user: str
    password: str = field(repr=False)
    changed_ms: int = 0
    by: str = ""
    sealed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the login as the API shows it."""
        return {
            "host": self.host,
            "username": self.user,
            "changed_at": rfc3339(self.changed_ms),
            "by": self.by or None,
            "sealed": self.sealed,
        }


def canonical(address: str) -> str:
    """Return a registry's host as images name it; raise ValueError for what is no address of one.

    Docker Hub has several addresses and one name; a scheme, and a path such as ``/v2/``, are left out as `docker login`
    does.
    """
    word = re.sub(r"^https?://", "", address.strip().lower()).partition("/")[0]
    if not word or len(word) > 255 or not _HOST.fullmatch(word):
        raise ValueError(f'"{address[:80]}" is not the address of a registry, such as registry.example.com:5000')
    return DOCKER_HUB if word in _HUB_NAMES else word


def registry_of(image: str) -> str:
    """Return the registry an image name means: its first part if that looks like a host, else docker.io."""
    first, slash, _ = image.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB
    host = first.lower()
    return DOCKER_HUB if host in _HUB_NAMES else host
