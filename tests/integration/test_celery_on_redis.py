"""How Celery on Redis betrays, and which test shows that ormen lives with it.

==  ==============================================================  ================================================
no  what it does                                                    shown by
==  ==============================================================  ================================================
 1  loses messages: one taken and not yet noted, or on a dead line  cluster/test_messages, fundamentals/test_04
 2  repeats messages: visibility timeout, ETA, countdown            here (none is ever set), cluster/test_messages
 3  a worker exits when Redis drops with deliveries in hand         cluster/test_redis (cuts under load)
 4  a worker is alive and deaf; a half-open line goes unnoticed     cluster/test_deaf, cluster/test_redis
 5  threads cannot be revoked or timed out                          here, contract (every Docker call has a limit),
                                                                    cluster/test_deaf (a hung engine)
 6  gossip, mingle, remote control cost ten connections a worker    cluster/test_redis (connections counted), here
 7  publishing is slow: a list is one message a node                here
 8  priorities make four keys of a queue                            here
 9  keyspace notifications come late or never                       here (off), fundamentals/test_10 (a scan)
10  two beats send everything twice; ticks pile up unconsumed       here, fundamentals/test_11
11  Redis Cluster is not supported; an evicted key breaks routing   here (noeviction, no binding is needed)
12  an agent can have a Redis login of its own                      here
13  Flower works where events are on                                acceptance/test_flower
14  no_ack acknowledges all the same, and the worker exits          here
15  a message uses one thread, however many tasks it names          unit/test_agent_lanes
16  many queues in one process are slow to consume                  here (an agent consumes one, control two)
17  an idle connection is closed by gunicorn                        unit/test_client (repeats what is safe)
18  a connection opened before the fork is shared                   here
==  ==============================================================  ================================================
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis

from manager_api.__main__ import drop_old_ticks
from manager_api.app import create_app
from manager_api.control.app import TICKS, make_worker_app
from ormen import messages
from ormen.broker import make_app, queue
from ormen.local.redis import RunningRedis
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.redis import RedisStore
from worker_agent.app import make_agent_app

THREADS = 16


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the Redis that is the broker."""
    with redis.Redis.from_url(settings.redis_url, decode_responses=True) as opened:
        yield opened


def put_by(client: redis.Redis, key: str) -> list[dict[str, Any]]:
    """Return the messages that lie in a queue, the last sent first."""
    return [json.loads(raw) for raw in client.lrange(key, 0, -1)]


def ring_all(settings: Settings) -> None:
    """Send one message of each kind that ormen ever sends."""
    app = make_worker_app(settings)
    ringer = Ringer(RedisStore.connect(settings, "test"))
    ringer.ring_nodes({"node-1": [f"web-{n}" for n in range(100)]})
    ringer.ring_nodes({"node-1": ["web"]}, kind=messages.STOP)
    ringer.prove("node-1")
    ringer.ring_control(["a", "b"])
    for loop in TICKS:
        entry = app.conf.beat_schedule[loop]
        app.send_task(entry["task"], **entry["options"])


def test_no_message_is_delayed_expires_or_answers(settings: Settings, client: redis.Redis) -> None:
    """Every message is JSON without eta, countdown or expiry: clocks of two machines are never compared (2)."""
    ring_all(settings)
    found = [message for key in client.keys("*") for message in put_by(client, key)]
    assert len(found) == 4 + len(TICKS)
    for message in found:
        head = message["headers"]
        assert message["content-type"] == "application/json"
        assert (head["eta"], head["expires"], head["timelimit"]) == (None, None, [None, None])
        assert (head["ignore_result"], head["retries"]) == (True, 0)


