"""What a record asks of the agent that reads it. Pure.

===========  ====================================================================================================
duty         when, and what is to be done
===========  ====================================================================================================
START        scheduled here: create the container and start it, or adopt the one that is there
RUN          running here: nothing, as long as the container does; its end is judged
STOP         a stop was asked: stop the container, report completed
RENEW        a next attempt was asked: stop and remove the container, report pending
KEEP         pending, and the last attempt was here: leave a container be, the next attempt may adopt it
REST         ended here: no container runs; one that has ended stays for its log, until it is dropped; one that is
             gone is confirmed
CLEAR        another node has the task, or it was removed: remove the container here, confirm
===========  ====================================================================================================
"""

from __future__ import annotations

from enum import Enum

from ormen.reasons import Code
from ormen.task import PLACED, State, Task, Wanted
from worker_agent.runtime import Container


class Duty(Enum):
    """What a record asks of this node's agent."""

    START = "start"
    RUN = "run"
    STOP = "stop"
    RENEW = "renew"
    KEEP = "keep"
    REST = "rest"
    CLEAR = "clear"


def duty_of(task: Task, node: str) -> Duty:
    """Return what the record asks of the agent of `node`."""
    if task.wanted is Wanted.REMOVED:
        return Duty.CLEAR
    if task.node is None:
        return Duty.KEEP
    if task.node != node:
        return Duty.CLEAR
    if task.state not in PLACED:
        return Duty.KEEP if task.state is State.PENDING else Duty.REST
    if task.wanted is Wanted.STOPPED:
        return Duty.STOP
    if task.restart and task.restart == task.attempt:
        return Duty.RENEW
    return Duty.START if task.state is State.SCHEDULED else Duty.RUN


def is_done(task: Task, node: str, container: Container | None) -> bool:
    """Return whether the listed container is already what the record asks, so that nothing need be looked at."""
    duty = duty_of(task, node)
    if duty is Duty.RUN:
        mine = container is not None and container.running and container.id == task.container_id
        told = container is not None and container.paused is (task.paused_ms is not None)
        return mine and told and not task.resize
    if duty is Duty.REST:
        unseen = task.reason is not None and task.reason.code is Code.STOPPED_UNSEEN
        # A container that was created and never ran has nothing to show.
        return container is not None and container.ended and not unseen
    return duty is Duty.KEEP
