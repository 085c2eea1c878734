"""Celery as both sides use it: one set of options, and connections that are tried again.

A message is early-acknowledged, carries no orders and no result, and is never delayed by Celery: due times live in
the store, by Redis's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection, Exchange, Queue
from kombu.connection import ConnectionPool, PooledConnection

from ormen import messages
from ormen.settings import Settings

AGAIN_S = 1.0
"""Between two tries to reach a Redis that is away. Kombu's own pauses grow to 30 s, and so would its return's cost."""


SILENT_S = 4
"""After so long without an answer a connection is given up. A worker waits for messages a second at a time, and after
a line has died silently it finds out once for its ear and once for its voice."""


class OneClient:
    """For a channel: one client for all its commands, on the connection by which it was opened.

    Kombu makes a client anew for each command, which costs a tenth of a millisecond for a message sent, and a second
    pool, so that the connection of the first ping lies idle for as long as the channel lives.
    """

    @property
    def pool(self) -> Any:
        """Return the connections of the channel: while it consumes, one of them is taken by its BRPOP."""
        return self.async_pool  # type: ignore[attr-defined]  # the channel it is mixed into has it

    def _create_client(self, asynchronous: bool = False) -> Any:
        made = super()._create_client  # type: ignore[misc]  # the channel it is mixed into has it
        if asynchronous:
            return made(asynchronous=True)
        held = self.__dict__.get("_held")
        # After its connections were dropped the channel has another pool.
        if held is None or held.connection_pool is not self.pool:
            held = self._held = made()
        return held

    def _disconnect_pools(self) -> None:
        # What was held would keep the lines of the former pool open until it is asked for again.
        self.__dict__.pop("_held", None)
        super()._disconnect_pools()  # type: ignore[misc]


@lru_cache(maxsize=8)
def thrifty(transport: Any) -> Any:
    """Return a transport of kombu's, or what it is for a Redis: one whose channels have one client each."""
    channel = getattr(transport, "Channel", object)
    if not hasattr(channel, "_create_client"):
        return transport
    thrifty_channel = type(channel.__name__, (OneClient, channel), {})
    return type(transport.__name__, (transport,), {"Channel": thrifty_channel})


class SteadyConnection(Connection):
    """A connection that is tried again each second for as long as Redis is away."""

    def get_transport_cls(self) -> Any:
        """Return the transport's class."""
        transport: Any = super().get_transport_cls()
        return thrifty(transport)

    def _ensure_connection(self, *args: Any, **options: Any) -> Any:
        pace = {"interval_start": AGAIN_S, "interval_step": 0, "interval_max": AGAIN_S}
        return super()._ensure_connection(*args, **{**pace, **options})

    def Pool(self, limit: int | None = None, **options: Any) -> ConnectionPool:  # kombu's name
        """Return a pool of connections like this one."""
        return SteadyPool(self, limit, **options)


class PooledSteadyConnection(SteadyConnection, PooledConnection):
    """One of a pool; kombu's own pool makes plain ones."""


class SteadyPool(ConnectionPool):
    """A pool of steady connections."""

    def new(self) -> PooledSteadyConnection:
        """Return one more."""
        return PooledSteadyConnection(self, **dict(self.connection._info(resolve=False)))  # type: ignore[arg-type]  # kombu's stubs know no pool


class SteadyAMQP(AMQP):
    """Celery's maker of connections and messages, with steady connections."""

    Connection = BrokerConnection = SteadyConnection


@lru_cache(maxsize=8192)
def queue(name: str) -> Queue:
    """Return a queue with an exchange and a routing key of its own."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def make_app(settings: Settings, name: str, *, queues: Sequence[str] = ()) -> Celery:
    """Return a Celery app on the settings' Redis; a worker of it consumes `queues`. Nothing is connected yet."""
    app = Celery(f"ormen-{name}", broker=settings.redis_url, amqp=SteadyAMQP, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        enable_utc=True,
        task_acks_late=False,
        task_queues=[queue(item) for item in queues],
        task_default_queue=queues[0] if queues else messages.CONTROL_QUEUE,
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=settings.control_events,
        worker_send_task_events=settings.control_events,
        task_send_sent_event=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=4,
        broker_pool_acquire_timeout=5,
        broker_transport_options={
            "socket_timeout": SILENT_S,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 5,
            "priority_steps": [0],
            # A note of each delivery would be two more commands a ring, from up to 32 threads with a connection each,
            # and would repeat a ring an hour late: what a lost one meant, the next scan finds within seconds.
            "ack_emulation": False,
            "client_name": f"ormen-{name}-broker".replace(" ", "-"),
        },
    )
    return app
