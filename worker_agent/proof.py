"""Proof that the agent consumes: a worker can be connected, alive and deaf after a reconnect.

Having consumed nothing for a while, the agent posts a message to its own queue, and another every few seconds until it
hears one; if it hears none in time, it starts itself anew. One would not do: a message may be lost, as the first is
that a worker takes after a line of its has died silently (it is taken off the queue over the new line, and lost when it
is to be noted over another that is dead). Only a post that succeeded counts, and only while Redis answers: no outage
restarts an agent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ormen.reasons import Code, Reason

log = logging.getLogger(__name__)

QUIET_INTERVALS = 5
"""Heartbeat intervals without a message after which the agent posts one to itself."""
HEARD_WITHIN_S = 15.0
"""How long its own message may take before the agent takes itself for deaf."""
AGAIN_S = 3.0
"""How long after its last message the agent posts another, while it has heard none."""
USELESS_INTERVALS = 15
"""Heartbeat intervals without a message after which the node says that it is no good."""


class Proof:
    """When a message was last consumed, and whether the agent's own is on its way."""

    def __init__(self, post: Callable[[], bool], restart: Callable[[str], None], *, now: float) -> None:
        self._post = post
        self._restart = restart
        self._heard_at = now
        self._posted_at: float | None = None
        self._again_at = now

    def heard(self, now: float) -> None:
        """Note that a message was consumed."""
        self._heard_at, self._posted_at = now, None

    def age_s(self, now: float) -> float:
        """Return how long ago a message was last consumed."""
        return now - self._heard_at

    def step(self, now: float, *, interval_s: float, well: bool) -> None:
        """Post when it was quiet for too long, and again; restart when none of our own messages was heard."""
        if not well:
            self.heard(now)
        elif self._posted_at is not None:
            if now - self._posted_at >= HEARD_WITHIN_S:
                self._posted_at = None
                self._restart(f"nothing heard from its own queue for {now - self._heard_at:.0f}s")
            elif now >= self._again_at:
                self._again_at = now + AGAIN_S
                self._post()
        elif now - self._heard_at >= QUIET_INTERVALS * interval_s:
            # Marked before it is posted: it may be heard before the post returns, and that takes the mark away.
            self._posted_at, self._again_at = now, now + AGAIN_S
            if not self._post():
                self._posted_at = None

    def trouble(self, now: float, interval_s: float) -> Reason | None:
        """Return why the node is no good when nothing was consumed for too long."""
        age_s = self.age_s(now)
        if age_s < max(USELESS_INTERVALS * interval_s, HEARD_WITHIN_S):
            return None
        return Reason(Code.NOT_CONSUMING, f"Its agent has read nothing from its queue for {age_s:.0f}s.")
