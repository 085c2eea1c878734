"""What each tick does. A loop reads everything it judges anew, and writes when it has succeeded."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence

from manager_api.control import cleaning
from manager_api.control.alarm import Alarm
from manager_api.control.judging import loss_of, verdicts
from manager_api.control.rounds import Rounds
from manager_api.placing import place_tasks
from ormen import messages
from ormen.node import Node, NodeState
from ormen.reasons import WAITS_FOR_ROOM, Code
from ormen.ringer import Ringer
from ormen.schema import resolve
from ormen.settings import Settings
from ormen.store.fleet import interval_ms
from ormen.store.loops import Held, LoopStore, Turn
from ormen.task import State, Task, Wanted
from ormen.units import format_age

log = logging.getLogger("ormen.control")

INTERVALS_MS = {"liveness": 1000, "reschedule": 2000, "health": 5000, "cleanup": 60_000}
"""How often beat ticks each loop."""

SCAN = 1000
"""The most waiting tasks one scan looks at."""

RING_AGAIN_MS, STALLED_MS = 30_000, 60_000
"""A scheduled task of which its agent says nothing is rung again, then placed elsewhere."""

SLOW_S = 1.0
"""A Redis that takes longer to answer tells nothing of a node's silence: its heartbeat waits no longer either."""

GATHER_MS = 10_000
"""How long after the loops began to watch a task that went down with the cluster waits for its own node."""

VIGIL_MARGIN_S = 0.01
"""How long after its limit a silent node is judged: Redis counts whole milliseconds, and more than the limit."""

OVERSEEN, RECOUNTED = 2000, 10_000
"""Tasks whose check one turn looks into, and those it counts again; of more, the next turn goes on where it ended."""

OVERDUE_PROBES = 3
"""After how many intervals without a report of a check its task is looked into."""


