"""One process's way to Redis: a pool, the scripts, and foreign errors turned into ours."""

from __future__ import annotations

import functools
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from ormen.errors import StoreUnavailable
from ormen.image_pin import Pin
from ormen.settings import Settings
from ormen.store.keys import Keys
from ormen.store.records import flat, task_of
from ormen.store.scripts import Scripts
from ormen.task import Task

FEW = 8
"""Up to so many records are read by a script."""

MOST_CONNECTIONS = 1000
"""Of one process to its Redis, which has 10,000 by default for all."""

Row = tuple[Mapping[str, str], str | None, str | None]
"""A record, its spec as JSON and its pinned image; empty without a record."""

Method = TypeVar("Method", bound=Callable[..., Any])


def answering(method: Method) -> Method:
    """Turn what Redis and the network throw inside a store's method into `StoreUnavailable`, with place and remedy."""

    @functools.wraps(method)
    def wrapper(self: RedisStore, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(self, *args, **kwargs)
        except (ConnectionError, TimeoutError, ResponseError) as cause:
            if isinstance(cause, ResponseError) and not _own_trouble(cause):
                raise
            if isinstance(cause, TimeoutError):
                # A line that died silently took them all: the others would be waited for in vain, one after the other.
                self.rest()
            raise StoreUnavailable(
                f"Redis at {self.place} {_complaint(cause)}", hint="running containers go on; ormen recovers by itself"
            ) from cause
        finally:
            if self.observe is not None:
                self.observe(method.__name__, time.perf_counter() - began)

    return wrapper  # type: ignore[return-value]


WITHHELD = {
    "MISCONF": "takes no writes: it cannot save its data, so its disk may be full",
    "NOREPLICAS": "takes no writes: too few replicas follow it",
    "MASTERDOWN": "is a replica that has lost its master",
}
"""What Redis says while it is in trouble of its own, by the first word; the client library has no errors for these."""


def _own_trouble(cause: ResponseError) -> bool:
    """Return whether it is a trouble of Redis's own, and no fault of the question."""
    return isinstance(cause, (ReadOnlyError, OutOfMemoryError)) or _withheld(cause) is not None


def _withheld(cause: Exception) -> str | None:
    # Of a pipeline the library says first which command it was, of a script an older Redis which line.
    return next((said for word, said in WITHHELD.items() if f"{word} " in str(cause)), None)


def _complaint(cause: Exception) -> str:
    if (said := _withheld(cause)) is not None:
        return said
    if isinstance(cause, AuthenticationError):
        return "refuses the password"
    if isinstance(cause, TimeoutError):
        return "does not answer in time"
    if isinstance(cause, BusyLoadingError):
        return "is still loading its data"
    if isinstance(cause, ReadOnlyError):
        return "takes no writes: it is a replica"
    if isinstance(cause, OutOfMemoryError):
        return "takes no writes: its memory is used up"
    if "No connection available" in str(cause):
        return "does not answer in time: every connection is in use"
    return "refuses connections" if "refused" in str(cause).lower() else "is out of reach"


class AnotherCluster(StoreUnavailable):
    """Redis was emptied since its cluster's id was read; nothing was written."""


class RedisStore:
    """The base of every store: connection, keys and scripts. Safe to share between threads, not across a fork.

    A command is never repeated by the client library: whether a write that got no answer happened is not known,
    and each caller knows best what is safe to repeat.
    """

    def __init__(self, settings: Settings, client: Redis) -> None:
        self.settings = settings
        self.client: Any = client  # redis-py types each reply for both ways of decoding at once
        self.keys = Keys(settings.prefix)
        self.scripts = Scripts(client, settings.prefix)
        self.observe: Callable[[str, float], None] | None = None
        """Told of each call, by the method's name, how many seconds it took; calls made inside a call count too."""
        self._cluster = ""
        self.connections = 0
        """How many connections have been made: behind a new one may be a Redis that came back with an older file."""
        parts = urlsplit(settings.redis_url)
        self.place = f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path

    @classmethod
    def connect(
        cls, settings: Settings, name: str = "ormen", *, timeout_s: float = 4.0, most: int = MOST_CONNECTIONS
    ) -> Self:
        """Return a store on the settings' Redis; nothing is sent before the first call.

        It never has more than `most` connections: beyond that a call waits its turn, for `timeout_s` at most.
        """

        def greet(connection: Any) -> None:
            connection.on_connect()
            store.connections += 1

        pool = BlockingConnectionPool.from_url(
            settings.redis_url,
            redis_connect_func=greet,
            decode_responses=True,
            client_name=f"ormen-{name}".replace(" ", "-"),
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, 2.0),
            socket_keepalive=True,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 0),
            max_connections=most,
            timeout=timeout_s,
        )
        store = cls(settings, Redis.from_pool(pool))
        return store

    def close(self) -> None:
        """Close every connection."""
        self.client.close()

    def rest(self) -> None:
        """Close the connections that nobody is using; the next call opens one again."""
        self.client.connection_pool.disconnect(inuse_connections=False)

    @answering
    def ping(self) -> None:
        """Return when Redis answers."""
        self.client.ping()

    @answering
    def now_ms(self) -> int:
        """Return Redis's time."""
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    @answering
    def cluster(self) -> str:
        """Return the cluster's id, which is born with the first key: an emptied Redis is another cluster."""
        known = self.client.get(self.keys.cluster)
        if known is None:
            self.client.set(self.keys.cluster, uuid.uuid4().hex, nx=True)
            known = self.client.get(self.keys.cluster)
        self._cluster = str(known)
        return self._cluster

    def known_cluster(self) -> str:
        """Return the cluster's id as it was last read, to be checked where it is used."""
        return self._cluster or self.cluster()

    @answering
    def push(self, rings: Sequence[tuple[str, str]]) -> None:
        """Put each message, a queue's key and a text, into its queue."""
        if not rings:
            return
        with self.client.pipeline(transaction=False) as pipe:
            for key, text in rings:
                pipe.lpush(key, text)
            pipe.execute()

    @answering
    def read(self, ids: Iterable[str]) -> dict[str, Task | None]:
        """Return the tasks of `ids`, each with the record as it is now; None where there is no record.

        A removed task whose tombstone is still there is returned, with wanted REMOVED.
        """
        wanted = list(ids)
        rows = self._few(wanted) if len(wanted) <= FEW else self._many(wanted)
        specs: dict[str, Mapping[str, Any]] = {}
        found: dict[str, Task | None] = {}
        for task_id, (record, spec, pin) in zip(wanted, rows, strict=True):
            # A spec goes with its last task: where there is none, the record has ended since it was read.
            if spec and spec not in specs:
                specs[spec] = json.loads(spec)
            found[task_id] = task_of(task_id, record, specs[spec], Pin.unpack(pin)) if record and spec else None
        return found

    def _few(self, ids: Sequence[str]) -> list[Row]:
        """Read in one round trip, for which Redis works a little longer."""
        return [(flat(pairs), spec, pin) for pairs, spec, pin in self.run("look", ids=ids)] if ids else []

    def _many(self, ids: Sequence[str]) -> list[Row]:
        """Read in two round trips what would hold up others as one script; what many share comes once."""
        with self.client.pipeline(transaction=False) as pipe:
            for task_id in ids:
                pipe.hgetall(self.keys.task(task_id))
            records = pipe.execute()
            specs = list({record["spec"] for record in records if record})
            pins = list({record["pin"] for record in records if "pin" in record})
            for spec in specs:
                pipe.hget(self.keys.spec(spec), "json")
            for pin in pins:
                pipe.hget(self.keys.pin(pin), "image")
            texts = pipe.execute() if specs else []
        known, images = dict(zip(specs, texts, strict=False)), dict(zip(pins, texts[len(specs) :], strict=True))
        return [(record, known.get(record.get("spec")), images.get(record.get("pin"))) for record in records]

    def run(self, verb: str, /, **arguments: Any) -> Any:
        """Run one script and return its reply; a JSON reply is decoded."""
        return decoded(self.scripts.run(verb, arguments))

    def run_each(self, verb: str, batches: Sequence[Mapping[str, Any]], *, whole: bool = False) -> list[Any]:
        """Run one script for each of the batches, with `whole` as one transaction; return their replies."""
        return self.run_all([(verb, arguments) for arguments in batches], whole=whole)

    def run_all(self, calls: Sequence[tuple[str, Mapping[str, Any]]], *, whole: bool = False) -> list[Any]:
        """Run these scripts in this order, with `whole` as one transaction; return their replies.

        One that Redis did not know, since it has forgotten them all or never been given this one, comes after the rest.
        """
        if len(calls) == 1:
            return [self.run(verb, **arguments) for verb, arguments in calls]
        with self.client.pipeline(transaction=whole) as pipe:
            if whole:
                for verb, arguments in calls:
                    self.scripts.run(verb, arguments, pipe=pipe)
                return [decoded(reply) for reply in pipe.execute()]
            for verb, arguments in calls:
                self.scripts.trust(verb, arguments, pipe=pipe)
            return [self._reply(call, reply) for call, reply in zip(calls, pipe.execute(False), strict=True)]

    def _reply(self, call: tuple[str, Mapping[str, Any]], reply: Any) -> Any:
        """Return the reply to one of a pipeline's scripts, and run it now if Redis did not know it."""
        if isinstance(reply, NoScriptError):
            return self.run(call[0], **call[1])
        if isinstance(reply, Exception):
            raise reply
        return decoded(reply)


def decoded(reply: Any) -> Any:
    """Return a script's reply: JSON text decoded, anything else as it is."""
    return json.loads(reply) if isinstance(reply, str) and reply[:1] in "{[" else reply
