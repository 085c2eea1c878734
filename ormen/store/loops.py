"""What the beat-driven loops ask of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ormen.store.losses import AVOID_MS
from ormen.store.manager import ManagerStore
from ormen.store.redis import answering
from ormen.store.scripts import BATCH

EVENTS_KEPT_MS = 7 * 24 * 3600 * 1000
"""How long events are kept: seven days."""


LEVEL = 1e13
"""What each step of priority adds to a task's place among those that wait, on top of its creation in ms."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A loop's permission to run. Times are ms of Redis's clock.

    `since_ms` is when liveness began to watch without a gap; `braked` says that the brake holds.
    """

    run: bool
    now_ms: int
    since_ms: int
    braked: bool = False


@dataclass(frozen=True, slots=True)
class Expired:
    """The tasks that failed since their wait was over, and the nodes that want a ring for them."""

    failed: tuple[str, ...]
    ring: tuple[str, ...]


Held = tuple[int, int, int, int]
"""What tasks hold of a node: milli-cores, bytes of memory, bytes of disk, and how many they are."""


class LoopStore(ManagerStore):
    """Reads and verbs of the control worker."""

    @answering
    def begin(self, loop: str, *, interval_ms: int) -> Turn:
        """Ask whether a loop may run now: not if another tick ran it less than an interval ago."""
        reply = self.run("begin", loop=loop, interval=str(interval_ms))
        return Turn(bool(reply["run"]), int(reply["now"]), int(reply["since"]), bool(reply.get("braked")))

    @answering
    def count_anew(self) -> None:
        """Let every node's silence be counted from now on."""
        self.client.hset(self.keys.loops, "since", self.now_ms())

    @answering
    def done(self, loop: str, *, now_ms: int) -> None:
        """Note that a loop's turn, which began at `now_ms`, has succeeded, and how long it took."""
        self.client.hset(self.keys.loops, loop, now_ms)
        self.tally(f"loop {loop}", self.now_ms() - now_ms)

    @answering
    def watched_for_ms(self) -> int:
        """Return for how long liveness has been watching without a gap; 0 while it is away."""
        began, since = self.client.hmget(self.keys.loops, "liveness:began", "since")
        now = self.now_ms()
        return now - int(since) if began and since and 0 <= now - int(began) <= 2000 else 0

    @answering
    def due(self, limit: int, *, now_ms: int) -> list[str]:
        """Return pending tasks whose next try is due, and those of a higher priority, which go before them in any case.

        The highest priority comes first, then the oldest. Of those that are due, the `limit` that are longest so, and
        as many before them: so each has its look in time, however many wait before it.
        """
        due = list(self.client.zrangebyscore(self.keys.pending, "-inf", now_ms, 0, limit))
        if not due:
            return []
        ranks = {
            task_id: rank or 0 for task_id, rank in zip(due, self.client.zmscore(self.keys.waiting, due), strict=True)
        }
        level = max(ranks.values()) // LEVEL * LEVEL
        before = self.client.zrangebyscore(self.keys.waiting, "-inf", f"({level}", 0, limit, withscores=True)
        ranks |= dict(before)
        return sorted(ranks, key=lambda task_id: ranks[task_id])

    @answering
    def first_waiting(self, limit: int) -> list[str]:
        """Return pending tasks, the highest priority first, then the oldest, whether due or not: room was freed."""
        return list(self.client.zrange(self.keys.waiting, 0, limit - 1))

    @answering
    def overdue(self, *, now_ms: int, limit: int = BATCH) -> list[str]:
        """Return pending tasks that have waited as long as their spec lets them."""
        return list(self.client.zrangebyscore(self.keys.deadlines, "-inf", now_ms, 0, limit))

    @answering
    def expire(self, sentences: Mapping[str, str]) -> Expired:
        """Let overdue tasks fail, each with its sentence; one that waits no more, or not so long yet, is left alone."""
        reply = self.run("expire", tasks=[{"id": task_id, "text": text} for task_id, text in sentences.items()])
        return Expired(tuple(reply["failed"] or ()), tuple(reply["ring"] or ()))

    @answering
    def stalled(self, *, since_ms: int, limit: int = BATCH) -> list[str]:
        """Return scheduled tasks of which no agent has spoken since `since_ms`."""
        return list(self.client.zrangebyscore(self.keys.scheduled, "-inf", since_ms, 0, limit))

    @answering
    def draining(self) -> list[str]:
        """Return the nodes that are being drained."""
        return [name for name, view in self.client.hgetall(self.keys.views).items() if view.startswith("draining ")]

    @answering
    def unstall(self, ids: Sequence[str], *, age_ms: int) -> list[str]:
        """Take tasks of which no agent has spoken for `age_ms` from their node; return those that are pending again."""
        text = f"Its node said nothing of it for {age_ms // 1000}s after it was sent there."
        suspect = str(self.pace_ms() * self.settings.suspect_intervals)
        reply = self.run("stall", ids=list(ids), age=str(age_ms), suspect=suspect, avoid=str(AVOID_MS), text=text)
        return list(reply)

    @answering
    def leave_to_liveness(self, ids: Sequence[str]) -> None:
        """Count anew since when nothing is heard of scheduled tasks: their node is silent altogether."""
        if ids:
            self.client.zadd(self.keys.scheduled, dict.fromkeys(ids, self.now_ms()), xx=True)

    @answering
    def nudge(self, node: str, task_id: str) -> bool:
        """Put a task into its node's inbox once more; return whether the node wants a ring."""
        first = bool(self.client.rpush(self.keys.inbox(node), task_id) == 1)
        if first:
            self.client.hset(self.keys.node(node), "inbox_since", self.now_ms())
        return first

    @answering
    def node_task_ids(self, node: str) -> list[str]:
        """Return the ids of tasks that belong to a node or may have a container there."""
        return sorted(self._task_ids([node])[node])

    @answering
    def checked(self, nodes: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return per node that has such those of its tasks whose spec has a check, each with when it was last made.

        That is in ms of Redis's clock, 0 if the agent has told of none. It takes four questions, however many they are.
        """
        held = self._task_ids(nodes)
        ids = sorted(set().union(*held.values()))
        spec_ids = dict(zip(ids, self._field("spec", map(self.keys.task, ids)), strict=True))
        known = sorted({spec_id for spec_id in spec_ids.values() if spec_id})
        specs = zip(known, self._field("json", map(self.keys.spec, known)), strict=True)
        with_check = {spec_id for spec_id, text in specs if text and json.loads(text).get("health")}
        found = {node: [one for one in mine if spec_ids[one] in with_check] for node, mine in held.items()}
        busy = {node: mine for node, mine in found.items() if mine}
        with self.client.pipeline(transaction=False) as pipe:
            for node in busy:
                pipe.hgetall(self.keys.probes(node))
            told = pipe.execute()
        return {
            node: {one: float(last.get(one, 0)) for one in mine}
            for (node, mine), last in zip(busy.items(), told, strict=True)
        }

    def _field(self, field: str, keys: Iterable[str]) -> list[str | None]:
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, field)
            found: list[str | None] = pipe.execute()
        return found

    @answering
    def held_by(self, nodes: Sequence[str]) -> dict[str, Held]:
        """Return what the tasks of each node hold when it is counted anew."""
        pairs = [(node, one) for node, ids in self._task_ids(nodes).items() for one in ids]
        parts = [list(zip(*pairs[at : at + BATCH], strict=True)) for at in range(0, len(pairs), BATCH)]
        sums = dict.fromkeys(nodes, (0, 0, 0, 0))
        for reply in self.run_each("recount", [{"nodes": seats, "ids": ids} for seats, ids in parts]):
            for node, (cpu, memory, disk, tasks) in reply.items():
                had = sums[node]
                sums[node] = (had[0] + int(cpu), had[1] + int(memory), had[2] + int(disk), had[3] + int(tasks))
        return sums

    @answering
    def trim_events(self, *, now_ms: int) -> int:
        """Forget events older than seven days; return how many went."""
        return int(self.client.xtrim(self.keys.events, minid=str(now_ms - EVENTS_KEPT_MS), approximate=True))

    @answering
    def lease(self, loop: str, *, seconds: int) -> bool:
        """Take the lease of a full scan, to save the work of doing it twice; no correctness hangs on it."""
        return bool(self.client.set(self.keys.lease(loop), "1", nx=True, ex=seconds))

    @answering
    def end_lease(self, loop: str) -> None:
        """Give the lease of a full scan back."""
        self.client.delete(self.keys.lease(loop))
