"""A Redis that cannot save its data takes no writes, and says so in a way of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ormen.errors import StoreUnavailable
from ormen.local.redis import find_server, start
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from ormen.store.talks import TalkStore
from ormen.talk import OUT, Frame
from tests.store.test_flow import ready
from tests.waiting import wait_until

SAYS = "takes no writes: it cannot save its data, so its disk may be full"


@pytest.fixture
def full(tmp_path: Path) -> Iterator[AgentStore]:
    """An agent's store on a Redis of its own, whose last try to save its data has failed."""
    server = start(find_server(), tmp_path)
    store = AgentStore.connect(replace(Settings(), redis_url=server.url), "test-agent")
    ready(store)
    store.client.config_set("save", "3600 1")
    (Path(store.client.config_get("dir")["dir"]) / "dump.rdb").mkdir()
    store.client.bgsave()
    wait_until(lambda: store.client.info("persistence")["rdb_last_bgsave_status"] == "err")
    yield store
    store.close()
    server.stop()


def test_a_redis_that_cannot_save_is_one_that_does_not_answer(full: AgentStore) -> None:
    """Whoever writes hears it as any outage, with the cause: alone, in a script, and in a transaction."""
    for write in (
        lambda: full.probed("node-1", {"t": 1.0}),
        lambda: full.synced("node-1", "i1", orphans=["web"]),
        lambda: TalkStore(full.settings, full.client).utter("t", Frame(OUT, b"x")),
    ):
        with pytest.raises(StoreUnavailable, match=SAYS):
            write()


def test_a_redis_that_cannot_save_can_be_read(full: AgentStore) -> None:
    """What is known is still shown."""
    assert full.read(["none"]) == {"none": None}


def test_a_redis_that_can_save_again_takes_writes_again(full: AgentStore) -> None:
    """Nothing has to be done about it here."""
    (Path(full.client.config_get("dir")["dir"]) / "dump.rdb").rmdir()
    full.client.bgsave()
    wait_until(lambda: full.client.info("persistence")["rdb_last_bgsave_status"] == "ok")
    full.probed("node-1", {"t": 1.0})
