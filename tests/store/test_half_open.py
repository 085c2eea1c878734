"""Lines that have died without a word: one of them found out is enough to give up the rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from ormen.errors import StoreUnavailable
from ormen.settings import Settings
from ormen.store.redis import RedisStore
from tests.acceptance.living import free_port
from tests.cluster.proxy import Proxy


def test_one_dead_line_that_was_found_out_renews_them_all(settings: Settings) -> None:
    """After a firewall has forgotten every connection of a pool, one call fails in time and the next ones work."""
    redis = urlsplit(settings.redis_url)
    with Proxy(("127.0.0.1", free_port()), ("127.0.0.1", redis.port or 0)) as line:
        url = settings.redis_url.replace(f":{redis.port}", f":{line.listen[1]}")
        store = RedisStore.connect(replace(settings, redis_url=url), "test", timeout_s=3.0)
        use_all(store)
        line.strand()
        with pytest.raises(StoreUnavailable, match="does not answer in time"):
            store.ping()
        use_all(store)
        store.close()


def use_all(store: RedisStore) -> None:
    """Use four connections at the same time."""
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: store.client.blpop(["nothing"], 0.1), range(4))) == [None] * 4
