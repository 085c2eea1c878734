"""Reading and marking nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis import Redis

from ormen.errors import NodeNotFound
from ormen.node import Node, NodeState, Stranger
from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.store.picture import Glance, Look, Picture, Seen, Taken, holders_of, is_plain, natural, of_one
from ormen.store.records import Decoded, holds_tasks_though_lost, node_of, node_state
from ormen.store.redis import RedisStore, answering
from ormen.units import format_age, format_clock

STRANGE_MS = 30_000
"""For how long an agent of another cluster is shown after its last call."""

DETAILS = (
    "beat",
    "facts",
    "skew",
    "joined",
    "trouble",
    "trouble_since",
    "awaited",
    "gpus",
    "by",
    "why",
    "marked",
)
"""What is read of a node's own hash."""


def interval_ms(nodes: int) -> int:
    """Return the time between an agent's heartbeats: a second, from 500 nodes on what makes 500 beats a second."""
    return max(1000, nodes * 2)


class _Read(NamedTuple):
    """What one round trip brought of nodes: packed views, facts, heartbeats, Redis's time, since when it counts.

    `known` is how many nodes there are in all. `bar_ms` is the brake's, None while it does not hold; `shown` has the
    nodes that were told to be anything but ready.
    """

    views: Mapping[str, str]
    facts: Mapping[str, str]
    beats: Mapping[str, float]
    now_ms: int
    since_ms: int
    bar_ms: int | None
    shown: Mapping[str, str]
    known: int


