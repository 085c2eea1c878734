"""The doctor finds each trouble for real, with its place, its amount and a fix; and what is well is in order."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from flask import Flask
from flask.testing import FlaskClient

from manager_api.app import create_app
from ormen.broker import make_app, queue
from ormen.errors import StoreUnavailable
from ormen.local.redis import RunningRedis
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE, node_queue
from ormen.node import Resources
from ormen.reasons import Code, Reason
from ormen.registries import Login
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.agent import Heartbeat
from ormen.store.examining import DoctorStore
from ormen.store.logins import LoginStore
from ormen.store.loops import LoopStore
from tests.integration.sailors import Sailor

HOUR_MS = 3_600_000


@pytest.fixture
def redis(store: LoopStore) -> Iterator[Any]:
    """The test's own Redis, whose settings are given back."""
    names = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "notify-keyspace-events", "timeout",
             "maxclients")  # fmt: skip
    before = {name: store.client.config_get(name)[name] for name in names}
    yield store.client
    store.client.replicaof("NO", "ONE")
    for name, value in before.items():
        store.client.config_set(name, value)


@pytest.fixture
def well(api: FlaskClient, sailor: Sailor, store: LoopStore, settings: Settings) -> FlaskClient:
    """A cluster in which nothing is wrong: a ready node, loops that ran just now, queues that are announced."""
    now = store.now_ms()
    store.client.hset(store.keys.loops, mapping=dict.fromkeys(("liveness", "reschedule", "health", "cleanup"), now))
    app = make_app(settings, "test")
    with app.connection_for_write() as connection:
        for name in (TICK_QUEUE, CONTROL_QUEUE, node_queue("node-1")):
            queue(name).bind(connection.default_channel).declare()
    app.close()
    return api


def beat(sailor: Sailor, **said: Any) -> None:
    """Let the node's agent speak."""
    cluster = said.pop("cluster", sailor.store.cluster())
    sailor.store.heartbeat(Heartbeat("node-1", "i", cluster, used=Resources(), load=0.0, **said))


def found(api: FlaskClient) -> dict[str, dict[str, Any]]:
    """What the doctor says, by code; what is in order has none of its own."""
    answer = api.get("/v1/doctor")
    assert answer.status_code == 200
    return {one["code"]: one for one in answer.get_json()["findings"] if one["level"] != "ok"}


def test_a_well_cluster_has_no_fault(well: FlaskClient) -> None:
    """Deck, Redis, loops and nodes each have their line, and the amounts are those of the lines.

    The tests' Redis does not sync, and their agent is of no version: nothing else is found.
    """
    answer = well.get("/v1/doctor").get_json()
    assert {one["code"] for one in answer["findings"] if one["level"] != "ok"} == {"REDIS_FSYNC", "VERSIONS"}
    assert (answer["ok"], answer["faults"]) == (True, 0)
    fine = {one["place"]: one["sentence"] for one in answer["findings"] if one["level"] == "ok"}
    assert list(fine) == ["deck", "redis", "loops", "nodes"]
    assert fine["nodes"] == "1 of 1 ready, agents 0"
    assert answer["in_order"] == 4


@pytest.mark.parametrize(
    ("name", "value", "code", "level"),
    [
        ("appendonly", "no", "REDIS_AOF_OFF", "fault"),
        ("maxmemory-policy", "allkeys-lru", "REDIS_EVICTS", "fault"),
        ("appendfsync", "no", "REDIS_FSYNC", "warning"),
        ("notify-keyspace-events", "KEA", "REDIS_NOTIFIES", "warning"),
        ("timeout", "300", "REDIS_HANGS_UP", "warning"),
        ("maxclients", "200", "REDIS_CLIENTS", "warning"),
    ],
)
def test_a_wrong_setting_of_redis_is_found_and_the_fix_cures_it(
    well: FlaskClient, redis: Any, redis_server: RunningRedis, name: str, value: str, code: str, level: str
) -> None:
    """Each names the setting and the place; the command that it gives is typed here as it stands."""
    redis.config_set(name, value)
    finding = found(well)[code]
    assert (finding["place"], finding["level"]) == ("redis", level)
    assert name.split("-")[0] in finding["sentence"]
    words = shlex.split(finding["fix"])
    assert words[:7] == ["redis-cli", "-h", "127.0.0.1", "-p", str(redis_server.plan.port), "config", "set"]
    redis.config_set(*words[7:])
    assert code not in found(well)


def test_a_full_redis_and_a_replica_are_found(well: FlaskClient, redis: Any) -> None:
    """Before it takes no tasks any more, and when it takes none."""
    redis.config_set("maxmemory", int(redis.info()["used_memory"] * 1.12))
    assert "of the" in found(well)["REDIS_FULL"]["sentence"]
    redis.config_set("maxmemory", 0)
    redis.replicaof("127.0.0.1", "1")
    assert found(well)["REDIS_REPLICA"]["level"] == "fault"


