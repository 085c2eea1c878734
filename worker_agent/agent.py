"""All parts of one agent, put together. It owns no thread: whoever calls the `step` of each part does.

So the same agent runs in its own process, with threads (`app.py`), and by the hundred in one simulation, where
`tick` steps them all and `lanes.drain` does the work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from ormen.errors import OrmenError, StoreUnavailable
from ormen.reasons import Reason
from ormen.store.agent import AgentStore, NodeCard
from ormen.store.talks import TalkStore
from ormen.task import PLACED, Task, Wanted
from worker_agent.controller import Controller
from worker_agent.deadlines import Deadlines
from worker_agent.facts import disk_percent, seed_stats, usage
from worker_agent.heartbeat import Hooks, Pulse, Vital
from worker_agent.lanes import INBOX, Lanes, Ticket
from worker_agent.login_check import LoginCheck
from worker_agent.memory import Memory
from worker_agent.probing import Probing
from worker_agent.proof import Proof
from worker_agent.pruning import Pruner
from worker_agent.requests import Requests
from worker_agent.runtime import Container
from worker_agent.station import Station
from worker_agent.sync import Sync, unsynced
from worker_agent.talks import Talks
from worker_agent.tidying import Keep, Tidier, Tools
from worker_agent.use import Users
from worker_agent.watcher import Watcher

log = logging.getLogger("ormen.sailor")

QUICK_S = 5.0
"""How long a ring waits for what it has handed in, so that its result says how the quick part ended."""
AGAIN_S = 0.2
"""Going down, the pause before looking for tasks that were given to the node meanwhile."""
MEASURE_EVERY_S = 10.0
"""How often the host is measured as the seed systems did; that is too much for every heartbeat."""
SUCCESSOR_INTERVALS = 3
"""Heartbeat intervals in which an instance that has taken our place must speak."""
INBOX_BATCH = 100
"""Entries the store gives in one take."""


@dataclass(frozen=True, slots=True)
class Home:
    """What an agent has of its host: its card, the engine's folder, a connection for heartbeats, a file of its own.

    `keep` says for how long it keeps there what has ended. `talk_store` has the connections of talks, each of which
    holds one while it waits for what its reader says; None: those of all other work.
    """

    card: NodeCard
    root_dir: str
    pulse_store: AgentStore
    memory: Path | None = None
    keep: Keep = field(default_factory=Keep)
    talk_store: TalkStore | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    """What an agent needs of its process: its doorbell's proof, and ways to end."""

    post_proof: Callable[[], bool]
    restart: Callable[[str], None]
    leave: Callable[[str], None]


