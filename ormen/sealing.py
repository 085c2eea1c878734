"""Passwords as Redis keeps them: sealed with a key that lies on the hosts and never in Redis, or plain without one."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ormen.settings import Settings

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

SHORTEST = 32
"""Characters of a key: 32 hex digits are 128 bits."""

_SEALED, _PLAIN = "fernet:", "plain:"


class SealError(Exception):
    """A password cannot be opened here; `str` says which key is missing."""


class Sealer:
    """Seals with the first key and opens with each; without keys it keeps text as it is.

    Keys are any long random words. The cipher's own keys are their SHA-256, for they need no slow hash.
    """

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self._keys = keys
        self._box: MultiFernet | None = None

    @classmethod
    def of(cls, settings: Settings) -> Sealer:
        """Return the sealer of the settings' secret file; raise ValueError for a file that cannot be used."""
        path = settings.secret_file
        if not path:
            return cls()
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ValueError(f"the secret file {path} cannot be read: {why}") from error
        keys = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        if not keys or min(map(len, keys)) < SHORTEST:
            what = f"has a key of less than {SHORTEST} characters" if keys else "is empty"
            raise ValueError(f"the secret file {path} {what}; make one with: openssl rand -hex 32")
        return cls(keys)

    def seal(self, text: str) -> str:
        """Return what may be kept."""
        if not self._keys:
            return _PLAIN + text
        return _SEALED + self._fernet().encrypt(text.encode()).decode()

    def open(self, kept: str) -> str:
        """Return the text; raise SealError where its key is not here."""
        if kept.startswith(_PLAIN):
            return kept.removeprefix(_PLAIN)
        if not self._keys:
            raise SealError("it is sealed, and this host has no key: give it the deck's ORMEN_SECRET_FILE")
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(kept.removeprefix(_SEALED).encode()).decode()
        except InvalidToken:
            raise SealError("it is sealed with a key that is not in this host's ORMEN_SECRET_FILE") from None

    def _fernet(self) -> MultiFernet:
        if self._box is None:
            from cryptography.fernet import Fernet, MultiFernet

            digests = (hashlib.sha256(key.encode()).digest() for key in self._keys)
            self._box = MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
        return self._box


def is_sealed(kept: str) -> bool:
    """Return whether a kept text is sealed."""
    return kept.startswith(_SEALED)
