"""Whoever acts while an agent is at work, and at whatever moment: the end is the one that was wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile
from random import Random

import pytest

from manager_api import submission
from ormen.reasons import Code
from ormen.schema import resolve
from ormen.settings import Settings
from ormen.task import State, Task, Wanted
from tests.fundamentals.world import World, code_of
from tests.races.moments import Races, gone, wishes
from worker_agent import judgement
from worker_agent.judgement import End

MOST_MOMENTS = 60
"""No flow makes so many calls: beyond them a flow would go round in circles."""


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """A deck on an empty store."""
    made = World(settings)
    yield made
    made.close()


def start(races: Races) -> Task:
    """A task is submitted; its agent has not looked yet."""
    return races.world.submit(restart="always", ports=[{"container": 80, "host": 8080}])


def pull(races: Races) -> Task:
    """A task is submitted whose image is not there."""
    return races.world.submit(restart="always", image="far/away:1")


def crash(races: Races) -> Task:
    """A task's container has ended by itself."""
    task = races.world.settle(start(races))
    races.first.engine.exit(task.container_name, 1)
    return task


def running(verb: str) -> Callable[[Races], Task]:
    """A task runs, and something is asked of it."""

    def begin(races: Races) -> Task:
        task = races.world.settle(start(races))
        wishes(races, task)[verb]()
        return task

    return begin


FLOWS = {
    "start": start,
    "pull": pull,
    "crash": crash,
    **{verb: running(verb) for verb in ("stop", "remove", "restart", "drain")},
}
ACTS = ("stop", "remove", "restart", "drain", "loss", "twin", "exit", "kill", "rm", "engine")


def work(races: Races) -> None:
    """Let the watched agent do what there is to do."""
    races.first.look_into_inbox()
    races.first.listen()
    races.first.look_at_everything()


def race(world: World, flow: str, act: str, *, moment: int) -> bool:
    """Let the act come before call number `moment` of the flow; return whether there was such a call."""
    world.store.client.flushdb()
    world.sailors.clear()
    races = Races(world)
    task = FLOWS[flow](races)
    races.second_node()
    races.moments.arm(moment, lambda: gone(wishes(races, task)[act]))
    work(races)
    reached = races.moments.count >= moment
    assert races.verdict(task) == [], f"{act} before call {moment} of {flow}: {world.story(task)}"
    return reached


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("flow", FLOWS)
def test_an_act_at_any_moment_of_a_flow(world: World, flow: str, act: str) -> None:
    """Before each single call of the flow somebody else acts; one container is left where one is wanted, else none."""
    moments = list(takewhile(lambda moment: race(world, flow, act, moment=moment), range(1, MOST_MOMENTS)))
    assert 5 <= len(moments) < MOST_MOMENTS - 1


def late_exit(races: Races, task: Task) -> Task:
    """Report that the task exited with 1, by an agent that has read the record before anything was asked."""
    before = replace(races.world.now(task), wanted=Wanted.RUNNING, restart=0)
    end = End("c", 1, ran_s=1.0)
    assert races.first.store.report(judgement.exited(before, resolve(before.spec), end, Random(1))).accepted
    return races.world.now(task)


def test_a_stop_that_comes_with_a_crash_ends_the_task(world: World) -> None:
    """A stop asked while the agent judges an exit that would be tried again: completed, and the seat is free."""
    races = Races(world)
    task = crash(races)
    submission.stop(world.deck, world.now(task))
    now = late_exit(races, task)
    assert (now.state, code_of(now), now.seat) == (State.COMPLETED, Code.STOPPED, None)


def test_a_restart_that_comes_during_a_stop_starts_the_task_again(world: World) -> None:
    """What is wanted last counts: the stop under way ends the attempt, and the next one follows."""
    races = Races(world)
    task = world.settle(start(races))
    submission.stop(world.deck, world.now(task))
    assert submission.restart(world.deck, world.now(task)).wanted is Wanted.RUNNING
    again = world.settle(task)
    assert (again.state, again.attempt) == (State.RUNNING, 2)


def test_a_restart_that_comes_with_the_end_starts_the_task_again(world: World) -> None:
    """A restart asked while the agent judges an exit that would be the last: pending, and the name is kept."""
    races = Races(world)
    task = world.run(restart="no")
    submission.restart(world.deck, world.now(task))
    now = late_exit(races, task)
    assert (now.state, code_of(now)) == (State.PENDING, Code.RESTARTED)
    assert world.store.find("web").id == task.id
