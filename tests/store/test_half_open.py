"""A store's connections: never more than it may have, and given up together where one is found dead."""

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


def test_a_store_has_no_more_connections_than_it_may(settings: Settings) -> None:
    """Whoever comes when all are in use waits for one; those that rest are closed when it is asked."""
    store = RedisStore.connect(settings, "few", most=2)
    use_all(store)
    assert len(lines(store)) == 2
    store.rest()
    assert len(lines(store)) == 1
    store.close()


def test_who_waits_for_a_connection_in_vain_is_told(settings: Settings) -> None:
    """Behind a call that does not end nobody waits for ever."""
    store = RedisStore.connect(settings, "one", most=1, timeout_s=0.5)
    store.ping()
    taken = store.client.connection_pool.get_connection()
    with pytest.raises(StoreUnavailable, match="every connection is in use"):
        store.ping()
    store.client.connection_pool.release(taken)
    store.ping()
    store.close()


def lines(store: RedisStore) -> list[str]:
    """Return the connections of the store as Redis knows them, the asking one among them."""
    mine = store.client.client_info()["name"]
    return [line["id"] for line in store.client.client_list() if line["name"] == mine]


def use_all(store: RedisStore) -> None:
    """Use four connections at the same time."""
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: store.client.blpop(["nothing"], 0.1), range(4))) == [None] * 4
