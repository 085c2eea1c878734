"""From a record to a container and back: an agent on a fake engine and a real store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ormen.reasons import Code, Reason
from ormen.settings import Settings
from ormen.task import Health, Port, State
from tests.unit.agents import AgentBench, events_of
from worker_agent.fake_engine import Behaviour, Pace
from worker_agent.runtime import PlanRefused, StartRefused


@pytest.fixture
def bench(settings: Settings) -> Iterator[AgentBench]:
    """Give an agent that has joined and made its first pass."""
    made = AgentBench(settings)
    yield made
    made.close()


def code_of(bench: AgentBench, task_id: str) -> Code | None:
    reason = bench.task(task_id).reason
    return reason.code if reason else None


def test_a_scheduled_task_is_started_and_reported(bench: AgentBench) -> None:
    """A scheduled task becomes a running container under its fixed name and labels."""
    task = bench.running(ports=(Port(80, 8080),), health={"command": ["ok"]})
    container = bench.container(task)
    assert container is not None
    assert (task.state, task.container_id, task.health) == (State.RUNNING, container.id, Health.STARTING)
    assert (container.task, container.attempt, container.node) == (task.id, 1, "node-1")
    assert events_of(bench, task)[2:] == ["task.received", "task.running"]


def test_looking_twice_changes_nothing(bench: AgentBench) -> None:
    """A ring too many finds everything as wanted."""
    task = bench.running()
    assert bench.agent.controller.converge(task.id) == "running"
    assert bench.task(task.id) == task


def test_a_stop_is_completed_once_the_container_has_exited(bench: AgentBench) -> None:
    """A stop that was asked ends completed, with the exit code, and the reservation is given back."""
    task = bench.running()
    bench.deck.stop(task)
    bench.work()
    ended, container = bench.task(task.id), bench.container(task)
    assert container is not None
    assert (ended.state, code_of(bench, task.id), ended.exit_code) == (State.COMPLETED, Code.STOPPED, 0)
    assert (container.state, ended.seat) == ("exited", None)


def test_a_stop_before_the_start_needs_no_container(settings: Settings) -> None:
    """A stop while the image is still being fetched is done at once."""
    bench = AgentBench(settings, behaviour=Behaviour(images=set()))
    task = bench.submit()
    bench.agent.take()
    bench.agent.controller.converge(task.id)
    bench.deck.stop(task)
    assert bench.agent.controller.converge(task.id) == "stopped"
    bench.work()
    assert bench.task(task.id).state is State.COMPLETED
    assert bench.container(task) is None
    bench.close()


def test_a_missing_image_is_fetched_once_for_all_who_want_it(settings: Settings) -> None:
    """Tasks of one image share its pull, and each starts when it has come."""
    bench = AgentBench(settings, behaviour=Behaviour(images=set()))
    tasks = [bench.submit(f"web-{n}") for n in range(3)]
    assert [bench.agent.controller.converge(task.id) for task in tasks] == ["pulling"] * 3
    bench.work()
    assert [bench.task(task.id).state for task in tasks] == [State.RUNNING] * 3
    for task in tasks:
        assert events_of(bench, task)[2:] == ["task.received", "task.pulling", "task.pulled", "task.running"]
    bench.close()


def test_a_pull_ends_when_nobody_waits_for_it(settings: Settings) -> None:
    """The last task that waits is removed: the pull is left at its next progress; who comes later begins anew."""

    def pulling(_: float) -> None:
        bench.deck.remove(task, force=True)
        bench.work()

    bench = AgentBench(settings, behaviour=Behaviour(images=set(), pace=Pace(pull_s=1), sleep=pulling))
    task = bench.submit()
    bench.work()
    assert bench.deck.read([task.id])[task.id] is None
    assert bench.runtime.behaviour.images == set()
    bench.runtime.behaviour.sleep = lambda _: None
    assert bench.running("later").state is State.RUNNING
    bench.close()


@pytest.mark.parametrize(("pull", "code"), [("if-missing", Code.PULL_NOT_FOUND), ("never", Code.PULL_NOT_FOUND)])
def test_an_image_that_cannot_be_had_leaves_the_task_pending(settings: Settings, pull: str, code: Code) -> None:
    """A refused pull is no failure: the task waits, avoids the node, and spends no try."""
    bench = AgentBench(settings, behaviour=Behaviour(images=set(), remote=set()))
    task = bench.running(pull=pull, restart="no")
    assert (task.state, code_of(bench, task.id), task.tries) == (State.PENDING, code, 0)
    assert "node-1" in task.avoid
    bench.close()


def test_always_pulling_pulls_once_an_attempt(settings: Settings) -> None:
    """`pull: always` fetches an image that is there already, once for each attempt."""
    bench = AgentBench(settings)
    task = bench.running(pull="always")
    assert events_of(bench, task).count("task.pulled") == 1
    assert task.state is State.RUNNING
    bench.close()


def test_a_refused_start_leaves_no_container_behind(bench: AgentBench) -> None:
    """A container that could not be started is removed, so that its name blocks nothing."""
    bench.runtime.fail("start", StartRefused(Reason(Code.PORT_IN_USE, "Port 80 is taken.")))
    task = bench.running()
    assert (task.state, code_of(bench, task.id)) == (State.PENDING, Code.PORT_IN_USE)
    assert bench.container(task) is None


def test_a_refused_create_is_told(bench: AgentBench) -> None:
    """What the engine will not create is the task's reason."""
    bench.runtime.fail("create", PlanRefused(Reason(Code.CREATE_REFUSED, "No.")))
    assert code_of(bench, bench.running().id) is Code.CREATE_REFUSED


