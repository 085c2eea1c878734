"""What Redis says of itself, judged: whether it keeps what it is given, has room, and answers in time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ormen.doctor.finding import Finding, fault, fine, warning
from ormen.units import format_size

OLDEST = (6, 2)
"""The oldest Redis that has every command the scripts use."""
SLOW_MS, TOO_SLOW_MS = 50.0, 500.0
"""An agent's heartbeat gives Redis one second, twice."""
FULL, NEARLY_FULL = 0.95, 0.85
CLIENTS_AN_AGENT, CLIENTS_BESIDE = 6, 300
"""What each agent, and all else together, may have of connections."""


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """What was read of Redis. `config` is None where its settings may not be read; `command` begins a fix there."""

    place: str
    command: str
    info: Mapping[str, Any]
    config: Mapping[str, str] | None
    latency_ms: float
    agents: int = 0
    guarded: bool = True

    def says(self, name: str) -> Any:
        """Return a value of INFO, else of the settings, else an empty text."""
        return self.info.get(name, (self.config or {}).get(name, ""))

    def set(self, name: str, value: str) -> str:
        """Return the command that changes a setting now; CONFIG REWRITE keeps it."""
        return f"{self.command} config set {name} {value}"


def judge(seen: RedisSeen) -> Iterator[Finding]:
    """Yield one line of what it is, then whatever is wrong with it."""
    yield fine("redis", _portrait(seen))
    yield from _identity(seen)
    yield from _keeping(seen)
    yield from _room(seen)
    yield from _manners(seen)


def _portrait(seen: RedisSeen) -> str:
    kind = "Valkey " if seen.says("valkey_version") else ""
    parts = [f"{kind}{_version(seen)}", format_size(int(seen.says("used_memory") or 0))]
    if seen.says("aof_enabled"):
        parts.append(f"AOF {(seen.config or {}).get('appendfsync', 'on')}")
    parts += [str(seen.says("maxmemory_policy"))] if seen.says("maxmemory_policy") == "noeviction" else []
    return ", ".join([*parts, f"answers in {seen.latency_ms:.1f} ms"])


def _version(seen: RedisSeen) -> str:
    return str(seen.says("valkey_version") or seen.says("redis_version"))


def _identity(seen: RedisSeen) -> Iterator[Finding]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", str(seen.says("redis_version")))[:2])
    if numbers and numbers < OLDEST:
        said = f"{seen.place} is Redis {_version(seen)}, and ormen needs 6.2 or newer"
        yield fault("redis", "REDIS_OLD", said, "install redis-server 6.2 or newer there")
    if seen.says("role") not in ("", "master"):
        said = f"{seen.place} is a replica: it takes no writes, so nothing can change"
        yield fault("redis", "REDIS_REPLICA", said, f"{seen.command} replicaof no one; or name the primary's address")
    if seen.says("cluster_enabled"):
        said = f"{seen.place} is a Redis Cluster, which the message queues cannot use"
        yield fault(
            "redis", "REDIS_CLUSTER", said, "use one Redis, or an address that leads to a primary: ORMEN_REDIS_URL"
        )
    if not seen.guarded:
        said = f"{seen.place} can be reached by others and asks for no password: who writes to it is root on every node"
        yield warning("redis", "REDIS_OPEN", said, f"{seen.set('requirepass', 'PASSWORD')}; then in ORMEN_REDIS_URL")


def _keeping(seen: RedisSeen) -> Iterator[Finding]:
    if not seen.says("aof_enabled"):
        said = f"appendonly is off on {seen.place}: a restart loses every task"
        yield fault("redis", "REDIS_AOF_OFF", said, seen.set("appendonly", "yes"))
    elif (seen.config or {}).get("appendfsync") == "no":
        said = f"appendfsync is no on {seen.place}: a crash of its host loses up to half a minute"
        yield warning("redis", "REDIS_FSYNC", said, seen.set("appendfsync", "everysec"))
    for name, what in (
        ("aof_last_write_status", "its append-only file"),
        ("aof_last_bgrewrite_status", "its append-only file anew"),
        ("rdb_last_bgsave_status", "its snapshot"),
    ):
        if str(seen.says(name) or "ok") != "ok":
            said = f"{seen.place} could not write {what}: what it holds may be lost with it"
            yield fault("redis", "REDIS_CANNOT_WRITE", said, f"df -h there; then {seen.command} bgrewriteaof")
    if seen.says("loading"):
        yield warning("redis", "REDIS_LOADING", f"{seen.place} is still loading its data", "wait, and ask again")
    policy = str(seen.says("maxmemory_policy"))
    if policy and policy != "noeviction":
        said = f"maxmemory-policy is {policy} on {seen.place}: when its memory is full, it throws tasks away"
        yield fault("redis", "REDIS_EVICTS", said, seen.set("maxmemory-policy", "noeviction"))


def _room(seen: RedisSeen) -> Iterator[Finding]:
    most, used = int(seen.says("maxmemory") or 0), int(seen.says("used_memory") or 0)
    if most and used > most * NEARLY_FULL:
        said = f"{seen.place} uses {format_size(used)} of the {format_size(most)} it may: when full, it takes no tasks"
        make = fault if used > most * FULL else warning
        yield make("redis", "REDIS_FULL", said, seen.set("maxmemory", f"{2 * most}"))
    places = int(seen.says("maxclients") or 0)
    needed = CLIENTS_AN_AGENT * seen.agents + CLIENTS_BESIDE
    if places and places < needed:
        agents = "1 agent" if seen.agents == 1 else f"{seen.agents} agents"
        said = f"maxclients is {places} on {seen.place}, and {agents} may need {needed}: some will be refused"
        yield warning("redis", "REDIS_CLIENTS", said, seen.set("maxclients", str(needed)))


def _manners(seen: RedisSeen) -> Iterator[Finding]:
    if seen.latency_ms > SLOW_MS:
        said = f"{seen.place} takes {seen.latency_ms:.0f} ms to answer: placing, events and commands are slow by that"
        make = fault if seen.latency_ms > TOO_SLOW_MS else warning
        yield make("redis", "REDIS_SLOW", said, f"{seen.command} --latency; and slowlog get 10")
    if seen.config is None:
        said = f"the settings of {seen.place} may not be read, so appendfsync and others are not known"
        yield warning("redis", "REDIS_UNREAD", said, "allow this user CONFIG GET, or look there: docs/store.md")
        return
    if seen.config.get("notify-keyspace-events"):
        events = seen.config["notify-keyspace-events"]
        said = f"notify-keyspace-events is {events} on {seen.place}: it costs each write, and ormen hears none of them"
        yield warning("redis", "REDIS_NOTIFIES", said, seen.set("notify-keyspace-events", '""'))
    if int(seen.config.get("timeout") or 0):
        said = f"timeout is {seen.config['timeout']} on {seen.place}: it hangs up on decks and agents that are idle"
        yield warning("redis", "REDIS_HANGS_UP", said, seen.set("timeout", "0"))