class FleetReader(RedisStore):
    """Reads nodes, and says what a node is for."""

    def __init__(self, settings: Settings, client: Redis) -> None:
        super().__init__(settings, client)
        self._decoded = Decoded()
        self._picture = Picture(self._plain)

    def pace_ms(self) -> int:
        """Return the time between an agent's heartbeats as the cluster's size asks for it."""
        return interval_ms(int(self.client.hlen(self.keys.views)))

    @answering
    def nodes(self) -> list[Node]:
        """Return every node with all that is known of it, in natural order of their names."""
        return self._nodes(None)

    @answering
    def lean_nodes(self, *, only: Collection[str] | None = None) -> list[Node]:
        """Return every node, or `only` these, as `nodes` does, but of plainly ready ones only what placing needs.

        It costs what has changed since this process looked last; what a host uses is within a 64th of what it has.
        Who has which GPU of a node stands in the node's own hash, so one that has GPUs is looked at whole.
        """
        glance, seen = self._glance()
        wanted = seen.place.keys() if only is None else set(only) & seen.place.keys()
        self._look_into(sorted((seen.odd | glance.silent | glance.shown.keys()) & wanted), glance, seen)
        return seen.nodes if only is None else [node for node in seen.nodes if node.name in wanted]

    @answering
    def open_nodes(self, look: Look | None = None) -> list[Node]:
        """Return every node as `lean_nodes` does, but none that takes no tasks is looked into: it counts as suspect.

        That is enough to choose a node, and costs nothing more where thousands are in trouble. `look` is one that was
        asked for just now together with something else.
        """
        glance, seen = self._glance(look)
        open_odd = {name for name in seen.odd if is_plain(seen.views[name])} - glance.silent
        self._look_into(sorted(open_odd & seen.place.keys()), glance, seen)
        self._picture.hush(seen, glance.silent)
        return seen.nodes

    def _question(self, connections: int) -> tuple[str, dict[str, str]]:
        """Return the call by which a look learns what has changed; `connections` were made before it is asked."""
        quiet_ms = interval_ms(len(self._picture)) * self.settings.suspect_intervals
        cluster, since = self._picture.since(connections=connections)
        return "fleet", {"cluster": cluster, "since": str(since), "quiet": str(quiet_ms)}

    def _glance(self, look: Look | None = None) -> tuple[Glance, Seen]:
        if look is None:
            connections = self.connections
            look = Look(connections, *self.run_all([self._question(connections)]))
        glance = Glance.of(look.reply)
        seen = self._picture.take(glance, connections=look.connections)
        self._decoded.keep(seen.views)
        return glance, seen

    def _look_into(self, asked: Sequence[str], glance: Glance, seen: Seen) -> None:
        """Put whole nodes in the place of these."""
        if asked:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.zmscore(self.keys.heartbeats, asked)
                for name in asked:
                    pipe.hmget(self.keys.node(name), DETAILS)
                heard, *details = pipe.execute()
            beats = {name: beat for name, beat in zip(asked, heard, strict=True) if beat is not None}
            views, bar_ms = seen.views, glance.bar_ms
            read = _Read(views, seen.facts, beats, glance.now_ms, glance.since_ms, bar_ms, glance.shown, len(views))
            for name, detail in zip(asked, details, strict=True):
                seen.nodes[seen.place[name]] = self._node(name, read, detail)

    def looked_ports(self) -> Taken:
        """Return who holds which host port of every engine, as the last `lean_nodes` saw it."""
        return self._picture.taken()

    def looked_apart(self) -> dict[str, dict[str, int]]:
        """Return for each task or group that others keep away from them where those are, likewise."""
        return self._picture.apart()

    @answering
    def node(self, name: str) -> Node:
        """Return one node; raises NodeNotFound."""
        found = self._nodes(name)
        if not found:
            known = sorted(self.client.hkeys(self.keys.views), key=natural)
            hint = f"the nodes are {', '.join(known[:10])}" if known else "no node has joined yet"
            raise NodeNotFound(f'no node "{name}"', hint=hint)
        return found[0]

    @answering
    def strangers(self) -> list[Stranger]:
        """Return the agents of another cluster that call here: Redis was emptied, or is not the one they mean."""
        heard = self.client.zrangebyscore(self.keys.strangers, self.now_ms() - STRANGE_MS, "+inf", withscores=True)
        rows = [(*word.split(" ", 1), int(at)) for word, at in heard]
        return [Stranger(name, cluster, at) for cluster, name, at in sorted(rows, key=lambda row: natural(row[1]))]

    def _nodes(self, only: str | None) -> list[Node]:
        """Return every node, or the one of that name if there is one, which costs as little among thousands."""
        with self.client.pipeline(transaction=False) as pipe:
            if only is None:
                pipe.hgetall(self.keys.views)
                pipe.hgetall(self.keys.facts)
                pipe.zrange(self.keys.heartbeats, 0, -1, withscores=True)
            else:
                pipe.hmget(self.keys.views, only)
                pipe.hmget(self.keys.facts, only)
                pipe.zmscore(self.keys.heartbeats, [only])
            pipe.time()
            pipe.hget(self.keys.loops, "since")
            pipe.hmget(self.keys.brake, "on", "bar")
            pipe.hgetall(self.keys.shown)
            pipe.hlen(self.keys.views)
            *found, clock, since, (braked, bar), shown, count = pipe.execute()
            views, facts, beats = map(dict, found) if only is None else of_one(only, found)
            now = int(clock[0]) * 1000 + int(clock[1]) // 1000
            bar_ms = int(bar or 0) if braked else None
            read = _Read(views, facts, beats, now, int(since or 0), bar_ms, shown, count)
            names = sorted(views, key=natural)
            for name in names:
                pipe.hmget(self.keys.node(name), DETAILS)
            details = pipe.execute() if names else []
        if only is None:
            self._decoded.keep(views)
        return [self._node(name, read, detail) for name, detail in zip(names, details, strict=True)]

    def _plain(self, name: str, view: str, facts: str) -> Node:
        """Return a node as it is if nothing else is known of it; what takes no tasks counts as suspect."""
        state = NodeState.READY if is_plain(view) else NodeState.SUSPECT
        live = {"state": state, "heartbeat_ms": 0, "age_s": 0.0}
        return node_of(name, view, self._decoded.of(name, "facts", facts), live)

    def _node(self, name: str, read: _Read, detail: Sequence[Any]) -> Node:
        """Return a node with all of its own hash."""
        beat, measured, skew, joined, trouble, troubled, awaited, lent, *mark = detail
        pace, now, view = interval_ms(read.known), read.now_ms, read.views[name]
        heartbeat = int(read.beats.get(name, 0))
        silent = now - max(heartbeat, read.since_ms)
        suspect_ms = pace * self.settings.suspect_intervals
        lost_ms = max(pace * self.settings.lost_intervals, int(awaited or 0) - heartbeat if heartbeat else 0)
        state, code = node_state(view, silent_ms=silent if heartbeat else now, suspect_ms=suspect_ms, lost_ms=lost_ms)
        held = read.bar_ms is not None and heartbeat > read.bar_ms and holds_tasks_though_lost(view)
        code = Code.BRAKE if held else code
        text = awaited if code is Code.NODE_SUSPECT else trouble
        live = {
            "state": state,
            "reason": _state_reason(code, now_ms=now, heartbeat_ms=heartbeat, marked=mark, text=text),
            "held": held,
            "heartbeat_ms": heartbeat,
            "age_s": (now - heartbeat) / 1000,
            "beat": self._decoded.of(name, "beat", beat),
            "skew_ms": int(skew or 0),
            "shown": read.shown.get(name),
            "lent": lent,
            "measured": self._decoded.of(name, "measured", measured),
            "joined_ms": int(joined or 0),
            **_since(state, code, heartbeat, (suspect_ms, lost_ms, int(troubled or 0)), mark),
        }
        return node_of(name, view, self._decoded.of(name, "facts", read.facts[name]), live)

    @answering
    def node_ports(self, node: Node) -> dict[str, str]:
        """Return the host ports held on a node's engine: ``8080/tcp`` -> name of the task."""
        held = self.taken_ports([node.engine])[node.engine]
        owners = {task_id for holders in held.values() for _, task_id in holders}
        tasks = self.read(owners)
        names = {task_id: task.name if task else task_id for task_id, task in tasks.items()}
        nodes = {task_id: task.node if task else None for task_id, task in tasks.items()}
        return {
            port: names[holders[0][1]]
            for port, holders in sorted(held.items(), key=lambda item: natural(item[0]))
            if nodes[holders[0][1]] == node.name
        }

    @answering
    def taken_ports(self, engines: Iterable[str]) -> Taken:
        """Return who holds which host port of these engines."""
        wanted = list(dict.fromkeys(engines))
        with self.client.pipeline(transaction=False) as pipe:
            for engine in wanted:
                pipe.hgetall(self.keys.ports(engine))
            rows = pipe.execute() if wanted else []
        return {engine: holders_of(row) for engine, row in zip(wanted, rows, strict=True)}

    @answering
    def beside(self, nodes: Sequence[str], words: Iterable[str]) -> dict[str, dict[str, int]]:
        """Return for each name how many tasks of that group each node has; one that a live task has, as well."""
        found: dict[str, dict[str, int]] = {}
        for word in words:
            with self.client.pipeline(transaction=False) as pipe:
                pipe.hget(self.keys.names, word)
                for node in nodes:
                    pipe.hget(self.keys.groups(node), word)
                holder, *counts = pipe.execute()
            found[word] = {node: int(count) for node, count in zip(nodes, counts, strict=True) if count}
            seat = self.client.hget(self.keys.task(holder), "seat") if holder else None
            if seat:
                found[word].setdefault(seat, 1)
        return found

    @answering
    def mark_node(self, name: str, *, mode: str, by: str, why: str | None) -> Node:
        """Make a node ``active``, ``draining`` or ``cordoned``; it stays so whatever becomes of its agent."""
        event = {"active": "node.activated", "draining": "node.draining", "cordoned": "node.cordoned"}[mode]
        text = f"{event.split('.')[1]} by {by}" + (f": {why}" if why else "")
        if not self.run("mark", node=name, mode=mode, by=by, why=why or "", event=event, text=text):
            self.node(name)
        return self.node(name)

    @answering
    def label_node(self, name: str, labels: Mapping[str, str | None]) -> Node:
        """Set labels over those the agent was started with; None clears one."""
        chosen = {key: value for key, value in labels.items() if value is not None}
        self.run("label", node=name, set=chosen, clear=[key for key, value in labels.items() if value is None])
        return self.node(name)


def _since(
    state: NodeState, code: Code | None, heartbeat_ms: int, limits: tuple[int, int, int], mark: Sequence[Any]
) -> dict[str, Any]:
    """Return since when a node is in its state, and who has marked it.

    `limits` are the silence after which it is suspect, and lost, and since when its agent complains. A silent node
    was suspect and lost when its time was over, whenever somebody looked.
    """
    by, why, at = mark
    marked = {"by": by or None, "why": why or None} if state in (NodeState.DRAINING, NodeState.CORDONED) else {}
    suspect_ms, lost_ms, troubled = limits
    if marked:
        since = int(at or 0)
    elif code in (Code.NODE_SUSPECT, Code.NODE_LOST, Code.BRAKE):
        since = heartbeat_ms + (suspect_ms if state is NodeState.SUSPECT else lost_ms) if heartbeat_ms else 0
    else:
        since = troubled
    return {"since_ms": since or None, **marked}


def _state_reason(
    code: Code | None, *, now_ms: int, heartbeat_ms: int, marked: Sequence[Any], text: str | None
) -> Reason | None:
    """Return why a node is in its state; `text` is what its agent complains of, or until when it is waited for."""
    if code is None:
        return None
    by, why, at = marked
    if code in (Code.NODE_DRAINING, Code.NODE_CORDONED):
        word = "Draining" if code is Code.NODE_DRAINING else "Cordoned"
        since = f" since {format_clock(int(at), now_ms=now_ms)}" if at else ""
        return Reason(code, f"{word}{since} by {by or 'somebody'}" + (f", {why}." if why else "."))
    if code is Code.NODE_SUSPECT and text:
        until = format_clock(int(text), now_ms=now_ms)
        return Reason(code, f"Its agent was ended in order; it is waited for until {until}.")
    if code in (Code.NODE_LOST, Code.NODE_SUSPECT, Code.BRAKE):
        spoke = f"Its agent last spoke {format_age((now_ms - heartbeat_ms) / 1000)} ago"
        rest = "; its tasks wait for its return" if code is Code.BRAKE else ""
        return Reason(code, f"{spoke}{rest}." if heartbeat_ms else "Its agent went down.")
    return Reason(code, text or "")