def test_an_engine_that_is_down_hands_the_task_back(bench: AgentBench) -> None:
    """A create that nothing answers has started nothing: the task goes elsewhere at once."""
    task = bench.submit()
    bench.runtime.go_down()
    bench.work()
    assert (bench.task(task.id).state, code_of(bench, task.id)) == (State.PENDING, Code.ENGINE_DOWN)


def test_an_agent_that_died_before_its_report_adopts_its_container(bench: AgentBench) -> None:
    """A container that runs already under the task's name is taken over, not started twice."""
    task = bench.running()
    before = bench.container(task)
    bench.deck.client.hset(bench.deck.keys.task(task.id), "state", "scheduled")
    bench.agent.controller.converge(task.id)
    assert bench.container(task) == before
    assert events_of(bench, task)[-2:] == ["task.adopted", "task.running"]


def test_a_higher_number_on_the_container_lifts_the_record(bench: AgentBench) -> None:
    """After Redis came back with an older file, the attempt's number never goes down."""
    task = bench.running()
    for _ in range(2):
        bench.runtime.kill(task.container_name)
        bench.hear()
        bench.assign(task.id)
        bench.work()
    bench.deck.client.hset(bench.deck.keys.task(task.id), mapping={"state": "scheduled", "attempt": "1"})
    bench.agent.controller.converge(task.id)
    assert (bench.task(task.id).state, bench.task(task.id).attempt) == (State.RUNNING, 3)


def test_a_foreign_container_with_the_name_is_never_touched(bench: AgentBench) -> None:
    """A container that is not ours keeps its name, and the task is refused."""
    task = bench.running()
    bench.runtime.exit(task.container_name, 1)
    foreign = bench.container(task)
    assert foreign is not None
    bench.runtime.change(foreign, cluster="another")
    bench.hear()
    bench.assign(task.id)
    bench.work()
    assert code_of(bench, task.id) is Code.NAME_TAKEN
    assert bench.runtime.inspect(foreign.id) is not None


@pytest.mark.parametrize(("policy", "state"), [("on-failure", State.COMPLETED), ("always", State.PENDING)])
def test_an_own_exit_is_reported_when_it_is_heard(bench: AgentBench, policy: str, state: State) -> None:
    """An exit 0 of the program's own completes a task, unless its policy says always."""
    task = bench.running(restart=policy)
    bench.runtime.exit(task.container_name, 0)
    bench.hear()
    assert bench.task(task.id).state is state


def test_a_crash_is_followed_by_a_new_attempt_in_a_new_container(bench: AgentBench) -> None:
    """The next attempt replaces the exited container, and the last lines of the former stay on record."""
    task = bench.running()
    bench.runtime.say(task.container_name, "oh no")
    bench.runtime.exit(task.container_name, 3)
    bench.hear()
    bench.assign(task.id)
    bench.work()
    fresh = bench.task(task.id)
    assert (fresh.state, fresh.attempt, fresh.tries) == (State.RUNNING, 2, 1)
    assert fresh.container_id != task.container_id
    assert (fresh.attempts[0].exit_code, fresh.attempts[0].log_tail) == (3, ("oh no",))


def test_a_container_that_ended_before_its_start_was_reported_makes_both_transitions(bench: AgentBench) -> None:
    """An exit seen first reports the start as well, so that the events are in order."""
    task = bench.running()
    bench.deck.client.hset(bench.deck.keys.task(task.id), "state", "scheduled")
    bench.runtime.exit(task.container_name, 1)
    bench.hear()
    assert bench.task(task.id).state is State.PENDING
    assert events_of(bench, task)[-2:] == ["task.running", "task.pending"]


def test_a_removed_container_is_interrupted(bench: AgentBench) -> None:
    """`docker rm -f` behind our back is a new attempt that spends nothing."""
    task = bench.running(restart="no")
    bench.runtime.remove(task.container_id or "")
    bench.hear()
    found = bench.task(task.id)
    assert (found.state, code_of(bench, task.id), found.tries) == (State.PENDING, Code.INTERRUPTED, 0)


def test_a_pause_by_another_hand_is_told_and_left(bench: AgentBench) -> None:
    """A container that somebody paused stays the task's; the record and one event say so, also of its going on."""
    task = bench.running()
    bench.runtime.pause(task.container_name)
    bench.hear()
    bench.sync()
    paused = bench.task(task.id)
    assert (paused.state, paused.paused_ms is not None, paused.container_id) == (State.RUNNING, True, task.container_id)
    bench.runtime.unpause(task.container_name)
    bench.hear()
    bench.sync()
    assert bench.task(task.id).paused_ms is None
    assert events_of(bench, task)[-2:] == ["task.paused", "task.unpaused"]


