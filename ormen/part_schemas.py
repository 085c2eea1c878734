"""The schemas of a task's parts: a published port, a health check, a mount."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ormen import fields as read
from ormen.errors import Fault
from ormen.strict import DURATION, TEXT, TEXTS, Leaf, Strict

DAY_S = 86400.0


class PortSchema(Strict):
    """A container port to publish on the host."""

    container = Leaf(
        read.whole(1, 65535, "a port"),
        {"type": "integer", "minimum": 1, "maximum": 65535, "description": "The container's port.", "example": 80},
        required=True,
    )
    host = Leaf(
        read.whole(1, 65535, "a port"),
        {"type": "integer", "minimum": 1, "maximum": 65535, "example": 8080,
         "description": "The host's port; left out, one from the pool, 20000 to 29999."},
    )  # fmt: skip
    protocol = Leaf(read.choice(("tcp", "udp")), TEXT | {"enum": ["tcp", "udp"], "default": "tcp"})
    bind = Leaf(
        read.address,
        TEXT | {"description": "The host's address to listen on; left out, the agent's.", "example": "10.0.0.11"},
    )


def _check_path(value: object) -> str:
    word = read.text(value, most=2048)
    if not re.fullmatch(r"(?::[0-9]{1,5}(?=/))?/[!-~]*", word):
        raise read.bad("MALFORMED", "a path such as /health, or :PORT/path; no blanks, ASCII only", value)
    if word.startswith(":"):
        read.whole(1, 65535, "a port")(int(word[1 : word.index("/")]))
    return word


def _statuses(value: object) -> tuple[int, int]:
    match = re.fullmatch(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", read.text(value), re.ASCII)
    if not match:
        raise read.bad("MALFORMED", "a status or a range of them, 100 to 599", value, hint="write it as 200-399")
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise read.bad("OUT_OF_RANGE", f"{low} is above {high}", value)
    return low, high


def words(value: object) -> tuple[str, ...]:
    """Return a program and its arguments: at least the program, which is not empty."""
    found = read.each(read.text, most=read.MOST_ENTRIES)(value)
    if not found:
        raise read.bad("MALFORMED", "must not be empty", hint="leave it out for the image's own")
    if not found[0]:
        raise read.bad("MALFORMED", "the program to run must not be empty", path=(0,))
    return found


class HealthSchema(Strict):
    """A check of the running container: exactly one of `http`, `tcp` and `command`."""

    http = Leaf(
        _check_path,
        TEXT
        | {
            "pattern": "^(:[0-9]{1,5})?/[!-~]*$",
            "description": "/path or :PORT/path; without a port the first of ports.",
            "example": ":9000/ready",
        },
    )
    expect = Leaf(
        _statuses,
        TEXT
        | {
            "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$",
            "description": "The good status, or a range.",
            "default": "200-399",
            "example": "200",
        },
    )
    tcp = Leaf(
        read.whole(1, 65535, "a port"),
        {"type": "integer", "minimum": 1, "maximum": 65535, "example": 5432,
         "description": "A container port that must accept connections."},
    )  # fmt: skip
    command = Leaf(
        words, TEXTS | {"minItems": 1, "description": "Run inside; exit 0 is healthy.", "example": ["pg_isready"]}
    )
    grace = Leaf(
        read.duration(0, DAY_S, "0 to 24h"),
        DURATION | {"description": "Failures that do not count yet, from the start.", "default": "30s"},
    )
    interval = Leaf(
        read.duration(0.1, DAY_S, "100ms to 24h"),
        DURATION | {"description": "From the end of a check to the next.", "default": "10s", "example": "5s"},
    )
    timeout = Leaf(
        read.duration(0.1, 3600, "100ms to 1h"),
        DURATION | {"description": "For one check.", "default": "3s", "example": "1s"},
    )
    retries = Leaf(
        read.whole(1, 1000, "a number of failures"),
        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 3,
         "description": "Failures in a row that end the attempt."},
    )  # fmt: skip

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a fault unless exactly one check was sent."""
        checks = [key for key in ("http", "tcp", "command") if key in sent]
        if not checks:
            yield Fault((), "REQUIRED", "a check has one of http, tcp and command", hint="for example http: /health")
        if len(checks) > 1:
            yield Fault((checks[1],), "CONFLICT", f"a check has one of http, tcp and command, not {len(checks)}")
        if "expect" in sent and checks and "http" not in checks:
            yield Fault(("expect",), "CONFLICT", f"expect belongs to http; this check is {checks[0]}")


def _volume_name(value: object) -> str:
    word = read.text(value, most=255)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]+", word):
        hint = "a path of the host goes into host" if word.startswith(("/", ".", "~")) else None
        raise read.bad("MALFORMED", "a volume's name has two or more letters, digits, _ . or -", value, hint=hint)
    return word


def boolean(value: object) -> bool:
    """Return true or false; words and numbers are neither."""
    if not isinstance(value, bool):
        raise read.bad("WRONG_TYPE", f"must be true or false, not {read.kind(value)}", value)
    return value


class VolumeSchema(Strict):
    """A mount: a named volume of the node, or a path of the host that the policy allows."""

    name = Leaf(
        _volume_name,
        TEXT | {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]+$", "description": "A named volume.", "example": "pgdata"},
    )
    host = Leaf(read.path, TEXT | {"pattern": "^/", "description": "A path of the host; the policy must allow it."})
    target = Leaf(
        read.target("a mount"),
        TEXT | {"pattern": "^/", "description": "Where in the container.", "example": "/data"},
        required=True,
    )
    read_only = Leaf(boolean, {"type": "boolean", "default": False})

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a fault unless exactly one source was sent."""
        if "name" not in sent and "host" not in sent:
            yield Fault((), "REQUIRED", "a volume has a name or a host path", hint="for example name: data")
        if "name" in sent and "host" in sent:
            yield Fault(("host",), "CONFLICT", "a volume has a name or a host path, not both")
