"""Lesson 8. Interrupted is not exited: an end that somebody else caused says nothing about the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from ormen.reasons import Code, Reason
from ormen.task import State
from tests.fundamentals.world import World, code_of
from worker_agent.kernel_kills import KernelKills


@pytest.mark.parametrize("policy", ["no", "on-failure", "always"])
def test_a_kill_from_outside_is_followed_by_a_new_attempt(world: World, policy: str) -> None:
    """Under every policy: the program did not choose to end, so no try is spent."""
    sailor = world.sailor("node-1")
    task = world.run(restart=policy)
    sailor.engine.kill(task.container_name)
    again = world.settle(task)
    assert (again.state, again.attempt, again.tries) == (State.RUNNING, 2, 0)
    first = again.attempts[0].reason
    assert first is not None
    assert (first.code, "SIGKILL" in first.sentence) == (Code.INTERRUPTED, True)


def test_an_engine_that_stops_completes_nothing(world: World) -> None:
    """Stopping the engine leaves "Exited (0)" on every container: read as an exit it would end every task."""
    sailor = world.sailor("node-1")
    task = world.run()
    sailor.restart_engine()
    again = world.settle(task)
    assert (again.state, again.attempt, again.tries) == (State.RUNNING, 2, 0)


def test_a_container_removed_behind_our_back_was_interrupted(world: World) -> None:
    """What is gone left no exit code; the task is still wanted."""
    sailor = world.sailor("node-1")
    task = world.run(restart="no")
    sailor.engine.remove(task.container_name)
    again = world.settle(task)
    assert (again.state, again.attempt) == (State.RUNNING, 2)


def test_our_own_stop_is_no_interruption(world: World) -> None:
    """The agent knows which signals it sent: a stop that was asked for ends the task."""
    world.sailor("node-1")
    task = world.run(restart="always")
    world.store.stop(task)
    done = world.settle(task)
    assert (done.state, code_of(done)) == (State.COMPLETED, Code.STOPPED)


def test_a_stop_of_ours_that_was_not_reported_completes_nothing(world: World) -> None:
    """Redis goes away between the end of a sick container and the news of it: it stopped well, and is still wanted."""
    sailor = world.sailor("node-1")
    task = world.run(health={"command": ["check"]})
    stop = sailor.engine.stop

    def stop_and_be_cut_off(container_id: str, *, grace_s: float) -> None:
        stop(container_id, grace_s=grace_s)
        sailor.lose_redis()

    sailor.engine.stop = stop_and_be_cut_off  # type: ignore[method-assign]
    sailor.agent.controller.end_unhealthy(task.id, attempt=1, reason=Reason(Code.HEALTH_COMMAND, "It is sick."))
    sailor.agent.lanes.drain()
    sailor.engine.stop = stop  # type: ignore[method-assign]
    sailor.listen()
    sailor.find_redis()
    first = world.settle(task).attempts[0]
    assert first.reason is not None
    assert "its agent stopped it" in first.reason.sentence


def test_a_container_killed_for_want_of_memory_failed_by_itself(world: World) -> None:
    """The kernel ended it for what it did, so that spends a try, and the reason names the limit."""
    sailor = world.sailor("node-1")
    task = world.run(restart="no", memory="64MiB")
    sailor.engine.oom(task.container_name)
    failed = world.settle(task)
    assert (failed.state, code_of(failed)) == (State.FAILED, Code.OOM)
    assert failed.reason is not None
    assert "64 MiB" in failed.reason.sentence


def test_the_engines_word_of_an_oom_counts_before_its_mark(world: World) -> None:
    """The event of the kill for memory is evidence by itself, should the engine mark the container later."""
    sailor = world.sailor("node-1")
    task = world.run(restart="no", memory="64MiB")
    found = sailor.container(task)
    assert found is not None
    sailor.engine.tell(found, "oom")
    sailor.engine.exit(found.id, 137)
    assert code_of(world.settle(task)) is Code.OOM


@pytest.mark.parametrize(
    ("memory", "kills", "code"), [("64MiB", 1, Code.OOM), ("64MiB", 0, Code.EXIT), (None, 1, Code.EXIT)]
)
def test_a_kill_that_only_the_kernel_counted_is_an_oom(
    world: World, tmp_path: Path, memory: str | None, kills: int, code: Code
) -> None:
    """The engine may miss the kill; an end by SIGKILL under a limit is an OOM if the kernel has counted one."""
    sailor = world.sailor("node-1")
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("oom_kill 5\n")
    sailor.agent.station.evidence.kills = KernelKills(vmstat)
    task = world.run(restart="no", **({"memory": memory} if memory else {}))
    vmstat.write_text(f"oom_kill {5 + kills}\n")
    sailor.engine.exit(task.container_name, 137)
    assert code_of(world.settle(task)) is code