def test_a_pause_while_no_agent_looked_is_told_by_the_next(bench: AgentBench) -> None:
    """A successor finds what was paused and what goes on again, and tells each once."""
    task = bench.running()
    for act, told in ((bench.runtime.pause, True), (bench.runtime.unpause, False)):
        act(task.container_name)
        for instance in ("i2", "i3"):
            bench.agent = bench.new_agent(f"{instance} {told}")
            bench.agent.lanes.drain()
            assert (bench.task(task.id).paused_ms is not None) is told
    assert events_of(bench, task)[-2:] == ["task.paused", "task.unpaused"]


def test_a_paused_container_that_is_adopted_is_told(bench: AgentBench) -> None:
    """An agent that died before its report takes a paused container over, and says that it is paused."""
    task = bench.running()
    bench.runtime.pause(task.container_name)
    bench.hear()
    bench.lose(task)
    bench.assign(task.id)
    bench.work()
    bench.sync()
    found = bench.task(task.id)
    assert (found.state, found.attempt, found.paused_ms is not None) == (State.RUNNING, 2, True)


def test_a_restart_ends_the_attempt_and_keeps_the_seat(bench: AgentBench) -> None:
    """A restart that was asked stops this attempt; the task is pending and keeps its place here."""
    task = bench.running()
    bench.deck.restart(task)
    bench.work()
    found = bench.task(task.id)
    assert (found.state, code_of(bench, task.id), found.seat) == (State.PENDING, Code.RESTARTED, "node-1")
    assert bench.container(task) is None


def test_a_tombstone_removes_the_container_and_ends_the_record(bench: AgentBench) -> None:
    """`rm --force` removes the container, and the record goes once that is confirmed."""
    task = bench.running()
    bench.deck.remove(task, force=True)
    bench.work()
    assert bench.container(task) is None
    assert bench.deck.read([task.id])[task.id] is None


def test_a_superseded_container_is_removed_and_confirmed(bench: AgentBench) -> None:
    """A container whose task another node has is removed, as the record says so."""
    task = bench.running()
    bench.lose(task)
    bench.join_other("node-2")
    bench.assign(task.id, node="node-2")
    assert bench.agent.controller.converge(task.id) == "removed"
    assert bench.container(task) is None
    assert bench.agent.station.store.held("node-1") == []


def test_a_pending_task_keeps_its_container_until_a_newer_attempt(bench: AgentBench) -> None:
    """A node that returns keeps the container of a task that waits, and the next attempt here adopts it."""
    task = bench.running()
    bench.lose(task)
    bench.agent.controller.converge(task.id)
    before = bench.container(task)
    assert before is not None
    assert before.running
    bench.assign(task.id)
    bench.work()
    assert bench.container(task) == before
    assert (bench.task(task.id).state, bench.task(task.id).attempt) == (State.RUNNING, 2)


def test_a_stop_unseen_is_made_good_and_confirmed(bench: AgentBench) -> None:
    """A task that was stopped while its node was lost is stopped and confirmed when the node is back."""
    task = bench.running()
    bench.lose(task)
    bench.deck.stop(bench.task(task.id))
    bench.work()
    assert bench.container(task) is None
    assert bench.agent.station.store.held("node-1") == []


def test_going_down_stops_the_containers_and_keeps_the_wish(bench: AgentBench) -> None:
    """`down` stops every container; the tasks are pending with CLUSTER_DOWN and still wanted."""
    task = bench.running()
    bench.agent.controller.going_down = True
    bench.agent.controller.take_down(task.id)
    bench.work()
    found = bench.task(task.id)
    assert (found.state, code_of(bench, task.id), found.wanted.value) == (State.PENDING, Code.CLUSTER_DOWN, "running")
    assert bench.container(task) is None


def test_late_news_changes_nothing(bench: AgentBench) -> None:
    """What an older attempt reports is dropped, and the task is looked at again."""
    task = bench.running()
    bench.deck.client.hset(bench.deck.keys.task(task.id), "attempt", "2")
    before = bench.task(task.id)
    bench.agent.controller.end_unhealthy(task.id, attempt=1, reason=Reason(Code.HEALTH_HTTP, "…"))
    bench.agent.lanes.drain()
    assert bench.task(task.id).state is before.state
    assert bench.container(task) is not None


def test_a_start_that_comes_too_late_is_looked_at_by_the_next_pass(
    bench: AgentBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that was taken from the node and given back while its container started runs though no ring arrives."""
    task, start = bench.submit(), bench.runtime.start

    def taken_meanwhile(container_id: str) -> None:
        start(container_id)
        bench.lose(task)
        bench.assign(task.id)
        bench.deck.client.delete(bench.deck.keys.inbox(bench.node))

    monkeypatch.setattr(bench.runtime, "start", taken_meanwhile)
    bench.agent.take()
    bench.agent.lanes.drain()
    bench.sync()
    assert (bench.task(task.id).state, bench.task(task.id).attempt) == (State.RUNNING, 2)