class Agent:
    """One node's agent."""

    def __init__(self, station: Station, lanes: Lanes, *, ways: Ways, home: Home) -> None:
        self.station = station
        self.lanes = lanes
        self._card = home.card
        self._root_dir = home.root_dir
        self._unknown_cluster = False
        self._successor: tuple[int, float] | None = None
        self._measured_at: float | None = None
        self._pause = Event()
        self._ways = ways
        self.controller = Controller(station, lanes)
        self.probing = Probing(
            station,
            lanes,
            lambda task, attempt, reason: self.controller.end_unhealthy(task, attempt=attempt, reason=reason),
        )
        self.deadlines = Deadlines(station, lambda task, attempt: self.controller.end_overdue(task, attempt=attempt))
        self.controller.on_seen, self.controller.on_forgotten = self._seen, self._forgotten
        self.sync = Sync(station, lanes, self.controller, probe_ages=self.probing.ages_s)
        tools = Tools(drop=self.controller.drop, disk=lambda: disk_percent(home.root_dir))
        self.tidier = Tidier(station, lanes, home.keep, tools=tools)
        self.sync.on_full = self.tidier.look
        self.watcher = Watcher(station, self.controller.look, Memory(home.memory))
        answers = {"prune": Pruner(station, self.tidier.images).answer, "login": LoginCheck(station).answer}
        answers["stats"] = Users(station).answer
        self.requests = Requests(station, lanes, answers)
        self.talks = Talks(station, lanes, home.talk_store)
        self.proof = Proof(ways.post_proof, ways.restart, now=time.monotonic())
        self.pulse = Pulse(
            home.pulse_store,
            (station.node, station.instance, station.cluster),
            vital=self._vital,
            hooks=Hooks(
                inbox=self.look_into_inbox,
                resync=self.sync.make_full,
                replaced=self._replaced,
                unknown=self._unknown,
                known=self._known,
                back=self._back,
            ),
        )

    def rung(self) -> dict[str, object]:
        """Answer a ring: take the inbox, hand it to the lanes, and say how what was quick has ended."""
        self.proof.heard(time.monotonic())
        deadline = time.monotonic() + QUICK_S
        taken = self.take()
        return {name: ticket.result if ticket.wait(deadline) else "goes on" for name, ticket in taken.items()}

    def look_into_inbox(self) -> None:
        """Have the inbox taken without a ring, as the heartbeat's answer asks."""
        self.lanes.submit(INBOX, "inbox", self.take)

    def take(self) -> dict[str, Ticket]:
        """Empty the inbox into the lanes; return each task's ticket by its name."""
        tickets: dict[str, Ticket] = {}
        if self.controller.frozen:
            return tickets
        while True:
            try:
                taken = self.station.store.take(self.station.node, self.station.instance)
            except StoreUnavailable as fault:
                log.debug("inbox: %s", fault)
                # Only the answer may be lost, and what was in it with it: the records say the same.
                self.sync.make_full()
                return tickets
            handed = self.controller.look_at(taken.tasks)
            tickets.update(zip((task.name for task in taken.tasks), handed, strict=True))
            for request in taken.requests:
                (self.talks if request.kind == "talk" else self.requests).take(request)
            if len(taken.tasks) + len(taken.gone) + len(taken.requests) < INBOX_BATCH:
                return tickets

    def tick(self, now: float) -> None:
        """Do once what the process does in threads of its own; for simulations."""
        self.pulse.step(now)
        self.sync.step(now)
        self.probing.step(now)
        self.deadlines.step(now)
        self.talks.step(now)

    def fault(self) -> str | None:
        """Return what is wrong with the agent just now, in a sentence; None while it is well."""
        if self.controller.frozen:
            return self.controller.frozen
        if not self.pulse.well:
            return "Redis does not answer; containers go on"
        trouble = self._trouble(time.monotonic())
        return trouble.sentence if trouble else None

    def go_down(self, deadline: float) -> tuple[int, int]:
        """Stop every container of this node and report each as down with the cluster; return how many went, and stayed.

        What is given to the node meanwhile is sent back in the same way, until nothing is left or the monotonic
        clock says `deadline`. Raise StoreUnavailable without a Redis whose word counts here.
        """
        self.controller.going_down = True
        down: set[str] = set()
        while (held := self._held()) and time.monotonic() < deadline:
            down.update(held)
            for ticket in [self.controller.take_down(task_id) for task_id in sorted(held)]:
                ticket.wait(deadline)
            self._pause.wait(AGAIN_S)
        if not held:
            self.station.store.leave(self.station.node, self.station.instance)
        return len(down - held), len(held)

    def close(self) -> None:
        """End the streams and let the lanes go; containers run on."""
        self._pause.set()
        self.sync.make_full()
        self.probing.wake()
        self.watcher.close()
        self.station.inventory.save()
        self.requests.close()
        self.talks.close()
        self.lanes.close()
        self._say_goodbye()

    def _seen(self, task: Task, container: Container | None) -> None:
        self.probing.seen(task, container)
        self.deadlines.seen(task, container)

    def _forgotten(self, task_id: str) -> None:
        self.probing.forget(task_id)
        self.deadlines.forget(task_id)

    def _say_goodbye(self) -> None:
        """Tell the deck that this end is no loss: whoever is this node next is waited for."""
        if self.controller.going_down or self.controller.frozen:
            return
        try:
            self.station.store.pause(self.station.node, self.station.instance)
        except StoreUnavailable as fault:
            log.debug("%s", fault)

    def _held(self) -> set[str]:
        if self.controller.frozen:
            raise StoreUnavailable(self.controller.frozen)
        return {task.id for task in self.station.store.held(self.station.node) if self._is_here(task)}

    def _is_here(self, task: Task) -> bool:
        return task.wanted is Wanted.REMOVED or (task.node == self.station.node and task.state in PLACED)

    def _vital(self, now: float) -> Vital:
        return Vital(
            pass_age_s=self.sync.pass_age_s(now),
            consumed_age_s=self.proof.age_s(now),
            trouble=self._trouble(now),
            usage=usage(self._root_dir),
            facts=self._facts(now),
        )

    def _facts(self, now: float) -> dict[str, Any]:
        if self._measured_at is not None and now - self._measured_at < MEASURE_EVERY_S:
            return {}
        self._measured_at = now
        full = round(disk_percent(self._root_dir), 1)
        return {"stats": seed_stats(len(self.controller.known())), "disk_percent": full}

    def _trouble(self, now: float) -> Reason | None:
        interval_s = self.pulse.interval_s
        if self.sync.trouble is not None:
            return self.sync.trouble
        return unsynced(self.sync.pass_age_s(now), interval_s) or self.proof.trouble(now, interval_s)

    def _replaced(self, heard_ms: int) -> None:
        """Change nothing; leave as soon as the other instance speaks, or join again if nobody does.

        Redis may be back from before our own start, and then it names an instance that is no more.
        """
        now = time.monotonic()
        self.controller.frozen = f"another agent is {self.station.node} now"
        if self._successor is None:
            self._successor = (heard_ms, now)
        elif heard_ms > self._successor[0]:
            self._ways.leave(f"another agent has joined as {self.station.node}; this one ends")
        elif now - self._successor[1] >= SUCCESSOR_INTERVALS * self.pulse.interval_s:
            self._join_again("Redis did not remember this agent")

    def _join_again(self, why: str) -> None:
        try:
            self.station.store.join(self._card)
        except StoreUnavailable as fault:
            log.debug("%s", fault)
            return
        except OrmenError as refusal:
            self._ways.leave(str(refusal))
            return
        self._thaw()
        log.warning("%s: joined again as %s", why, self.station.node)

    def _known(self) -> None:
        """Go on where Redis is once more the one that knows this very agent: an older file may have come and gone."""
        if self.controller.frozen:
            log.warning("Redis knows this agent of cluster %s again: going on", self.station.cluster[:8])
            self._thaw()

    def _thaw(self) -> None:
        self._successor, self._unknown_cluster, self.controller.frozen = None, False, None
        self.sync.make_full()

    def _unknown(self) -> None:
        """Join again if only our node was forgotten; if Redis is another cluster, change nothing and say so."""
        try:
            ours = self.station.store.cluster() == self.station.cluster
        except StoreUnavailable as fault:
            log.debug("%s", fault)
            return
        if ours:
            self._join_again("the deck had forgotten the node")
            return
        if not self._unknown_cluster:
            self._unknown_cluster = True
            self.controller.frozen = (
                f"Redis holds another cluster than {self.station.cluster[:8]}, which {self.station.node} joined: "
                "nothing is changed; start the agent again to join the new one"
            )
            log.error("%s", self.controller.frozen)

    def _back(self) -> None:
        self.proof.heard(time.monotonic())
        self.sync.make_full()
