"""Talks of readers with this node's containers: each claimed once, passed on both ways, ended when nobody reads it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from signal import Signals
from threading import Lock
from typing import Any

from ormen.errors import StoreUnavailable
from ormen.resolving import resolve
from ormen.store.agent import Request
from ormen.store.talks import Picked, TalkStore
from ormen.talk import Frame
from ormen.task import Task
from worker_agent.evidence import HARMLESS
from worker_agent.lanes import TALK, Lanes
from worker_agent.runtime import Container, RuntimeFault
from worker_agent.station import Station
from worker_agent.talk import Talk
from worker_agent.talking import Dialogue, ExecPlan

log = logging.getLogger(__name__)

MOST = 16
"""Talks of a node at a time; each holds three threads and a connection to the engine."""

CLOSE_S = 3.0
"""How long an agent that stops waits for the processes it ends."""

Begin = Callable[[Picked, Task, Container], Dialogue]


class Talks:
    """The talks under way, each in the lane of talks."""

    def __init__(self, station: Station, lanes: Lanes, store: TalkStore | None = None) -> None:
        self._station = station
        self._lanes = lanes
        self._store = store or TalkStore(station.store.settings, station.store.client)
        self._open: dict[str, Talk | None] = {}
        self._lock = Lock()
        self._over = ""
        self._kinds: dict[str, Begin] = {"exec": self._exec, "attach": self._attach, "copy": self._copy}

    def take(self, request: Request) -> None:
        """Have a talk begun, if there is room for one more; who has to go away is told so at once."""
        with self._lock:
            full = len(self._open) >= MOST and request.id not in self._open
            if not full:
                self._open.setdefault(request.id, None)
        if full:
            self._refuse_busy(request.id)
        else:
            self._lanes.submit(TALK, f"talk {request.id}", partial(self.serve, request.id))

    def serve(self, talk_id: str) -> str:
        """Carry a talk on to its end, once however often it was rung."""
        try:
            picked = self._store.pick(talk_id, node=self._station.node, instance=self._station.instance)
            if not isinstance(picked, Picked):
                return self._not_begun(talk_id, picked)
            return self._carry_on(picked)
        except StoreUnavailable as fault:
            log.warning("talk %s ended: %s", talk_id, fault)
            return "store away"
        except Exception:
            # A fault of ours: the reader is told, and not left to find out that nothing comes any more.
            log.exception("talk %s failed", talk_id)
            return self._end(
                talk_id, "AGENT_FAULT", f"the agent of {self._station.node} failed at it; its log says why"
            )
        finally:
            with self._lock:
                self._open.pop(talk_id, None)
                last = not self._open
            if last:
                self._store.rest()

    def step(self, now: float) -> None:
        """Say at each talk that this agent is there, and end those that nobody reads."""
        self._station.held.step(now)
        for talk_id, talk in self._under_way().items():
            if not talk.attend():
                self._lanes.submit(TALK, f"talk {talk_id} end", talk.abandon)

    def close(self) -> None:
        """End every talk, and tell its reader why; return once that is done, or after `CLOSE_S`."""
        with self._lock:
            self._over = why = f"the agent of {self._station.node} was stopped"
        for talk_id, talk in self._under_way().items():
            self._lanes.submit(TALK, f"talk {talk_id} end", partial(talk.abandon, why))
        deadline = time.monotonic() + CLOSE_S
        while self._under_way() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _under_way(self) -> dict[str, Talk]:
        with self._lock:
            return {talk_id: talk for talk_id, talk in self._open.items() if talk is not None}

    def _carry_on(self, picked: Picked) -> str:
        try:
            task = self._station.store.read([picked.task])[picked.task]
            container = self._station.container_of(task) if task is not None else None
            if task is None or container is None:
                return self._end(picked.id, "NOT_RUNNING", f"there is no container of it on {self._station.node}")
            if picked.kind not in self._kinds:
                return self._end(picked.id, "NOT_KNOWN", f"{self._station.node} runs an older ormen without this")
            dialogue = self._kinds[picked.kind](picked, task, container)
        except RuntimeFault as fault:
            return self._end(picked.id, fault.reason.code.value, fault.reason.sentence)
        talk = Talk(self._store, picked.id, dialogue, on_signal=self._on_signal(picked, container))
        with self._lock:
            self._open[picked.id] = talk
            over = self._over
        if over:
            talk.abandon(over)
        self._lanes.submit(TALK, f"talk {picked.id} input", talk.listen)
        return talk.run()

    def _exec(self, picked: Picked, task: Task, container: Container) -> Dialogue:
        return self._station.runtime.exec(container.id, plan_of(picked.options))

    def _on_signal(self, picked: Picked, container: Container) -> Callable[[str], None]:
        """Return what notes a signal that a reader sends: one to its container is no end by somebody else."""

        def note(name: str) -> None:
            if picked.kind == "attach" and Signals[name] not in HARMLESS:
                self._station.evidence.pass_on(container.id)

        return note

    def _attach(self, picked: Picked, task: Task, container: Container) -> Dialogue:
        """Hand over the streams that were joined before the start; without any, what can still be had of them."""
        held = self._station.held.give(container.id)
        if held is not None:
            return held
        spec = resolve(task.spec)
        if container.running and (spec.stdin or spec.tty):
            return self._station.runtime.attach(container.id, tty=spec.tty, past=True)
        return self._station.runtime.follow(container.id)

    def _copy(self, picked: Picked, task: Task, container: Container) -> Dialogue:
        into = picked.options["direction"] == "in"
        copy = self._station.runtime.copy_in if into else self._station.runtime.copy_out
        return copy(container.id, str(picked.options["path"]))

    def _not_begun(self, talk_id: str, code: str) -> str:
        if code == "LATE":
            self._store.conclude(talk_id, Frame.error("NOT_RUNNING", "the task has moved on; nothing was done"))
        return code.lower()

    def _refuse_busy(self, talk_id: str) -> None:
        sentence = f"{self._station.node} has {MOST} commands and attached readers already; nothing was done"
        try:
            if self._store.withdraw(talk_id):
                self._store.conclude(talk_id, Frame.error("BUSY", sentence))
        except StoreUnavailable as fault:
            log.warning("talk %s was not refused: %s", talk_id, fault)

    def _end(self, talk_id: str, code: str, sentence: str) -> str:
        self._store.conclude(talk_id, Frame.error(code, sentence))
        return sentence


def plan_of(options: Any) -> ExecPlan:
    """Return the command that the options of a talk describe."""
    return ExecPlan(
        tuple(options["command"]),
        tty=bool(options.get("tty")),
        stdin=bool(options.get("stdin")),
        env=dict(options.get("env") or {}),
        user=str(options.get("user") or ""),
        workdir=str(options.get("workdir") or ""),
    )
