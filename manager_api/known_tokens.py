"""The tokens as one API process knows them: read again every few seconds, so that a request costs no round trip."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ormen.errors import StoreUnavailable
from ormen.store.tokens import TokenStore
from ormen.tokens import Token, digest_of

FRESH_S = 3.0
"""How old the list may be: for so long a removed token is still taken by the deck's other processes."""

NOTED_MS = 60_000
"""The last use of a token is written at most once in this time, by each process."""


class KnownTokens:
    """Every token by the hash of its secret."""

    def __init__(self, open_store: Callable[[], TokenStore], clock: Callable[[], float] = time.monotonic) -> None:
        self._open_store = open_store
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._read_at: float | None = None
        self._ahead_ms = 0
        self._noted: dict[str, int] = {}

    def find(self, secret: str) -> Token | None:
        """Return the token of this secret; one that is not known is looked for in the store before it is refused."""
        digest = digest_of(secret)
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= FRESH_S or digest not in self._tokens:
                self._read()
            return self._tokens.get(digest)

    def forget(self) -> None:
        """Read all of them anew at the next request: one was made or removed here."""
        with self._lock:
            self._read_at = None

    def now_ms(self) -> int:
        """Return the time of Redis, by which tokens expire."""
        return int(time.time() * 1000) + self._ahead_ms

    def note_use(self, token: Token, now_ms: int) -> None:
        """Write down that a token was used, unless that was done within the last minute."""
        with self._lock:
            last = max(self._noted.get(token.name, 0), token.used_ms)
            if now_ms - last < NOTED_MS:
                return
            self._noted[token.name] = now_ms
        try:
            self._open_store().used(token.name, at_ms=now_ms)
        except StoreUnavailable:
            with self._lock:
                self._noted.pop(token.name, None)

    def _read(self) -> None:
        tokens, now_ms = self._open_store().all()
        self._tokens = {token.digest: token for token in tokens}
        self._noted = {token.name: self._noted[token.name] for token in tokens if token.name in self._noted}
        self._ahead_ms = now_ms - int(time.time() * 1000)
        self._read_at = self._clock()
