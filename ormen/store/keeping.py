"""What is kept for a while, and what goes: ended tasks, and keys of nodes that are not there any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ormen.store.redis import RedisStore, answering
from ormen.store.scripts import BATCH

NODE_KEY = re.compile(r"node:(.+?)(?::tasks|:inbox|:probes|:groups)?")
ENGINE_KEY = re.compile(r"engine:(.+):ports")


@dataclass(frozen=True, slots=True)
class Victims:
    """Ended tasks that are not kept any longer, at most 100, the longest ended first; `until_ms` is the last's end."""

    ids: tuple[str, ...]
    until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, and the nodes that want a ring for it."""

    ids: tuple[str, ...] = ()
    ring: tuple[str, ...] = ()


class Keeper(RedisStore):
    """Finds what nobody needs any more, and removes it."""

    @answering
    def ended_before(self, before_ms: int, *, skip: int = 0) -> Victims:
        """Return tasks that ended at `before_ms` or earlier."""
        rows = self.client.zrangebyscore(self.keys.ended, "-inf", before_ms, skip, BATCH, withscores=True)
        return _victims(rows)

    @answering
    def ended_beyond(self, most: int) -> Victims:
        """Return the longest ended of the tasks that are more than `most`."""
        surplus = int(self.client.zcard(self.keys.ended)) - most
        return (
            _victims(self.client.zrange(self.keys.ended, 0, min(surplus, BATCH) - 1, withscores=True))
            if surplus > 0
            else Victims(())
        )

    @answering
    def prune(self, victims: Victims, *, why: str) -> Pruned:
        """Remove these tasks as `remove` does, but for those that were started again meanwhile."""
        reply = self.run("prune", ids=list(victims.ids), before=str(victims.until_ms), text=why)
        return Pruned(tuple(reply["removed"] or ()), tuple(reply["ring"] or ()))

    @answering
    def silent_for_ms(self, node: str) -> int:
        """Return for how long a node has not spoken; 0 if it never has."""
        beat, left = self.client.zscore(self.keys.heartbeats, node), self.client.hget(self.keys.node(node), "left")
        last = max(int(beat or 0), int(left or 0))
        return self.now_ms() - last if last else 0

    @answering
    def strays(self) -> tuple[list[str], list[str]]:
        """Return the names of nodes and the ids of engines that have keys and are not there.

        Walks through all of Redis in small steps, so it is for once an hour.
        """
        views = self.client.hgetall(self.keys.views)
        engines = {view.split()[-2] for view in views.values()}
        found: tuple[set[str], set[str]] = (set(), set())
        prefix = self.settings.prefix
        for key in self.client.scan_iter(match=f"{_literal(prefix)}[en]*:*", count=1000):
            for place, pattern in enumerate((NODE_KEY, ENGINE_KEY)):
                match = pattern.fullmatch(key.removeprefix(prefix))
                if match:
                    found[place].add(match[1])
        return sorted(found[0] - views.keys()), sorted(found[1] - engines)

    @answering
    def sweep(self, nodes: Sequence[str], engines: Sequence[str]) -> int:
        """Delete what is left of nodes and engines that are not there; return how many keys went."""
        gone = 0
        for start in range(0, max(len(nodes), len(engines)), BATCH):
            end = start + BATCH
            gone += int(self.run("sweep", nodes=list(nodes[start:end]), engines=list(engines[start:end])))
        return gone


def _victims(rows: Sequence[tuple[str, float]]) -> Victims:
    return Victims(tuple(task_id for task_id, _ in rows), int(rows[-1][1]) if rows else 0)


def _literal(prefix: str) -> str:
    return re.sub(r"([*?\[\]\\^])", r"\\\1", prefix)
