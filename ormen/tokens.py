"""Access tokens: who may ask the deck for what. Pure."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ormen.clock import rfc3339

PREFIX = "ormen_"
"""What every token begins with, so that scanners for secrets in code know it."""

SECRET_BYTES = 24
"""192 random bits: nobody guesses one, so a plain SHA-256 is enough to keep it by."""

NAME = r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}"
"""A token's name, as a regular expression: it says who holds it."""


class Role(StrEnum):
    """What a token is good for; each may do what those before it may."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Return its place in that order."""
        return [*Role].index(self)

    def covers(self, needed: Role) -> bool:
        """Return whether a caller of this role may do what needs `needed`."""
        return self.rank >= needed.rank

    @property
    def verb(self) -> str:
        """Return what it may do, as a sentence says it."""
        return "administer" if self is Role.ADMIN else self.value


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: not the secret itself, but its SHA-256. Times are Redis's, in ms; 0 is never."""

    name: str
    role: Role
    digest: str
    created_ms: int
    expires_ms: int = 0
    by: str = ""
    used_ms: int = 0

    def expired(self, now_ms: int) -> bool:
        """Return whether it is too old to be taken."""
        return bool(self.expires_ms) and now_ms >= self.expires_ms

    def to_json(self) -> dict[str, Any]:
        """Return the token as the API shows it, which never tells the secret or its hash."""
        return {
            "name": self.name,
            "role": self.role.value,
            "created_at": rfc3339(self.created_ms),
            "expires_at": rfc3339(self.expires_ms or None),
            "last_used_at": rfc3339(self.used_ms or None),
            "by": self.by or None,
        }

    def to_row(self) -> dict[str, Any]:
        """Return what is kept of it, the last use apart."""
        return {
            "role": self.role.value,
            "digest": self.digest,
            "created": self.created_ms,
            "expires": self.expires_ms,
            "by": self.by,
        }

    @classmethod
    def from_row(cls, name: str, row: Mapping[str, Any], *, used_ms: int = 0) -> Token:
        """Return the token that `to_row` wrote."""
        return cls(name, Role(row["role"]), row["digest"], row["created"], row["expires"], row["by"], used_ms)


def new_secret() -> str:
    """Return a token that nobody has."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """Return what a token is kept by."""
    return hashlib.sha256(secret.encode()).hexdigest()


def better_name(name: str, role: Role) -> str:
    """Return a name for a token that may do more than `name` may: ci-reader gives ci, ci gives ci-operate."""
    return name.rpartition("-")[0] or f"{name}-{role.value}"
