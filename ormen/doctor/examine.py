"""The whole examination of a store: what the deck does, and the command line where no deck answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ormen.doctor import fleet, redis, work
from ormen.doctor.finding import Finding, fault
from ormen.errors import StoreUnavailable

if TYPE_CHECKING:
    from ormen.store.examining import DoctorStore


def examine(store: DoctorStore, *, up_s: float = float("inf")) -> list[Finding]:
    """Return the findings of Redis, the nodes and the work; of a Redis that does not answer, that.

    `up_s` is for how long whoever asks has been there: loops are not expected to have run before.
    """
    try:
        nodes = store.nodes()
        return [
            *redis.judge(store.redis(agents=len(nodes))),
            *work.judge(store.work(nodes, up_s=up_s)),
            *fleet.judge(store.fleet(nodes)),
        ]
    except StoreUnavailable as error:
        return [unreachable(error, store.place)]


def unreachable(error: StoreUnavailable, place: str) -> Finding:
    """Return the fault of a Redis that does not answer."""
    host = place.rpartition(":")[0] or "this host"
    said = f"{error.sentence}: nothing can change until it is back; running containers go on"
    return fault("redis", "REDIS_AWAY", said, f"systemctl start redis-server on {host}")