def test_a_list_of_tasks_is_one_message_per_node(settings: Settings, client: redis.Redis) -> None:
    """A hundred tasks on three nodes are three messages, each described beforehand and short (7)."""
    names = [f"web-{n}" for n in range(100)]
    assert Ringer(RedisStore.connect(settings, "test")).ring_nodes({f"node-{n}": names for n in range(3)})
    assert sorted(client.keys("*")) == ["node.node-0", "node.node-1", "node.node-2"]
    (message,) = put_by(client, "node.node-0")
    assert json.loads(base64.b64decode(message["body"]))[0] == [[*names[:20], "and 80 more"]]
    assert message["headers"]["argsrepr"].startswith("['web-0'")


def test_a_ring_is_what_celery_sends(settings: Settings, client: redis.Redis) -> None:
    """Field for field but for ids and times, so that Celery's workers and Flower take it as one of Celery's own (7)."""
    assert Ringer(RedisStore.connect(settings, "test")).ring_nodes({"node-1": ["web"]})
    make_app(settings, "test").send_task(
        messages.RUN, args=[["web"]], queue=queue("node.node-1"), argsrepr="['web']", ignore_result=True
    )
    sent, made = put_by(client, "node.node-1")
    del made["headers"][messages.SENT]
    for message in (sent, made):
        head, own = message["headers"], message["properties"]
        assert head.pop("id") == head.pop("root_id") == own.pop("correlation_id")
        assert own.pop("delivery_tag")
        assert own.pop("reply_to")
        own.pop("argsrepr", None)
    assert made == sent


def test_a_queue_is_one_key_and_needs_no_binding(settings: Settings, client: redis.Redis) -> None:
    """Nothing is written but the lists themselves: no priorities, and no binding that could be lost (8, 11)."""
    ring_all(settings)
    assert sorted(client.keys("*")) == sorted(["node.node-1", messages.CONTROL_QUEUE, messages.TICK_QUEUE])


def test_a_ring_that_is_cut_off_is_no_failure(settings: Settings, client: redis.Redis) -> None:
    """A connection that breaks while it is used costs a ring, and neither the request nor the next ring (1)."""
    ringer = Ringer(RedisStore.connect(settings, "test"))
    assert ringer.ring_nodes({"node-1": ["web"]})
    client.config_set("client-query-buffer-limit", "1mb")
    cut = [f"{'x' * 2**17}{n}" for n in range(10)]
    assert not ringer.ring_nodes({"node-1": cut})
    assert ringer.ring_nodes({"node-1": ["web"]})
    client.config_set("client-query-buffer-limit", "1gb")
    assert client.llen("node.node-1") == 2


@pytest.mark.parametrize("make", [lambda s: make_agent_app(s, "node-1"), make_worker_app])
def test_both_workers_acknowledge_early_and_wait_for_ever(settings: Settings, make: Any) -> None:
    """Early acknowledgement, no results or limits, JSON only, and Redis is tried as long as it takes (2, 5, 14)."""
    conf = make(settings).conf
    assert (conf.task_acks_late, conf.worker_prefetch_multiplier, conf.task_time_limit) == (False, 1, None)
    assert (conf.result_backend, conf.task_ignore_result, conf.accept_content) == (None, True, ["json"])
    assert (conf.broker_connection_max_retries, conf.broker_connection_retry_on_startup) == (None, True)
    options = conf.broker_transport_options
    assert (options["socket_timeout"], options["health_check_interval"], options["priority_steps"]) == (4, 5, [0])
    assert not {"visibility_timeout", "polling_interval"} & options.keys()
    assert not any(each.no_ack for each in conf.task_queues)
    assert len(conf.task_queues) <= 2


def test_remote_control_and_events_are_off_unless_asked_for(settings: Settings) -> None:
    """Both cost connections and traffic that grow with the square of the fleet (6, 13)."""
    for wanted in (False, True):
        conf = make_app(replace(settings, control_events=wanted), "deck").conf
        assert (conf.worker_enable_remote_control, conf.worker_send_task_events) == (wanted, wanted)
        assert not conf.task_send_sent_event


