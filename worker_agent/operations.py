"""The agent's Celery tasks: doorbells. None carries an order; each has the agent look for itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from celery import Celery

from ormen import messages

if TYPE_CHECKING:
    from worker_agent.agent import Agent


def register(app: Celery, agent: Agent) -> None:
    """Give the app the agent's three doorbells."""

    def ring(names: Sequence[str]) -> dict[str, object]:
        """Take the inbox; return what was in it and how the quick part of it ended. `names` are for people."""
        return agent.rung()

    def prove(_: Sequence[str]) -> None:
        """Hear our own message: the queue is being consumed."""
        agent.proof.heard(time.monotonic())

    app.task(name=messages.RUN, shared=False)(ring)
    app.task(name=messages.STOP, shared=False)(ring)
    app.task(name=messages.PROOF, shared=False)(prove)
