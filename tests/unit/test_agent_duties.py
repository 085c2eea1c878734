"""What a record asks of the node that reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ormen.reasons import Code, Reason
from ormen.task import State, Task, Wanted
from worker_agent.duties import Duty, duty_of, is_done
from worker_agent.runtime import Container

HERE = Task("id", "web", {}, Wanted.RUNNING, State.RUNNING, 0, "web.x", attempt=2, node="here", container_id="c")
RUNNING = Container("c", "web.x", "running")
EXITED = Container("c", "web.x", "exited")


@pytest.mark.parametrize(
    ("changes", "duty"),
    [
        ({}, Duty.RUN),
        ({"state": State.SCHEDULED}, Duty.START),
        ({"wanted": Wanted.STOPPED}, Duty.STOP),
        ({"wanted": Wanted.STOPPED, "restart": 2}, Duty.STOP),
        ({"restart": 2}, Duty.RENEW),
        ({"restart": 1}, Duty.RUN),
        ({"state": State.SCHEDULED, "restart": 2}, Duty.RENEW),
        ({"state": State.PENDING}, Duty.KEEP),
        ({"state": State.COMPLETED}, Duty.REST),
        ({"state": State.FAILED}, Duty.REST),
        ({"node": "there"}, Duty.CLEAR),
        ({"node": "there", "state": State.PENDING}, Duty.CLEAR),
        ({"node": None, "state": State.PENDING}, Duty.KEEP),
        ({"wanted": Wanted.REMOVED}, Duty.CLEAR),
        ({"wanted": Wanted.REMOVED, "node": "there"}, Duty.CLEAR),
    ],
)
def test_each_record_asks_one_thing(changes: dict[str, object], duty: Duty) -> None:
    """A record read on this node asks exactly one thing of its agent."""
    assert duty_of(replace(HERE, **changes), "here") is duty  # type: ignore[arg-type]


def test_a_record_is_fulfilled_only_by_what_it_names() -> None:
    """A running task is as wanted only while its very container runs; an ended one only while none does."""
    done = replace(HERE, state=State.COMPLETED)
    unseen = replace(done, reason=Reason(Code.STOPPED_UNSEEN, "…"))
    assert is_done(HERE, "here", RUNNING)
    assert not is_done(HERE, "here", replace(RUNNING, id="other"))
    assert not is_done(HERE, "here", EXITED)
    assert not is_done(HERE, "here", None)
    assert is_done(done, "here", EXITED)
    assert not is_done(done, "here", RUNNING)
    assert not is_done(done, "here", None)
    assert not is_done(unseen, "here", EXITED)


def test_a_change_of_limits_is_fulfilled_once_it_is_told() -> None:
    """A list does not show limits: the container is looked at until the record has no change left to be told."""
    assert is_done(replace(HERE, resize=0), "here", RUNNING)
    assert not is_done(replace(HERE, resize=1), "here", RUNNING)
