"""What is asked while a real engine fetches an image: done at once, and the pull brings nothing back to life."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from manager_api import submission
from ormen.errors import TaskNotFound
from ormen.reasons import Code
from ormen.task import State, Task
from tests.contract.registry import Registry
from tests.integration.nodes import Harbour
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def registry(harbour: Harbour) -> Iterator[Registry]:
    """A registry whose repository ``slow`` stops half-way until it is released; no image of it is left."""
    found = Registry()
    yield found
    found.close()
    for image in harbour.docker.images(f"{found.address}/slow"):
        harbour.docker.remove_image(image["Id"], force=True)


@pytest.fixture
def pulling(harbour: Harbour, registry: Registry) -> Task:
    """A task whose image is being fetched."""
    harbour.node()
    task = harbour.run(state=State.SCHEDULED, image=f"{registry.address}/slow:1", command=None)
    wait_until(lambda: "pulling" in (harbour.task(task).detail or ""), what="for the pull")
    return task


def fetched(harbour: Harbour, registry: Registry) -> bool:
    """Whether the engine has the image."""
    return bool(harbour.docker.images(f"{registry.address}/slow"))


def test_a_stop_during_a_pull_is_done_at_once(harbour: Harbour, registry: Registry, pulling: Task) -> None:
    """It does not wait for the image, and when the image comes nothing is started."""
    submission.stop(harbour.deck, pulling)
    ended = harbour.until(pulling, State.COMPLETED)
    assert ended.reason is not None
    assert ended.reason.code is Code.STOPPED
    registry.released.set()
    again = harbour.run("other")
    assert again.state is State.RUNNING
    assert harbour.state_of(pulling) == "gone"


def test_a_removal_during_a_pull_leaves_nothing(harbour: Harbour, registry: Registry, pulling: Task) -> None:
    """Its record is gone while the registry still keeps the engine waiting."""
    submission.remove(harbour.deck, pulling, force=True)
    wait_until(lambda: harbour.store.read([pulling.id])[pulling.id] is None, what="for the record to end")
    with pytest.raises(TaskNotFound):
        harbour.store.find(pulling.id)
    assert harbour.state_of(pulling) == "gone"


def test_a_restart_during_a_pull_is_another_attempt(harbour: Harbour, registry: Registry, pulling: Task) -> None:
    """The attempt under way ends and the next one waits for the same image, which has one container in the end."""
    submission.restart(harbour.deck, pulling)
    harbour.until(pulling, State.PENDING)
    harbour.loops.place([pulling.id])
    assert harbour.task(pulling).attempt == 2
    registry.released.set()
    wait_until(lambda: fetched(harbour, registry), what="for the image")
    # The image holds no program, so the engine refuses it: the answer to attempt 2, never to attempt 1.
    refused = harbour.until(pulling, State.PENDING, attempt=2)
    assert [attempt.number for attempt in refused.attempts][:2] == [1, 2]
    assert refused.attempts[0].reason is not None
    assert refused.attempts[0].reason.code is Code.RESTARTED
