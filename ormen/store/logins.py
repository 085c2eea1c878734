"""The logins of registries in the store: kept, listed and removed by the deck, read by every agent that pulls."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis

from ormen.errors import LoginNotFound, TooLarge
from ormen.registries import Login
from ormen.sealing import Sealer, is_sealed
from ormen.settings import Settings
from ormen.store.redis import RedisStore, answering

MOST_LOGINS = 1000
"""One list shows them all."""


class LoginStore(RedisStore):
    """One login a registry. Raises ValueError for a secret file that cannot be used."""

    def __init__(self, settings: Settings, client: Redis) -> None:
        super().__init__(settings, client)
        self._sealer = Sealer.of(settings)

    @answering
    def all(self) -> list[Login]:
        """Return every login by its host, without the passwords."""
        rows = self.client.hgetall(self.keys.logins)
        return [_login(host, json.loads(rows[host]), password="") for host in sorted(rows)]

    @answering
    def put(self, login: Login) -> Login:
        """Keep a login in the place of the one before; return it with its time. Raises TooLarge beyond a thousand."""
        known = self.client.hexists(self.keys.logins, login.host)
        if not known and self.client.hlen(self.keys.logins) >= MOST_LOGINS:
            raise TooLarge(f"there are {MOST_LOGINS} logins already", hint="forget some: ormen registry logout HOST")
        row = {"user": login.user, "secret": self.seal(login.password), "changed": self.now_ms(), "by": login.by}
        self.client.hset(self.keys.logins, login.host, json.dumps(row))
        return _login(login.host, row, password="")

    @answering
    def remove(self, host: str) -> None:
        """Forget a login; raises LoginNotFound."""
        if not self.client.hdel(self.keys.logins, host):
            known = sorted(self.client.hkeys(self.keys.logins))
            hint = f"there are logins for {', '.join(known[:10])}" if known else "there are none"
            raise LoginNotFound(f"no login is kept for {host}", hint=hint)

    @answering
    def of(self, host: str) -> Login | None:
        """Return the login for a registry, None if none is kept; raise SealError where it cannot be opened."""
        raw = self.client.hget(self.keys.logins, host)
        if raw is None:
            return None
        row = json.loads(raw)
        return _login(host, row, password=self.open(row["secret"]))

    def seal(self, text: str) -> str:
        """Return a password as it may lie in Redis."""
        return self._sealer.seal(text)

    def open(self, kept: str) -> str:
        """Return the password that `seal` was given, perhaps on another host; raise SealError."""
        return self._sealer.open(kept)


def _login(host: str, row: dict[str, Any], *, password: str) -> Login:
    return Login(host, row["user"], password, row["changed"], row["by"], is_sealed(row["secret"]))
