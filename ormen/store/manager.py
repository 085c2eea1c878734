"""What the deck does to the store: accept, place, stop, restart, remove, and ask an agent something."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ormen.errors import OrmenError, StillRunning, TaskNotFound
from ormen.reasons import Code
from ormen.spec import USUAL_PRIORITY
from ormen.store.changing import Changer
from ormen.store.conflicts import MOST_NAMED, Clash, refusal
from ormen.store.figures import FigureStore
from ormen.store.fleet import interval_ms
from ormen.store.keeping import Keeper
from ormen.store.losses import LossStore
from ormen.store.orders import FIRST_LOOK_MS, Assigned, Assignment, Changed, Created, NewTask, Wait
from ormen.store.picture import Look
from ormen.store.records import pack_need, pack_placement, pack_ports
from ormen.store.redis import AnotherCluster, answering
from ormen.store.replies import Asker
from ormen.store.scripts import BATCH
from ormen.store.tasks import TaskReader
from ormen.task import State, Task


def _batches(assignments: Sequence[Assignment]) -> Iterator[tuple[Sequence[Assignment], dict[str, list[str]]]]:
    """Yield what one script is given, and the names of the tasks of each node that it is the first to ring."""
    names: dict[str, list[str]] = {}
    for a in assignments:
        names.setdefault(a.node, []).append(a.name)
    for start in range(0, len(assignments), BATCH):
        batch = assignments[start : start + BATCH]
        yield batch, {a.node: names.pop(a.node) for a in batch if a.node in names}


def _placed(at_ms: str = "0", unrung: Sequence[str] = ()) -> tuple[int, tuple[str, ...]]:
    return int(at_ms), tuple(unrung)


def _row(a: Assignment) -> dict[str, Any]:
    return {
        "id": a.task,
        "node": a.node,
        "text": a.text,
        **({"ports": pack_ports(a.ports), "address": a.address} if a.ports else {}),
        **({"gpus": json.dumps(a.gpus)} if a.gpus else {}),
        **({"chosen": pack_placement(a.placement)} if a.placement else {}),
        **_beside(a),
    }


def _rows(batch: Sequence[NewTask], *, by: str) -> list[dict[str, Any]]:
    return [
        {
            "id": task.id,
            "name": task.name,
            "spec": task.spec_id,
            "digest": task.digest,
            "container": task.container_name,
            "need": pack_need(task.need),
            "wait": FIRST_LOOK_MS,
            "text": f"from {by}" if by else "",
            **({"pin": task.pin_id} if task.pin_id else {}),
            **({"priority": str(task.priority)} if task.priority != USUAL_PRIORITY else {}),
            **({"patience": str(task.patience_ms)} if task.patience_ms is not None else {}),
        }
        for task in batch
    ]


def _beside(assignment: Assignment) -> dict[str, str]:
    if not assignment.group:
        return {}
    rules = assignment.rules
    asked = {"most": rules.most, "near": rules.near, "far": rules.far}
    return {"group": assignment.group, **{key: str(value) for key, value in asked.items() if value is not None}}


class ManagerStore(TaskReader, LossStore, Keeper, Asker, FigureStore, Changer):
    """The verbs of the API and of the loops that place."""

    @answering
    def create(
        self, tasks: Sequence[NewTask], specs: Mapping[str, Mapping[str, Any]], *, by: str = "", cluster: str = ""
    ) -> Created:
        """Store new tasks, all or none, and look at the fleet in the same breath: they are to be placed.

        Raises IdTaken or NameTaken, which tell every conflict, and AnotherCluster where `cluster` is given
        and is not this one. A list beyond one script's batch is one transaction, checked whole before its first part
        is written: so it is whole also if this process dies.
        """
        texts = {spec_id: json.dumps(spec, separators=(",", ":")) for spec_id, spec in specs.items()}
        batches = [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]
        checked = uuid.uuid4().hex if len(batches) > 1 else ""
        parts = [
            {
                "tasks": _rows(batch, by=by),
                "specs": {task.spec_id: texts[task.spec_id] for task in batch},
                "dry": "0",
                "list": checked,
                "cluster": cluster,
            }
            for batch in batches
        ]
        checks = [{**part, "specs": {}, "dry": "1"} for part in parts] if checked else []
        calls = [("create", part) for part in (*checks, *parts)]
        connections = self.connections
        *replies, seen = self.run_all([*calls, self._question(connections)], whole=bool(checked))
        if any("cluster" in reply for reply in replies):
            raise AnotherCluster(f"Redis at {self.place} was emptied", hint="repeat the request")
        # A list of several batches is told each conflict twice: as it was checked, and as it was not written.
        rows = dict.fromkeys(tuple(row) for reply in replies for row in reply.get("conflicts") or ())
        if rows:
            names = {task.id: task.name for task in tasks}
            raise self.conflict(*(Clash(code, names[task], task, holder) for code, task, holder in rows))
        known = frozenset(known for reply in replies for known in reply["known"] or ())
        stored = zip(batches, replies[len(checks) :], strict=True)
        at_ms = {task.id: int(reply["now"]) for batch, reply in stored for task in batch}
        return Created(known, at_ms, Look(connections, seen))

    def conflict(self, *clashes: Clash) -> OrmenError:
        """Return the error for ids and names that other tasks have."""
        return refusal(clashes, self.read({clash.holder for clash in clashes[:MOST_NAMED]}))

    @answering
    def assign(self, assignments: Sequence[Assignment], *, nodes: int | None = None) -> list[Assigned]:
        """Give pending tasks to nodes, and ring these; each stands or falls alone, and only what still fits is written.

        `nodes` is how many the fleet has, if that is known from a look just now.
        """
        if not assignments:
            return []
        # It loads Celery, which those who only read have no use for: `ormen doctor`.
        from ormen.rings import rings

        pace_ms = self.pace_ms() if nodes is None else interval_ms(nodes)
        suspect = str(pace_ms * self.settings.suspect_intervals)
        batches = [
            {"tasks": [_row(a) for a in batch], "suspect": suspect, "rings": rings(names)}
            for batch, names in _batches(assignments)
        ]
        replies = [row for reply in self.run_each("assign", batches) for row in reply]
        return [
            Assigned(a.task, a.node, code, str(detail), *_placed(*placed))
            for a, (code, detail, *placed) in zip(assignments, replies, strict=True)
        ]

    @answering
    def next_turn(self, amount: int) -> int:
        """Return the next turn of round robin and move it on by `amount` tasks, for all schedulers together."""
        if not amount:
            return int(self.client.get(self.keys.turn) or 0)
        return int(self.client.incrby(self.keys.turn, amount)) - amount

    @answering
    def defer(self, waits: Sequence[Wait]) -> int:
        """Note why pending tasks fit nowhere and when each is looked at again; return of how many the reason is new."""
        rows = [
            {
                "id": wait.task,
                "attempt": str(wait.attempt),
                "code": wait.reason.code.value,
                "text": wait.reason.sentence,
                "fit": wait.could_fit,
                "wait": str(wait.wait_ms),
            }
            for wait in waits
        ]
        return sum(self.run_each("wait", rows)) if rows else 0

    @answering
    def stop(self, task: Task, *, by: str = "") -> Changed:
        """Want a task stopped; raises TaskNotFound if it is gone meanwhile. `by` stands in the event."""
        node, asked = task.node or "its node", f"stop was asked for by {by}" if by else "stop was asked for"
        reply = self.run(
            "stop",
            id=task.id,
            text=f"{task.name} was stopped before it ran.",
            asked=f"{asked}, on {node}",
            unseen=f"{node} is lost; {task.name} counts as stopped, and its container is removed when {node} is back.",
        )
        return self._changed(task, reply, [reply["node"]] if reply.get("ring") else [])

    @answering
    def restart(self, task: Task, *, code: Code = Code.RESTARTED) -> Changed:
        """Want a task's container ended and a new attempt; an ended task is started again."""
        return self._again(task, "restart", code, "A restart was asked for.")

    @answering
    def retry(self, task: Task) -> Changed:
        """Want a pending or failed task tried now."""
        return self._again(task, "retry", Code.RESTARTED, "Another try was asked for.")

    def _again(self, task: Task, verb: str, code: Code, text: str) -> Changed:
        reply = self.run("restart", id=task.id, verb=verb, code=code.value, text=text)
        if reply.get("taken"):
            raise self.conflict(Clash("NAME_TAKEN", task.name, task.id, reply["taken"]))
        return self._changed(task, reply, [reply["node"]] if reply.get("ring") else [])

    @answering
    def remove(self, task: Task, *, force: bool) -> Changed:
        """Forget a task; raises StillRunning unless it has ended or `force` is set, which stops it first."""
        reply = self.run("remove", id=task.id, force="1" if force else "0", text=f"{task.name} was removed.")
        if reply.get("refused"):
            where = f" on {reply['node']}" if reply["node"] else ""
            raise StillRunning(
                f"{task.name} is {reply['state']}{where}; nothing was removed",
                hint=f"stop it first, or insist: ormen rm --force {task.name}",
                task=task.id,
            )
        return self._changed(task, reply, reply.get("ring") or ())

    def _changed(self, task: Task, reply: Mapping[str, Any], ring: Sequence[str]) -> Changed:
        if not reply["state"]:
            raise TaskNotFound(f'no task "{task.name}"', near=[])
        return Changed(State(reply["state"]), tuple(ring), bool(reply.get("room")), bool(reply.get("due")))

    @answering
    def drain(self, node: str) -> list[str]:
        """Want every task of a draining node moved; return the names of those that were not asked before."""
        moved: list[str] = []
        ids = list(self.client.smembers(self.keys.node_tasks(node)))
        for start in range(0, len(ids), BATCH):
            reply = self.run("evict", node=node, ids=ids[start : start + BATCH], code=Code.NODE_DRAINING.value)
            moved += reply["names"] or ()
        return moved

    @answering
    def allow_nodes(self, names: Sequence[str] | None) -> None:
        """Say which nodes may join, by name or host:port of their status page; None lets any."""
        if names is None:
            self.client.delete(self.keys.allowed)
        else:
            self.client.set(self.keys.allowed, json.dumps(list(names)))
