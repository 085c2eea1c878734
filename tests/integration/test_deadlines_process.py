"""A deadline on a real engine, with an agent that dies meanwhile."""

from __future__ import annotations

import signal

from ormen.reasons import Code
from ormen.task import State
from tests.integration.nodes import Harbour


def test_a_deadline_outlives_the_agent(harbour: Harbour) -> None:
    """The agent is killed; its successor counts from the container's own start, stops it, and the task has failed."""
    node = harbour.node()
    task = harbour.run(restart="always", stop_grace="2s", deadline={"run": "2s"})
    node.end(signal.SIGKILL)
    harbour.node()
    ended = harbour.until(task, State.FAILED)
    assert (ended.reason and ended.reason.code, ended.attempt) == (Code.DEADLINE_RUN, 1)
    assert harbour.state_of(task) == "exited"
    assert ended.started_ms is not None
    assert ended.ended_ms is not None
    assert ended.ended_ms - ended.started_ms > 1900
