"""What only the fake can do: scripted faults, drawn failures and times, an engine that goes and comes."""

from __future__ import annotations

import random
import threading

import pytest

from ormen.reasons import Code, Reason
from tests.contract.bench import Bench, FakeWorld
from worker_agent.fake_runtime import Behaviour, FakeRuntime, Pace
from worker_agent.runtime import EngineDown, EngineHung, Runtime, RuntimeEvent, StartRefused

HUNG = EngineHung(Reason(Code.ENGINE_HUNG, "Docker does not answer in time."))


def bench_of(behaviour: Behaviour) -> tuple[FakeRuntime, Bench]:
    world = FakeWorld("busybox:1")
    world.runtime = FakeRuntime(behaviour)
    return world.runtime, Bench(world, "busybox:1", "c1")


def test_both_engines_are_runtimes() -> None:
    """The fake is accepted wherever a runtime is asked for; the type checker reads this line."""
    runtime: Runtime = FakeRuntime()
    assert runtime.containers("c1") == []


def test_a_scripted_fault_comes_as_often_as_told() -> None:
    """The next so many calls raise the fault; after that the operation works."""
    runtime, bench = bench_of(Behaviour())
    runtime.fail("create", HUNG, times=2)
    for _ in range(2):
        with pytest.raises(EngineHung):
            runtime.create(bench.plan())
    assert runtime.create(bench.plan())


def test_failures_are_drawn_alike_for_a_seed() -> None:
    """A failure rate refuses about that share of starts, the same ones for the same seed."""

    def refused(seed: int) -> list[int]:
        runtime, bench = bench_of(Behaviour(failure_rate=0.3, seed=seed))
        found = []
        for number in range(200):
            try:
                runtime.start(runtime.create(bench.plan(f"t{number}")))
            except StartRefused:
                found.append(number)
        return found

    assert refused(7) == refused(7) != refused(8)
    assert 35 <= len(refused(7)) <= 85


def test_times_are_drawn_and_slept_outside_the_lock() -> None:
    """Starts take times around their median, by the given sleep, during which the engine answers others."""
    slept: list[float] = []
    runtime, bench = bench_of(Behaviour(pace=Pace(start_s=0.3), sleep=slept.append))
    for number in range(101):
        runtime.start(runtime.create(bench.plan(f"t{number}")))
    assert len(set(slept)) == 101
    assert 0.25 < sorted(slept)[50] < 0.35


def test_an_engine_that_went_down_keeps_its_containers() -> None:
    """While down every call and every watch is EngineDown; afterwards the containers run still."""
    runtime, bench = bench_of(Behaviour())
    container_id = bench.started()
    stream = runtime.watch("c1")
    runtime.go_down()
    for call in (runtime.engine, lambda: runtime.containers("c1"), lambda: next(stream)):
        with pytest.raises(EngineDown):
            call()
    runtime.come_back()
    found = runtime.inspect(container_id)
    assert found is not None
    assert found.running


def test_a_restarted_engine_leaves_exits_without_events() -> None:
    """After a restart what ran is exited with 0, nobody was told, and the engine says another start."""
    runtime, bench = bench_of(Behaviour())
    before = runtime.engine().started_at
    container_id = bench.started()
    runtime.go_down()
    runtime.come_back(restarted=True)
    found = runtime.inspect(container_id)
    assert found is not None
    assert (found.state, found.exit_code) == ("exited", 0)
    assert runtime.engine().started_at != before


def test_out_of_memory_is_told() -> None:
    """A kill by the kernel is an oom event before the die, and marks the container."""
    runtime, bench = bench_of(Behaviour())
    container_id = bench.started()
    stream = runtime.watch("c1")
    runtime.oom(container_id)
    assert [next(stream).type for _ in range(2)] == ["oom", "die"]
    found = runtime.inspect(container_id)
    assert found is not None
    assert (found.oom_killed, found.exit_code) == (True, 137)


def test_a_scripted_command_answers_as_told() -> None:
    """A program inside ends by the status that it was given."""
    runtime, bench = bench_of(Behaviour())
    container_id = bench.started()
    runtime.answer_command(container_id, "pg_isready", status=2, output="no")
    result = runtime.probe_command(container_id, ("pg_isready",), timeout_s=1)
    assert (result.ok, result.status, result.sentence) == (False, 2, 'pg_isready exited with 2 "no"')


def test_many_threads_lose_no_event() -> None:
    """Twenty threads that run containers at once give every watcher each event once, in order of time."""
    runtime, bench = bench_of(Behaviour())
    stream = runtime.watch("c1")

    def live(number: int) -> None:
        container_id = bench.started(f"t{number}")
        runtime.exit(container_id, 0)
        runtime.remove(container_id)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(20)]
    random.Random(1).shuffle(threads)
    for thread in threads:
        thread.start()
    events: list[RuntimeEvent] = [next(stream) for _ in range(20 * 4)]
    for thread in threads:
        thread.join(10)
    times = [event.at_ns for event in events]
    assert times == sorted(set(times))
    assert {event.type for event in events} == {"create", "start", "die", "destroy"}
