"""Access tokens in the store: made, listed, removed, and when each was last used."""

from __future__ import annotations

import json

from ormen.errors import TokenNotFound, TokenTaken, TooLarge
from ormen.store.redis import RedisStore, answering
from ormen.tokens import Token

MOST_TOKENS = 1000
"""Each API process reads all of them every few seconds."""


class TokenStore(RedisStore):
    """The tokens of a cluster. Their secrets are not here: only what each is known by."""

    @answering
    def all(self) -> tuple[list[Token], int]:
        """Return every token, by name, and the time of Redis in ms."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.hgetall(self.keys.tokens)
            pipe.hgetall(self.keys.tokens_used)
            pipe.time()
            rows, used, clock = pipe.execute()
        tokens = [Token.from_row(name, json.loads(row), used_ms=int(used.get(name, 0))) for name, row in rows.items()]
        return sorted(tokens, key=lambda token: token.name), int(clock[0]) * 1000 + int(clock[1]) // 1000

    @answering
    def add(self, token: Token) -> None:
        """Keep a new token; raises TokenTaken for a name in use, TooLarge beyond a thousand."""
        if self.client.hlen(self.keys.tokens) >= MOST_TOKENS:
            raise TooLarge(f"there are {MOST_TOKENS} tokens already", hint="remove some: ormen token rm NAME")
        if not self.client.hsetnx(self.keys.tokens, token.name, json.dumps(token.to_row())):
            raise TokenTaken(
                f"there is a token {token.name} already",
                hint=f"choose another name, or ormen token rm {token.name} first",
            )

    @answering
    def remove(self, name: str) -> None:
        """Forget a token; raises TokenNotFound."""
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hdel(self.keys.tokens, name)
            pipe.hdel(self.keys.tokens_used, name)
            removed, _ = pipe.execute()
        if not removed:
            known = sorted(self.client.hkeys(self.keys.tokens))
            hint = f"the tokens are {', '.join(known[:10])}" if known else "there are none"
            raise TokenNotFound(f'no token "{name}"', hint=hint)

    @answering
    def used(self, name: str, *, at_ms: int) -> None:
        """Note when a token was last used; of one that was removed meanwhile nothing is kept."""
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hset(self.keys.tokens_used, name, at_ms)
            pipe.hexists(self.keys.tokens, name)
            _, there = pipe.execute()
        if not there:
            self.client.hdel(self.keys.tokens_used, name)