def test_settings_that_may_not_be_read_are_no_failure(settings: Settings, redis: Any) -> None:
    """A user without CONFIG: what INFO tells is judged all the same."""
    redis.acl_setuser("doc", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], commands=["-config"])
    store = DoctorStore.connect(
        replace(settings, redis_url=settings.redis_url.replace("redis://:", "redis://doc:").partition("@")[0]
                .rpartition(":")[0] + ":pw@" + settings.redis_url.partition("@")[2])
    )  # fmt: skip
    try:
        seen = store.redis(agents=0)
    finally:
        store.close()
        redis.acl_deluser("doc")
    assert (seen.config, seen.says("maxmemory_policy")) == (None, "noeviction")


def test_what_an_agent_measures_is_judged(well: FlaskClient, sailor: Sailor) -> None:
    """A clock that is off, a disk that fills, and a version that is not the deck's: each a warning of that node."""
    beat(sailor, sent_ms=sailor.store.now_ms() + 4_200, facts={"disk_percent": 91.0})
    now = found(well)
    assert now["CLOCK"]["sentence"].startswith("clock is 4.2s ahead; ages")
    assert now["CLOCK"]["fix"] == "install chrony on node-1"
    assert now["DISK_FILLING"]["sentence"].startswith("the disk of its Docker is 91 % full")
    assert "its agent is 0, the deck " in now["VERSIONS"]["sentence"]
    assert {now[code]["place"] for code in ("CLOCK", "DISK_FILLING", "VERSIONS")} == {"node-1"}
    beat(sailor, sent_ms=sailor.store.now_ms(), facts={"disk_percent": 97.0})
    assert found(well)["DISK_FILLING"]["level"] == "fault"


