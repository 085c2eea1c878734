"""The agent's sign of life, and what it hears in return.

The answer is the second doorbell: it says whether the inbox holds something, whether a complete pass over Docker is
wanted, whether another instance is this node now, and how long to wait. It runs in a thread and on a connection of
its own, so that nothing else can delay it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ormen.errors import StoreUnavailable
from ormen.reasons import Reason
from ormen.store.agent import AgentStore, Answer, Heartbeat
from worker_agent.facts import Usage

log = logging.getLogger(__name__)

SAY_EVERY_S = 10.0
"""How often an outage is mentioned in the log."""
LOOK_LATER_S = 0.25
"""An inbox younger than this has its ring on the way: it is left to the ring."""


@dataclass(frozen=True, slots=True)
class Vital:
    """What a heartbeat says of the agent: ages of its last complete pass and last message, and what is wrong.

    `facts` are measured now and then; empty: those of an earlier heartbeat still stand.
    """

    pass_age_s: float
    consumed_age_s: float
    trouble: Reason | None
    usage: Usage
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the agent does about an answer."""

    inbox: Callable[[], object]
    resync: Callable[[], None]
    replaced: Callable[[int], None]
    unknown: Callable[[], None]
    known: Callable[[], None]
    back: Callable[[], None]


class Pulse:
    """The heartbeat. `step` is called by one thread only."""

    def __init__(
        self, store: AgentStore, identity: tuple[str, str, str], *, vital: Callable[[float], Vital], hooks: Hooks
    ) -> None:
        self._store = store
        self._node, self._instance, self._cluster = identity
        self._vital = vital
        self._hooks = hooks
        self._failing_since: float | None = None
        self._connections: int | None = None
        self._said_at = 0.0
        self.interval_s = 1.0
        self.due = 0.0

    @property
    def well(self) -> bool:
        """Return whether the last heartbeat was answered."""
        return self._failing_since is None

    def step(self, now: float) -> None:
        """Send the heartbeat that is due and heed its answer."""
        if now < self.due:
            return
        self.due = now + self.interval_s
        answer = self._beat(now)
        if answer is None:
            return
        self.interval_s = answer.interval_s if answer.known else self.interval_s
        self.due = now + self.interval_s
        self._heed(answer)

    def _beat(self, now: float) -> Answer | None:
        vital = self._vital(now)
        beat = Heartbeat(
            node=self._node,
            instance=self._instance,
            cluster=self._cluster,
            used=vital.usage.used,
            load=vital.usage.load,
            pass_age_s=vital.pass_age_s,
            consumed_age_s=vital.consumed_age_s,
            trouble=vital.trouble,
            sent_ms=int(time.time() * 1000),
            facts=vital.facts,
        )
        for last in (False, True):
            try:
                answer = self._store.heartbeat(beat)
            except StoreUnavailable as fault:
                if last:
                    self._silence(fault, now)
            else:
                self._back(now)
                return answer
        return None

    def _heed(self, answer: Answer) -> None:
        if not answer.known:
            self._hooks.unknown()
            return
        if answer.replaced:
            self._hooks.replaced(answer.heard_ms)
            return
        self._hooks.known()
        if answer.resync:
            self._hooks.resync()
        if answer.inbox and answer.inbox_age_s >= LOOK_LATER_S:
            self._hooks.inbox()

    def _silence(self, fault: StoreUnavailable, now: float) -> None:
        if self._failing_since is None:
            self._failing_since = now
        if now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            log.warning("%s; containers go on, nothing is started or stopped", fault)

    def _back(self, now: float) -> None:
        """Note that Redis has answered. A Redis that was back within a second is known by the connection alone."""
        renewed = self._connections not in (None, self._store.connections)
        self._connections = self._store.connections
        if self._failing_since is not None:
            log.warning("Redis answers again after %.0fs", now - self._failing_since)
            self._failing_since = None
            self._said_at = 0.0
        elif not renewed:
            return
        self._hooks.back()