def test_old_ticks_are_dropped_when_the_control_worker_starts(settings: Settings, client: redis.Redis) -> None:
    """A day without a control worker leaves 86,000 ticks; they go at once, and rings of tasks stay (10)."""
    app = make_worker_app(settings)
    for _ in range(50):
        app.send_task(messages.LIVENESS, queue=messages.TICK_QUEUE)
    Ringer(RedisStore.connect(settings, "test")).ring_control(["a"])
    drop_old_ticks(app)
    assert (client.llen(messages.TICK_QUEUE), client.llen(messages.CONTROL_QUEUE)) == (0, 1)


def test_redis_evicts_nothing_and_notifies_nobody(client: redis.Redis) -> None:
    """Ormen's own Redis keeps what it is given, and nobody waits for its notifications (9, 11)."""
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("notify-keyspace-events") == {"notify-keyspace-events": ""}


def test_an_agent_needs_no_more_than_its_own_queue(
    settings: Settings, client: redis.Redis, redis_server: RunningRedis
) -> None:
    """A login that may touch one node's queue and no channel is enough to publish to it and consume it (12)."""
    keys = ("ormen:*", "node.node-1", "_kombu.binding*node.node-1")
    client.acl_setuser("sailor", enabled=True, passwords=["+word"], keys=list(keys), categories=["+@all", "-@admin"])
    url = redis_server.url.replace(f"//:{redis_server.plan.password}@", "//sailor:word@")
    own = replace(settings, redis_url=url)
    app, ringer = make_agent_app(own, "node-1"), Ringer(RedisStore.connect(own, "test"))
    heard: list[object] = []
    with app.connection_for_read() as connection:
        consumer = connection.Consumer(queue("node.node-1"), callbacks=[lambda body, message: heard.append(body)])
        with consumer:
            assert ringer.prove("node-1")
            assert not ringer.prove("node-2")
            connection.drain_events(timeout=5)
    client.acl_deluser("sailor")
    assert len(heard) == 1


def test_a_channel_has_one_client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message after the first makes no client of redis-py anew; kombu by itself makes one for each command."""
    made: list[object] = []
    make = redis.Redis.__init__

    def counted(self: redis.Redis, *args: Any, **options: Any) -> None:
        made.append(self)
        make(self, *args, **options)

    app = make_worker_app(settings)
    app.send_task(messages.LIVENESS, queue=messages.TICK_QUEUE)
    monkeypatch.setattr(redis.Redis, "__init__", counted)
    app.send_task(messages.LIVENESS, queue=messages.TICK_QUEUE)
    assert len(made) == 0


def test_a_storm_of_rings_opens_no_connections(settings: Settings, client: redis.Redis) -> None:
    """One connection hears, however many threads take rings at once, and no ring is noted (2, 6)."""
    app = make_agent_app(settings, "node-1")
    heard: list[Any] = []
    ringer = Ringer(RedisStore.connect(settings, "test"))
    with (
        app.connection_for_read() as connection,
        connection.Consumer(queue("node.node-1"), callbacks=[lambda body, message: heard.append(message)]),
    ):
        for _ in range(THREADS):
            assert ringer.prove("node-1")
        while len(heard) < THREADS:
            connection.drain_events(timeout=5)
        together = threading.Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda message: (together.wait(), message.ack()), heard))
        assert [line["name"] for line in client.client_list()].count("ormen-sailor-node-1-broker") == 1
    assert not client.keys("unacked*")


def test_nothing_is_connected_before_the_fork(settings: Settings, client: redis.Redis) -> None:
    """Making the application opens no connection, so that gunicorn's processes share none (18)."""

    def lines() -> set[str]:
        return {line["id"] for line in client.client_list()}

    before = lines()
    made = create_app(settings)
    assert lines() <= before
    assert made.test_client().get("/readyz").status_code in (200, 503)
    assert not lines() <= before
    made.extensions["ormen"].close()
