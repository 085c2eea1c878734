"""Ask the parts of a cluster whether they are there: the engine, the deck, its nodes. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ormen.local.failure import OUT_OF_REACH, LocalFailure

DEFAULT_SOCKET = "unix:///var/run/docker.sock"


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def engine_version(address: str, *, timeout_s: float = 5.0) -> str:
    """Return the version of the Docker engine at a ``unix://`` or ``tcp://`` address.

    Another kind of address (``ssh://``) is left to the agents, and ``""`` returned. Raises `LocalFailure` that says
    what is wrong: no socket, no permission, no answer.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("unix", "tcp", "http"):
        return ""
    connection = (
        _LocalConnection(parts.path, timeout_s)
        if parts.scheme == "unix"
        else http.client.HTTPConnection(parts.hostname or "", parts.port or 2375, timeout=timeout_s)
    )
    try:
        connection.request("GET", "/version")
        version = json.loads(connection.getresponse().read())["Version"]
    except PermissionError:
        raise LocalFailure(
            "Docker's socket refuses you: permission denied",
            hint="join the group docker and log in again, or set DOCKER_HOST",
            exit_code=OUT_OF_REACH,
            code="ENGINE_DENIED",
        ) from None
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        cause = getattr(error, "strerror", None) or ("no answer in time" if isinstance(error, TimeoutError) else error)
        raise LocalFailure(
            f"no Docker engine answers at {address}: {str(cause).lower()}",
            hint="start it (systemctl start docker), or say where it is with DOCKER_HOST",
            exit_code=OUT_OF_REACH,
            code="ENGINE_DOWN",
        ) from None
    finally:
        connection.close()
    return str(version)


def engine_address(docker_host: str | None) -> str:
    """Return where the engine is: as set, as DOCKER_HOST says, or the usual socket."""
    return docker_host or os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET


@dataclass(frozen=True, slots=True)
class DeckProbe:
    """Short questions to one deck; no answer is an answer, never an exception."""

    host: str
    port: int
    token: str | None = None
    timeout_s: float = 1.0

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and JSON (None if it is none); status 0 if nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()
        try:
            return answer.status, json.loads(body)
        except ValueError:
            return answer.status, None

    def is_up(self, path: str = "/healthz") -> bool:
        """Return whether the path answers 200."""
        return self.get(path)[0] == 200

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes, none if the deck does not say."""
        return list(self._items("/v1/nodes"))

    def tasks(self, query: str = "", *, most: int = 5000) -> list[dict[str, Any]]:
        """Return the tasks that fit the query (``state=running``), newest first, at most so many."""
        found: list[dict[str, Any]] = []
        for task in self._items(f"/v1/tasks?limit=1000{'&' if query else ''}{query}"):
            found.append(task)
            if len(found) >= most:
                break
        return found

    def ready_nodes(self) -> set[str]:
        """Return the names of the nodes that are ready."""
        return {str(node.get("name")) for node in self.nodes() if node.get("state") == "ready"}

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            joint = "&" if "?" in path else "?"
            _, page = self.get(path + (f"{joint}cursor={cursor}" if cursor else ""))
            if not isinstance(page, dict):
                return
            yield from page.get("items") or ()
            cursor = page.get("next") or ""
            if not cursor:
                return
