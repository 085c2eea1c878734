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
    return parts(image)[0].lower()


def parts(image: str) -> tuple[str, str]:
    """Return an image's registry and the rest of its name as Docker reads it: docker.io, library/nginx of nginx."""
    first, slash, rest = image.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost" or first != first.lower()):
        first, rest = DOCKER_HUB, image
    if first.lower() in _HUB_NAMES:
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest
