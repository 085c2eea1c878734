"""What is in Redis, read by its own keys and not by the code under test, and what must hold of it at any time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from redis import Redis

from ormen.node import Node
from ormen.spec import Rules
from ormen.store.fleet import FleetReader, interval_ms
from ormen.task import TRANSITIONS, Port, State

PERMITTED = {(source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets}
LIVE, PLACED, ENDED = {"pending", "scheduled", "running"}, {"scheduled", "running"}, {"completed", "failed"}
VIEW = ("mode", "synced", "trouble", "lost", "cpu", "memory", "disk", "rcpu", "rmemory", "rdisk", "tasks", "ucpu",
        "umemory", "udisk", "load", "engine", "rev")  # fmt: skip
SINGLE = {"cluster", "ids", "names", "past", "ended", "pending", "waiting", "deadlines", "scheduled", "apart",
          "counts", "events", "loops", "figures",
          "nodes:view", "nodes:facts", "nodes:heartbeats", "nodes:lost", "nodes:changes", "nodes:rev",
          "nodes:shown", "brake"}  # fmt: skip
KINDS = {"task", "tasks", "spec", "pin", "node", "engine"}
WILD = {"0.0.0.0", "::"}

Record = dict[str, str]


@dataclass(slots=True)
class Raw:
    """Every key under the prefix, as Python values: strings, dicts, lists, sets, scores."""

    keys: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, client: Redis, prefix: str) -> Raw:
        """Read it all, the events excepted."""
        # Who called from another cluster is noted for half a minute, and concerns nothing else.
        names = sorted(set(client.keys(f"{prefix}*")) - {f"{prefix}strangers"})
        with client.pipeline() as pipe:
            for name in names:
                pipe.type(name)
            kinds = pipe.execute()
            for name, kind in zip(names, kinds, strict=True):
                READERS[kind](pipe, name)
            values = pipe.execute()
        found = zip(names, kinds, values, strict=True)
        return cls({name.removeprefix(prefix): dict(v) if k == "zset" else v for name, k, v in found})

    def all(self, kind: str) -> dict[str, Any]:
        """Return the keys ``<kind>:<x>`` without further parts, by x."""
        return {k.partition(":")[2]: v for k, v in self.keys.items() if k.startswith(f"{kind}:") and k.count(":") == 1}

    @property
    def tasks(self) -> dict[str, Record]:
        """Return every record, tombstones too."""
        return self.all("task")

    @property
    def listed(self) -> dict[str, Record]:
        """Return every record but tombstones."""
        return {task: record for task, record in self.tasks.items() if record["wanted"] != "removed"}

    @property
    def views(self) -> dict[str, Record]:
        """Return what placing is told of each node."""
        rows: dict[str, str] = self.keys.get("nodes:view", {})
        return {node: dict(zip(VIEW, row.split(), strict=True)) for node, row in rows.items()}

    def held(self, node: str) -> set[str]:
        """Return the tasks on a node's list."""
        found: set[str] = self.keys.get(f"node:{node}:tasks", set())
        return found

    def fence(self, task: str) -> tuple[str, str]:
        """Return the (node, attempt) of a record."""
        record = self.tasks.get(task, {})
        return record.get("node", ""), record.get("attempt", "")


READERS = {
    "string": lambda pipe, name: pipe.get(name),
    "hash": lambda pipe, name: pipe.hgetall(name),
    "list": lambda pipe, name: pipe.lrange(name, 0, -1),
    "set": lambda pipe, name: pipe.smembers(name),
    "zset": lambda pipe, name: pipe.zrange(name, 0, -1, withscores=True),
    "stream": lambda pipe, name: pipe.xlen(name),
}


def check(raw: Raw) -> None:
    """Assert everything that must hold whatever happened."""
    reservations_are_the_sum_of_seats(raw)
    ports_are_held_once_and_by_seats(raw)
    neighbours_are_counted_by_seats(raw)
    records_agree_with_themselves(raw)
    indexes_agree_with_records(raw)
    lists_agree_with_holders(raw)
    losses_are_lost_nodes(raw)
    nothing_else_is_kept(raw)


def reservations_are_the_sum_of_seats(raw: Raw) -> None:
    """Each node's view says what the records with a seat there take, and that is at most what the node has."""
    for node, view in raw.views.items():
        needs = [map(int, record["need"].split()) for record in raw.tasks.values() if record.get("seat") == node]
        total = [sum(column) for column in zip(*needs, strict=True)] or [0, 0, 0]
        assert [int(view[f"r{name}"]) for name in ("cpu", "memory", "disk")] == total, node
        assert int(view["tasks"]) == len(needs), node
        assert all(amount <= int(view[name]) for amount, name in zip(total, ("cpu", "memory", "disk"), strict=True))


def ports_are_held_once_and_by_seats(raw: Raw) -> None:
    """A host port of an engine is held by records with a seat on it, by each bind once, and never beside a wildcard."""
    wanted, found = Counter[tuple[str, str, str, str]](), Counter[tuple[str, str, str, str]]()
    for task, record in raw.tasks.items():
        for _, host, protocol, bind in json.loads(record.get("ports", "[]")) if record.get("seat") else ():
            wanted[record.get("engine") or raw.views[record["seat"]]["engine"], f"{host}/{protocol}", bind, task] += 1
    for name, fields in raw.keys.items():
        if name.endswith(":ports"):
            for port, held in fields.items():
                binds = [word.rpartition("=")[::2] for word in held.split()]
                found.update((name.split(":")[1], port, bind, task) for bind, task in binds)
                for (one, _), (other, _) in combinations(binds, 2):
                    assert one != other
                    assert not WILD & {one, other}, (name, port, held)
    assert found == wanted


def neighbours_are_counted_by_seats(raw: Raw) -> None:
    """Each node counts the groups of the records with a seat there, and whom they keep away from it."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    away: Counter[str] = Counter()
    for record in raw.tasks.values():
        for word in record.get("here", "").split():
            if word.startswith("!"):
                away[f"{record['seat']} {word[1:]}"] += 1
            else:
                groups[record["seat"]][word] += 1
    for node in raw.views:
        assert {word: int(n) for word, n in raw.keys.get(f"node:{node}:groups", {}).items()} == groups[node], node
    assert {field: int(n) for field, n in raw.keys.get("apart", {}).items()} == away


def records_agree_with_themselves(raw: Raw) -> None:
    """What a record says of node, seat, wish and times fits its state."""
    for task, record in raw.listed.items():
        state, seat = record["state"], record.get("seat")
        if state in PLACED:
            assert seat == record["node"], task
            assert record["node"] in raw.views, f"{task} is {state} on a node that nobody knows"
        assert ("assigned" in record) is (state in PLACED), task
        assert not (state in ENDED and seat), task
        assert "here" not in record or seat, f"{task} counts on no node"
        assert not (state == "pending" and record["wanted"] != "running"), f"{task} waits and is not wanted"
        assert ("next" in record) is (state == "pending"), task
        assert state not in ENDED or "ended" in record, task
        assert len(json.loads(record.get("attempts", "[]"))) <= 10


def indexes_agree_with_records(raw: Raw) -> None:
    """Each task is in the indexes of its state and in no other, and no index names a task without a record."""
    listed, keys = raw.listed, raw.keys
    by_state: dict[str, set[str]] = defaultdict(set)
    for task, record in listed.items():
        by_state[record["state"]].add(task)
    assert set(keys.get("ids", {})) == set(listed)
    for state in State:
        created = {task: float(listed[task]["created"]) for task in by_state[state.value]}
        assert keys.get(f"tasks:{state.value}", {}) == created, state
    assert keys.get("pending", {}) == {task: float(listed[task]["next"]) for task in by_state["pending"]}
    ranks = {task: (100 - int(listed[task].get("priority", 50))) * 1e13 for task in by_state["pending"]}
    assert keys.get("waiting", {}) == {task: rank + int(listed[task]["created"]) for task, rank in ranks.items()}
    patient = {task for task in by_state["pending"] if "patience" in listed[task]}
    assert keys.get("deadlines", {}) == {task: float(listed[task]["until_ms"]) for task in patient}
    assert set(keys.get("scheduled", {})) == by_state["scheduled"]
    assert keys.get("names", {}) == {r["name"]: task for task, r in listed.items() if r["state"] in LIVE}
    assert len(keys.get("names", {})) == sum(len(by_state[state]) for state in LIVE), "a name has two live tasks"
    past = {f"{r['name']}\0{r['created']}\0{task}" for task, r in listed.items() if r["state"] in ENDED}
    assert set(keys.get("past", {})) == past
    assert set(keys.get("ended", {})) == by_state["completed"] | by_state["failed"]
    assert set(keys.get("ended", {})) == by_state["completed"] | by_state["failed"]
    counts = {state: int(number) for state, number in keys.get("counts", {}).items() if number != "0"}
    assert counts == {state: len(tasks) for state, tasks in by_state.items() if tasks}


def lists_agree_with_holders(raw: Raw) -> None:
    """A task is on a node's list exactly if its record names the node among those that may hold a container of it."""
    for node in raw.views:
        assert raw.held(node) == {t for t, r in raw.tasks.items() if node in json.loads(r.get("holders") or "[]")}, node
    for task, record in raw.tasks.items():
        holders = json.loads(record.get("holders") or "[]")
        assert len(set(holders)) == len(holders), task
        assert set(holders) <= set(raw.views), task
        assert not record.get("seat") or record["seat"] in holders, task
        assert record["wanted"] != "removed" or holders, f"the tombstone of {task} waits for nobody"


def losses_are_lost_nodes(raw: Raw) -> None:
    """What the brake counts as gone is declared lost, and has not spoken or left since."""
    beats = raw.keys.get("nodes:heartbeats", {})
    for node in raw.keys.get("nodes:lost", {}):
        assert raw.views[node]["lost"] == "1", node
        assert beats[node] > 0, node


def nothing_else_is_kept(raw: Raw) -> None:
    """Every key is one of the table's, of a task, a submission, or a node that is known."""
    for name in raw.keys:
        kind, _, rest = name.partition(":")
        assert name in SINGLE or kind in KINDS, name
        assert kind != "node" or rest.partition(":")[0] in raw.views, f"{name} is of no known node"
    for shared in ("spec", "pin"):
        used = Counter(record[shared] for record in raw.tasks.values() if shared in record)
        assert {key: int(fields["tasks"]) for key, fields in raw.all(shared).items()} == used, shared
    assert set(raw.keys.get("nodes:facts", {})) == set(raw.keys.get("nodes:heartbeats", {})) == set(raw.views)


def told(event_id: str, fields: Record) -> Record:
    """Return an entry of the stream with the states between which it leads, also where its type alone says so."""
    word = fields["type"].removeprefix("task.")
    target = {"accepted": "pending", "placed": "scheduled"}.get(word, word)
    source = fields["from"] or {"placed": "pending", "running": "scheduled"}.get(word, "")
    return {**fields, "id": event_id, "from": source, "to": target if target in LIVE | ENDED else ""}


def check_story(before: Raw, after: Raw, events: list[Record]) -> None:
    """Assert that each change of a state has its one event, and that these are a path of permitted changes."""
    states = {task: record["state"] for task, record in before.listed.items()}
    for event in events:
        if event["to"]:
            task = event["task"]
            if event["type"] == "task.accepted":
                assert (event["from"], event["to"]) == ("", State.PENDING.value)
                assert task not in states
            else:
                assert event["type"] == {"scheduled": "task.placed"}.get(event["to"], f"task.{event['to']}")
                assert event["from"] == states[task], f"{task}: {event}"
                assert (event["from"], event["to"]) in PERMITTED, event
            states[task] = event["to"]
        elif event["type"] == "task.removed":
            assert states.pop(event["task"]) == event["from"]
    assert states == {task: record["state"] for task, record in after.listed.items()}
    for task, record in after.tasks.items():
        told = [event["id"] for event in events if event["task"] == task]
        assert names(record)[-len(told) :] == told or not told, f"{task}: {record['events']}"


def names(record: Record) -> list[str]:
    """Return the ids of the events that a record names."""
    words = (word.partition("-") for word in record["events"].lstrip("<").split())
    return [f"{int(record['created']) + int(ms)}-{n or 0}" for ms, _, n in words]


def check_looks(store: FleetReader) -> None:
    """Assert that a look which brings only what has changed shows what one at everything does.

    Time goes on between two looks, and with it a node may fall silent: what is whole lies between two lean ones.
    """
    lean, whole = list(map(_decides, store.lean_nodes())), store.nodes()
    if lean != list(map(_decides, whole)):
        later = map(_decides, store.lean_nodes())
        assert all(_decides(node) in pair for node, *pair in zip(whole, lean, later, strict=True))
    check_open(store, whole)
    engines = {node.engine for node in whole}
    held = store.looked_ports()
    assert {engine: held[engine] for engine in engines} == store.taken_ports(sorted(engines))


def check_open(store: FleetReader, whole: Sequence[Node]) -> None:
    """Assert that a look which explains nothing lets those take tasks that do, but for those not heard lately."""
    quiet_s = interval_ms(len(whole)) * store.settings.suspect_intervals / 1000
    for node, opened in zip(whole, store.open_nodes(), strict=True):
        assert node.takes_tasks or not opened.takes_tasks
        assert opened.takes_tasks or not node.takes_tasks or node.heartbeat_age_s >= quiet_s - 1
        if opened.takes_tasks:
            assert (opened.name, opened.reserved, opened.lent) == (node.name, node.reserved, node.lent)


def _decides(node: Node) -> tuple[object, ...]:
    """Return what placing and judging go by."""
    room = node.capacity, node.reserved, node.tasks, node.lent
    return node.name, node.state, node.takes_tasks, node.engine, node.labels, room, node.shown, node.held, node.silent


def check_fences(before: Raw, after: Raw) -> None:
    """Assert that no attempt's number has gone down, and that a new node has come with a new number only."""
    for task, record in after.tasks.items():
        if task in before.tasks:
            was = before.tasks[task]
            assert int(record["attempt"]) >= int(was["attempt"]), task
            moved = record.get("node") != was.get("node")
            assert not moved or int(record["attempt"]) > int(was["attempt"]), task


def clash(raw: Raw, task: str, engine: str, ports: tuple[Port, ...]) -> bool:
    """Return whether another task holds one of these ports on the engine."""
    held = raw.keys.get(f"engine:{engine}:ports", {})
    return any(
        owner != task and (bind == port.bind or WILD & {bind, port.bind})
        for port in ports
        for word in held.get(f"{port.host}/{port.protocol}", "").split()
        for bind, _, owner in [word.rpartition("=")]
    )


def check_neighbours(before: Raw, task: str, node: str, beside: tuple[str, Rules]) -> None:
    """Assert that those who were on the node before let a task of this group and with these rules be there, too."""
    (group, rules), record = beside, before.tasks[task]
    there = before.keys.get(f"node:{node}:groups", {})
    own = record.get("seat") == node and record.get("here", "").split()[:1] == [group]
    assert rules.most is None or int(there.get(group, 0)) - own < rules.most
    assert rules.far is None or rules.far not in there
    assert rules.near is None or rules.near in there
    assert not group or f"{node} {group}" not in before.keys.get("apart", {})