class Loops:
    """The loops of one control worker. With `threads`, its alarms ring by themselves; without, at their `step`.

    `alarm` wakes for tasks whose pause is over, `vigil` for silent nodes that are lost now.
    """

    def __init__(self, store: LoopStore, ringer: Ringer, settings: Settings, *, threads: bool = False) -> None:
        self.store = store
        self.ringer = ringer
        self.settings = settings
        self.alarm = Alarm(self.hear, threads=threads)
        self.vigil = Alarm(self.look_at, threads=threads)
        self._overseen, self._recounted = Rounds(OVERSEEN), Rounds(RECOUNTED)

    def liveness(self) -> None:
        """Tell which nodes have fallen silent, and take the tasks of those that are lost or long useless.

        It places what is due as well: so a pause whose ring was lost, or whose alarm died, ends a second late at most.
        """
        asked = time.monotonic()
        turn = self._turn("liveness")
        if not turn.run:
            return
        self._doubt_redis(turn, took_s=time.monotonic() - asked)
        nodes = self.store.lean_nodes()
        moved = self._judge(nodes)
        moved += self._heed_brake(turn, [node for node in nodes if node.held])
        if any(node.state is NodeState.LOST and not node.declared_lost for node in nodes) and self.store.braked():
            log.warning("brake: %s", self.store.brake().sentence(now_ms=turn.now_ms))
        self._keep_vigil(nodes)
        self.store.done("liveness", now_ms=turn.now_ms)
        for _ in range(0, moved, SCAN):
            self.place(())
        if not moved:
            self._place_due(turn.now_ms)

    def look_at(self, names: Sequence[str]) -> None:
        """Judge silent nodes between two ticks, as liveness does; not if it could not watch them until now."""
        asked = time.monotonic()
        if not self.store.watched_for_ms() or time.monotonic() - asked > SLOW_S:
            return
        if self._judge(self.store.lean_nodes(only=names)):
            self.place(())

    def reschedule(self) -> None:
        """Place what is due, end waits that were too long, ring again for quiet starts, and move those that stall."""
        turn = self._turn("reschedule")
        if not turn.run:
            return
        self._place_due(turn.now_ms)
        self._end_waits(turn.now_ms)
        quiet = self.store.stalled(since_ms=turn.now_ms - RING_AGAIN_MS)
        if quiet:
            self._wake(quiet, turn.now_ms)
        self._drain_on()
        self.store.done("reschedule", now_ms=turn.now_ms)

    def health(self) -> None:
        """Oversee the agents' checks: look into tasks whose check is overdue."""
        turn = self._turn("health")
        if not turn.run:
            return
        speaking = (NodeState.READY, NodeState.DRAINING, NodeState.CORDONED)
        nodes = [node for node in self.store.lean_nodes() if node.state in speaking and node.tasks]
        checked = self.store.checked([node.name for node in self._overseen.some(nodes)])
        tasks = {task.id: task for task in self._tasks([task_id for made in checked.values() for task_id in made])}
        for node, made in checked.items():
            for task_id, last_ms in made.items():
                if task_id in tasks:
                    self._oversee(tasks[task_id], node, last_ms, turn.now_ms)
        self.store.done("health", now_ms=turn.now_ms)

    def cleanup(self) -> None:
        """Forget what is old, and count again what nodes hold: a difference is a fault of ormen's own."""
        turn = self._turn("cleanup")
        if not turn.run or not self.store.lease("cleanup", seconds=50):
            return
        self.store.trim_events(now_ms=turn.now_ms)
        cleaning.prune_ended(self.store, self.ringer, self.settings, now_ms=turn.now_ms)
        nodes = self.store.lean_nodes()
        there = [node for node in nodes if not cleaning.forget_dead(self.store, node, self.settings)]
        self._recount(list(self._recounted.some(there)))
        cleaning.sweep(self.store)
        self.store.end_lease("cleanup")
        self.store.done("cleanup", now_ms=turn.now_ms)

    def hear(self, ids: Sequence[str]) -> None:
        """Heed a ring: place these tasks, each once its pause is over; none named means that room was freed.

        A ring that comes late or twice cuts no pause short, since the record says until when it lasts.
        """
        now = self.store.now_ms()
        early = {
            task.id: task.next_try_ms - now for task in self._tasks(ids) if task.next_try_ms and task.next_try_ms > now
        }
        ripe = [task_id for task_id in ids if task_id not in early]
        if ripe or not ids:
            self.place(ripe)
        for task_id, pause_ms in early.items():
            self.alarm.set(task_id, pause_ms / 1000)

    def place(self, ids: Sequence[str]) -> None:
        """Place these tasks; none named means that room was freed, so look at all that wait for room."""
        now = self.store.now_ms()
        tasks = self._tasks(ids or self.store.first_waiting(SCAN))
        self._place([task for task in tasks if ids or _may_be_placed(task, now)])

    def _place_due(self, now_ms: int) -> None:
        due = self.store.due(SCAN, now_ms=now_ms)
        self._place([task for task in self._tasks(due) if _may_be_placed(task, now_ms)])

    def _place(self, tasks: Sequence[Task]) -> None:
        place_tasks(self.store, self._gathered(tasks), self.settings, ring=self.ringer.ring_nodes)

    def _end_waits(self, now_ms: int) -> None:
        """Let tasks fail that have waited as long as their spec lets them.

        Not while the loops have only just come back: whoever waited while nobody placed has its chance first.
        """
        overdue = self.store.overdue(now_ms=now_ms)
        if not overdue or self.store.watched_for_ms() <= GATHER_MS:
            return
        tasks = {task.id: task for task in self._tasks(overdue)}
        ended = self.store.expire({task.id: _waited_too_long(task) for task in tasks.values()})
        if ended.ring:
            self.ringer.ring_nodes({node: [] for node in ended.ring}, kind=messages.STOP)
        if any(tasks[task_id].seat for task_id in ended.failed):
            self.place(())

    def _gathered(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Leave out what went down with the cluster and whose own node is not back yet, while the cluster comes up.

        Else the first node to be ready would be given everything.
        """
        if not any(_went_down(task) for task in tasks) or self.store.watched_for_ms() > GATHER_MS:
            return tasks
        back = {node.name for node in self.store.lean_nodes() if node.takes_tasks}
        return [task for task in tasks if not _went_down(task) or task.node in back]

    def _wake(self, quiet: Sequence[str], now_ms: int) -> None:
        """Ring again for scheduled tasks of which nothing is heard; place those elsewhere that stay quiet."""
        silent = {node.name for node in self.store.lean_nodes() if node.silent}
        tasks = self._tasks(quiet)
        self.store.leave_to_liveness([task.id for task in tasks if task.node in silent])
        for task in tasks:
            if task.node and task.node not in silent and self.store.nudge(task.node, task.id):
                self.ringer.ring_nodes({task.node: [task.name]})
        stalled = self.store.stalled(since_ms=now_ms - STALLED_MS)
        moved = self.store.unstall(stalled, age_ms=STALLED_MS) if stalled else []
        if moved:
            self.place(moved)

    def _doubt_redis(self, turn: Turn, *, took_s: float) -> None:
        """Count the nodes' silence anew if Redis is slow; if it was away, say again who may join: it may be empty."""
        if took_s > SLOW_S:
            log.warning("Redis takes over %gs to answer: the silence of every node is counted anew", SLOW_S)
            self.store.count_anew()
        if turn.since_ms == turn.now_ms:
            self.store.allow_nodes(self.settings.allowed)

    def _turn(self, loop: str) -> Turn:
        return self.store.begin(loop, interval_ms=INTERVALS_MS[loop])

    def _tasks(self, ids: Sequence[str]) -> list[Task]:
        return [task for task in self.store.read(ids).values() if task] if ids else []

    def _judge(self, nodes: Iterable[Node]) -> int:
        """Tell the nodes' states once, and return how many tasks were taken from them; held ones are left alone."""
        return self.store.judge([verdict for node in nodes if not node.held for verdict in verdicts(node)])

    def _keep_vigil(self, nodes: Sequence[Node]) -> None:
        """Have each silent node judged in the moment in which it is lost, not at the first tick after that."""
        lost_s = interval_ms(len(nodes)) * self.settings.lost_intervals / 1000
        for node in nodes:
            left_s = lost_s - (node.silent_s or 0)
            if node.state is NodeState.SUSPECT and 0 <= left_s <= INTERVALS_MS["liveness"] / 1000:
                self.vigil.set(node.name, left_s + VIGIL_MARGIN_S)

    def _heed_brake(self, turn: Turn, held: Sequence[Node]) -> int:
        """Ask by one of the held nodes whether the brake still holds; if not, take the tasks of them all."""
        if turn.braked and not held:
            self.store.lift_brake()
            log.warning("brake: nothing waits for a silent node any more")
        if not held:
            return 0
        moved = self.store.judge([loss_of(held[0])])
        return moved if self.store.braked() else moved + self.store.judge([loss_of(node) for node in held[1:]])

    def _drain_on(self) -> None:
        for node in self.store.draining():
            moved = self.store.drain(node)
            if moved:
                self.ringer.ring_nodes({node: moved}, kind=messages.STOP)

    def _oversee(self, task: Task, node: str, last_ms: float, now_ms: int) -> None:
        health = resolve(task.spec).health
        if task.state is not State.RUNNING or task.node != node or task.wanted is not Wanted.RUNNING:
            return
        if health is None or task.started_ms is None:
            return
        # The agent reports its probes once a sync interval, so that much more is no fault of the check.
        patience_ms = OVERDUE_PROBES * (health.interval_s + health.timeout_s) * 1000 + 10_000
        silent_ms = now_ms - max(last_ms, task.started_ms)
        if silent_ms > 2 * patience_ms:
            log.warning("%s on %s has not been checked for %.0fs; it is moved", task.name, node, silent_ms / 1000)
            self.store.restart(task, code=Code.START_STALLED)
        if silent_ms > patience_ms and self.store.nudge(node, task.id):
            self.ringer.ring_nodes({node: [task.name]})

    def _recount(self, nodes: Sequence[Node]) -> None:
        held = self.store.held_by([node.name for node in nodes])
        for name in [node.name for node in nodes if held[node.name] != _says(node)]:
            # Tasks come and go while so many are counted: by itself, what stood still and differs is a fault.
            before, alone, after = self.store.node(name), self.store.held_by([name])[name], self.store.node(name)
            if alone != _says(before) == _says(after):
                units = "milli-cores, bytes, bytes, tasks"
                log.error("%s: its tasks hold %s, its record says %s (%s)", name, alone, _says(after), units)


def _says(node: Node) -> Held:
    return node.reserved.cpu_milli, node.reserved.memory_bytes, node.reserved.disk_bytes, node.tasks


def _went_down(task: Task) -> bool:
    return task.reason is not None and task.reason.code is Code.CLUSTER_DOWN


def _waited_too_long(task: Task) -> str:
    longest = resolve(task.spec).deadline.wait_s or 0
    said = f"Did not run within {format_age(longest)}, its deadline.wait."
    return f"{said} {task.reason.sentence}" if task.reason else said


def _may_be_placed(task: Task, now_ms: int) -> bool:
    due = task.next_try_ms is None or task.next_try_ms <= now_ms
    return due or (task.reason is not None and task.reason.code in WAITS_FOR_ROOM)