def test_a_node_that_takes_nothing_is_found(well: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """An engine out of reach as its agent says it; then a node that is lost, with both ways out of it."""
    beat(sailor, trouble=Reason(Code.ENGINE_DOWN, "Docker does not answer at unix:///x."))
    complaint = found(well)
    assert complaint["ENGINE_DOWN"]["sentence"] == "takes no tasks: docker does not answer at unix:///x"
    assert complaint["NO_NODE_READY"]["level"] == "fault"
    beat(sailor)
    store.client.zadd(store.keys.heartbeats, {"node-1": 1})
    lost = found(well)["NODE_LOST"]
    assert (lost["place"], lost["level"]) == ("node-1", "fault")
    assert lost["fix"] == "start its host and agent again, or ormen mast rm node-1"


def test_a_message_that_nobody_hears_is_found(well: FlaskClient, sailor: Sailor, settings: Settings) -> None:
    """How many, for how long, where, and what to start anew; the queue of control likewise."""
    with mock.patch("ormen.rings.time.time", return_value=sailor.store.now_ms() / 1000 - 48):
        for _ in range(3):
            Ringer(sailor.store).ring_nodes({"node-1": ["web"]})
    stuck = found(well)["QUEUE_STUCK"]
    assert stuck["sentence"] == "3 messages wait 48s in queue node.node-1; the agent reads none"
    assert (stuck["place"], stuck["fix"]) == ("node-1", "systemctl restart ormen-sailor on node-1")


def test_a_queue_that_is_not_announced_is_found(well: FlaskClient, store: LoopStore) -> None:
    """As after an eviction: messages to it would go nowhere."""
    store.client.delete("_kombu.binding.control")
    assert found(well)["QUEUE_UNBOUND"]["sentence"].startswith("queue control is not in Redis's routing table")


def test_what_an_agent_leaves_lying_is_found(well: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """Changes that it does not take, containers that it has no record of, and removals that it does not confirm."""
    task = well.post("/v1/tasks", json={"name": "web", "image": "nginx"}).get_json()["id"]
    sailor.start(task)
    well.delete(f"/v1/tasks/{task}?force=1")
    assert "REMOVALS_UNCONFIRMED" not in found(well)
    early = int(store.client.hget(store.keys.task(task), "removed")) - HOUR_MS
    store.client.hset(store.keys.task(task), "removed", early)
    store.client.hset(store.keys.node("node-1"), "inbox_since", early)
    store.client.hset(store.keys.node("node-1"), "orphans", '["old.1"]')
    now = found(well)
    assert now["INBOX_STUCK"]["sentence"].startswith("2 changes wait 1h")
    assert now["REMOVALS_UNCONFIRMED"]["sentence"].startswith("1 removed task waits 1h")
    assert now["ORPHANS"]["sentence"] == "1 container of ormen has no record and runs on: old.1"
    store.client.zadd(store.keys.heartbeats, {"node-1": 1})
    assert found(well)["REMOVALS_UNCONFIRMED"]["fix"] == "bring it back, or ormen mast rm node-1"


def test_loops_that_stand_still_and_a_brake_that_holds_are_found(well: FlaskClient, store: LoopStore) -> None:
    """Which loop since when; how many nodes are silent, and the command that lets go."""
    store.client.hset(store.keys.loops, "liveness", store.now_ms() - 40_000)
    store.client.hset(store.keys.brake, mapping={"on": store.now_ms(), "of": 5})
    now = found(well)
    assert (now["LOOP_LATE"]["place"], now["LOOP_LATE"]["sentence"]) == ("loops", "the loop liveness last ran 40s ago")
    assert now["BRAKE"]["fix"] == "ormen mast release"


def test_ports_that_run_out_and_strangers_are_found(well: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """By how many of how many; and an agent of another cluster that calls here."""
    held = {f"{port}/tcp": "0.0.0.0=x" for port in range(20_000, 28_500)}
    store.client.hset(store.keys.ports("engine-node-1"), mapping=held)
    beat(sailor, cluster="other")
    now = found(well)
    assert now["PORTS_SCARCE"]["sentence"].startswith("8500 of the 10000 ports")
    assert "An agent of another cluster calls here: node-1" in now["STRANGERS"]["sentence"]


def test_tokens_and_keys_are_judged(well: FlaskClient, app: Flask, settings: Settings, tmp_path: Path) -> None:
    """A token that ends within a week, with the commands that make another; a login whose key this deck lacks."""
    assert well.post("/v1/tokens", json={"name": "long", "role": "read", "expires_in": "192h"}).status_code == 201
    assert not {"TOKEN_ENDS", "KEY_MISSING"} & found(well).keys()
    well.post("/v1/tokens", json={"name": "ci", "role": "operate", "expires_in": "2h"})
    (tmp_path / "secret").write_text("k" * 32)
    client = app.extensions["ormen"].deck.store.client
    LoginStore(replace(settings, secret_file=str(tmp_path / "secret")), client).put(Login("ghcr.io", "ann", "pw"))
    now = found(well)
    assert now["TOKEN_ENDS"]["sentence"].startswith("token ci expires in 1h59m")
    assert now["TOKEN_ENDS"]["fix"] == "ormen token rm ci && ormen token create ci --role operate"
    assert (now["KEY_MISSING"]["level"], "ghcr.io" in now["KEY_MISSING"]["sentence"]) == ("fault", True)


def test_a_receiver_that_is_away_is_found(well: FlaskClient, store: LoopStore) -> None:
    """A webhook whose messages have failed for more than a minute, with what came of the last try."""
    well.post("/v1/webhooks", json={"name": "ops", "url": "http://127.0.0.1:1/", "events": ["task.failed"]})
    store.client.hset(store.keys.webhook("ops"), "failing", store.now_ms() - 50_000)
    assert "WEBHOOK_FAILS" not in found(well)
    said = {"failing": store.now_ms() - HOUR_MS, "result": "connection refused"}
    store.client.hset(store.keys.webhook("ops"), mapping=said)
    assert found(well)["WEBHOOK_FAILS"]["fix"] == "ormen webhook test ops"
    assert "ops has failed for 1h" in found(well)["WEBHOOK_FAILS"]["sentence"]


def test_a_policy_file_is_judged_as_it_is_now(settings: Settings, tmp_path: Path) -> None:
    """Changed since the start; and faulty, so that the deck would not start again."""
    path = tmp_path / "policy.yaml"
    path.write_text("privileged: never\n")
    app = create_app(replace(settings, policy_file=str(path), host="0.0.0.0"))
    assert not {"POLICY_CHANGED", "POLICY_FAULTY"} & found(app.test_client()).keys()
    path.write_text("privileged: always\n")
    changed = found(app.test_client())
    path.write_text("privilegd: always\n")
    faulty = found(app.test_client())
    app.extensions["ormen"].close()
    assert "POLICY_CHANGED" in changed
    assert "privilegd" in faulty["POLICY_FAULTY"]["sentence"]
    assert faulty["DECK_OPEN"]["level"] == "warning"


def test_a_deck_that_asks_for_a_token_is_not_open(settings: Settings) -> None:
    """Whoever can reach it."""
    app = create_app(replace(settings, token="s3cret", host="0.0.0.0"))
    answer = app.test_client().get("/v1/doctor", headers={"Authorization": "Bearer s3cret"}).get_json()
    app.extensions["ormen"].close()
    assert "DECK_OPEN" not in {one["code"] for one in answer["findings"]}


def test_a_redis_that_is_away_is_said_and_no_failure() -> None:
    """The deck answers, names the place, and says that containers go on."""
    app = create_app(replace(Settings(), redis_url="redis://127.0.0.1:1/0"))
    away = found(app.test_client())
    with pytest.raises(StoreUnavailable):
        app.extensions["ormen"].deck.store.ping()
    app.extensions["ormen"].close()
    assert list(away) == ["REDIS_AWAY"]
    assert away["REDIS_AWAY"]["sentence"].startswith("Redis at 127.0.0.1:1 refuses connections")
    assert away["REDIS_AWAY"]["fix"] == "systemctl start redis-server on 127.0.0.1"
