"""What every runtime does, on the fake and on a real engine."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ormen.reasons import Code
from ormen.resolving import load
from ormen.task import Port
from tests.contract.bench import Bench
from worker_agent.docker_args import limits
from worker_agent.runtime import (
    Container,
    ContainerGone,
    EngineDown,
    ImageMissing,
    NameInUse,
    PlanRefused,
    PullRefused,
    RuntimeEvent,
    StartRefused,
    Stream,
)


def until(stream: Stream[RuntimeEvent], kind: str) -> list[RuntimeEvent]:
    """Return the events up to the first of `kind`."""
    found = []
    for event in stream:
        found.append(event)
        if event.type == kind:
            return found
    raise AssertionError("the stream ended")


def ended(bench: Bench, container_id: str) -> Container:
    """Return the container once it has exited: its event is what is waited for, then the state."""
    found = bench.runtime.inspect(container_id)
    while found is not None and not found.ended:
        found = bench.runtime.inspect(container_id)
    assert found is not None
    return found


def test_an_engine_says_who_it_is(bench: Bench) -> None:
    """An engine has an id, a processor in Go's word, and says since when it runs."""
    engine = bench.runtime.engine()
    assert engine.id
    assert engine.arch in ("amd64", "arm64")
    assert engine.cpus > 0
    assert engine.memory_bytes > 0
    assert engine.started_at == bench.runtime.engine().started_at


def test_created_is_not_running(bench: Bench) -> None:
    """A created container carries its plan's name and labels, and does not run."""
    container_id = bench.runtime.create(bench.plan(attempt=3))
    found = bench.runtime.inspect(container_id)
    assert found is not None
    assert (found.id, found.name, found.state) == (container_id, f"web.{bench.cluster}", "created")
    assert (found.task, found.attempt, found.node, found.cluster) == ("id-of-web", 3, "n1", bench.cluster)
    assert found.spec_hash == bench.plan().labels["ormen.spec"]
    assert not found.running
    assert not found.ended


def test_started_runs_and_has_an_address(bench: Bench) -> None:
    """A started container runs, with a process, an address and a time of start; starting it again is fine."""
    container_id = bench.started()
    bench.runtime.start(container_id)
    found = bench.runtime.inspect(container_id)
    assert found is not None
    assert found.running
    assert found.pid
    assert found.ip
    assert found.started_ms
    assert found.exit_code is None


def test_the_name_is_the_mutex(bench: Bench) -> None:
    """A second create under a name is refused, and hands over the container that has it."""
    container_id = bench.runtime.create(bench.plan())
    with pytest.raises(NameInUse, match=f"web.{bench.cluster}") as refusal:
        bench.runtime.create(bench.plan(attempt=2))
    assert refusal.value.reason.code is Code.NAME_TAKEN
    assert refusal.value.holder is not None
    assert refusal.value.holder.id == container_id


def test_something_else_is_done_while_it_creates(bench: Bench) -> None:
    """It is done once for a create, also where that is refused, and the container comes all the same."""
    done: list[bool] = []

    def look() -> None:
        done.append(bench.runtime.image_present(bench.image))

    found = bench.runtime.inspect(bench.runtime.create(bench.plan(), meanwhile=look))
    assert found is not None
    with pytest.raises(NameInUse):
        bench.runtime.create(bench.plan(attempt=2), meanwhile=look)
    assert (found.state, done) == ("created", [True, True])


def test_of_many_creates_at_once_one_wins(bench: Bench) -> None:
    """Eight threads that create the same name at once make one container."""
    outcomes: list[str] = []

    def create() -> None:
        try:
            bench.runtime.create(bench.plan())
            outcomes.append("made")
        except NameInUse:
            outcomes.append("taken")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["made"] + ["taken"] * 7


def test_a_missing_image_is_told_before_anything_exists(bench: Bench) -> None:
    """A create without its image is ImageMissing, and leaves no container behind."""
    with pytest.raises(ImageMissing, match="nosuch:1"):
        bench.runtime.create(bench.plan(image="nosuch:1"))
    assert bench.runtime.containers(bench.cluster) == []
    assert bench.runtime.image_present(bench.image)
    assert not bench.runtime.image_present("nosuch:1")


def test_too_little_memory_is_refused_at_create(bench: Bench) -> None:
    """A limit below Docker's minimum is CREATE_REFUSED with the engine's own words."""
    with pytest.raises(PlanRefused, match="Minimum memory limit") as refusal:
        bench.runtime.create(bench.plan(memory_limit_bytes=1024**2))
    assert refusal.value.reason.code is Code.CREATE_REFUSED


def test_a_running_container_is_given_other_limits(bench: Bench) -> None:
    """Also fewer, and none; one that is gone is fine, and too little memory is refused in the engine's own words."""
    container_id = bench.started(memory_limit_bytes=32 * 1024**2, cpu_limit_milli=500)
    spec = load({"image": "x", "memory": "64MiB", "cpu": 0.3})
    bench.runtime.resize(container_id, limits(spec))
    found = bench.runtime.inspect(container_id)
    assert found is not None
    assert found.running
    bench.runtime.resize("0" * 64, limits(spec))
    with pytest.raises(PlanRefused, match=r"refuses .* its new limits: Minimum memory limit"):
        bench.runtime.resize(container_id, {**limits(spec), "Memory": 1024**2, "MemorySwap": 1024**2})


def test_a_host_port_has_one_container(bench: Bench, free_port: int) -> None:
    """The second container with a host port is PORT_IN_USE, which names the port and the holder."""
    ports = (Port(80, free_port, "tcp", "127.0.0.1"),)
    bench.started("first", ports=ports)
    second = bench.runtime.create(bench.plan("second", ports=ports))
    with pytest.raises(StartRefused, match=f"port {free_port}/tcp .* container first.{bench.cluster}") as refusal:
        bench.runtime.start(second)
    assert refusal.value.reason.code is Code.PORT_IN_USE


def test_ports_are_those_of_the_plan(bench: Bench, free_port: int) -> None:
    """A running container shows its bindings, in the list and in full."""
    ports = (Port(80, free_port, "tcp", "127.0.0.1"),)
    container_id = bench.started(ports=ports)
    found = bench.runtime.inspect(container_id)
    assert found is not None
    assert found.ports == ports
    assert bench.runtime.containers(bench.cluster)[0].ports == ports


def test_a_start_of_what_is_gone_says_so(bench: Bench) -> None:
    """A container that was removed between create and start is StartRefused, for no fault of its own."""
    container_id = bench.runtime.create(bench.plan())
    bench.runtime.remove(container_id)
    with pytest.raises(StartRefused) as refusal:
        bench.runtime.start(container_id)
    assert refusal.value.reason.code is Code.INTERRUPTED


def test_an_own_exit_keeps_its_code(bench: Bench) -> None:
    """A program that ends by itself is exited with its code, in the list and in full, and has a time."""
    container_id = bench.started()
    bench.world.exit(container_id, 3)
    found = ended(bench, container_id)
    assert (found.state, found.exit_code, found.oom_killed) == ("exited", 3, False)
    assert found.finished_ms is not None
    assert found.started_ms is not None
    assert found.finished_ms >= found.started_ms
    assert [item.exit_code for item in bench.runtime.containers(bench.cluster)] == [3]


def test_a_stop_returns_when_it_has_exited(bench: Bench) -> None:
    """After stop the container is exited; stopping it again, or one that is gone, is fine."""
    container_id = bench.started()
    bench.runtime.stop(container_id, grace_s=5)
    found = bench.runtime.inspect(container_id)
    assert found is not None
    assert (found.state, found.exit_code) == ("exited", 0)
    bench.runtime.stop(container_id, grace_s=5)
    bench.runtime.remove(container_id)
    bench.runtime.stop(container_id, grace_s=5)


def test_removed_is_gone(bench: Bench) -> None:
    """A running container can be removed; then nothing is left, its name is free, and removing it again is fine."""
    container_id = bench.started()
    bench.runtime.remove(container_id)
    assert bench.runtime.inspect(container_id) is None
    assert bench.runtime.containers(bench.cluster) == []
    bench.runtime.remove(container_id)
    bench.runtime.create(bench.plan())


def test_a_removal_under_way_is_waited_for(bench: Bench) -> None:
    """Four threads that remove the same container at once all return, and it is gone for each."""
    container_id = bench.started()
    left: list[Container | None] = []

    def remove() -> None:
        bench.runtime.remove(container_id)
        left.append(bench.runtime.inspect(container_id))

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert left == [None] * 4


def test_a_cluster_sees_its_own_containers_only(bench: Bench) -> None:
    """The list holds every state of our cluster and nothing of another."""
    created = bench.runtime.create(bench.plan("a"))
    running = bench.started("b")
    states = {item.id: item.state for item in bench.runtime.containers(bench.cluster)}
    assert states == {created: "created", running: "running"}
    assert bench.runtime.containers("another") == []
    assert bench.cluster not in bench.runtime.others(bench.cluster)
    assert bench.runtime.others("another")[bench.cluster] == len(states)


def test_what_happens_is_told_in_order(bench: Bench) -> None:
    """A life from create to destroy is told by events that carry task, attempt, node and a growing time."""
    stream = bench.runtime.watch(bench.cluster)
    container_id = bench.started(attempt=2)
    bench.runtime.stop(container_id, grace_s=5)
    bench.runtime.remove(container_id)
    events = until(stream, "destroy")
    assert [event.type for event in events] == ["create", "start", "kill", "die", "stop", "destroy"]
    whose = {(event.task, event.attempt, event.node, event.container_id) for event in events}
    assert whose == {("id-of-web", 2, "n1", container_id)}
    assert [event.at_ns for event in events] == sorted({event.at_ns for event in events})
    assert (events[2].signal, events[3].exit_code) == (15, 0)


def test_a_kill_from_outside_shows_its_signal(bench: Bench) -> None:
    """A kill that is not ours is an event with its signal before the die with code 137."""
    stream = bench.runtime.watch(bench.cluster)
    bench.world.kill(bench.started())
    kill, die = until(stream, "die")[-2:]
    assert (kill.type, kill.signal, die.exit_code) == ("kill", 9, 137)


def test_events_can_be_had_again_from_a_time(bench: Bench) -> None:
    """A watch since an event gives what came after it and not the event itself."""
    stream = bench.runtime.watch(bench.cluster)
    container_id = bench.started()
    bench.world.exit(container_id, 0)
    events = until(stream, "die")
    again = bench.runtime.watch(bench.cluster, since=events[0].at_ns)
    assert until(again, "die") == events[1:]


def test_a_watch_ends_by_engine_down_when_closed(bench: Bench) -> None:
    """A thread that waits for events is released by close, with EngineDown."""
    stream = bench.runtime.watch(bench.cluster)
    ends: list[str] = []

    def wait() -> None:
        try:
            next(stream)
        except EngineDown as fault:
            ends.append(fault.reason.code)

    waiter = threading.Thread(target=wait)
    waiter.start()
    bench.runtime.close()
    waiter.join(10)
    assert ends == [Code.ENGINE_DOWN]


def test_the_last_lines_outlive_the_exit(bench: Bench) -> None:
    """The log's tail can be read after the end; of what is gone there is none."""
    container_id = bench.started()
    for word in ("one", "two", "three"):
        bench.world.say(container_id, word)
    bench.world.exit(container_id, 0)
    ended(bench, container_id)
    assert bench.runtime.log_tail(container_id, 2) == ("two", "three")
    bench.runtime.remove(container_id)
    assert bench.runtime.log_tail(container_id) == ()


def test_a_followed_log_ends_with_the_container(bench: Bench) -> None:
    """Following yields what is printed meanwhile, and ends at the exit."""
    container_id = bench.started()
    stream = bench.runtime.logs(container_id, follow=True)
    bench.world.say(container_id, "hello")
    assert next(stream) == b"hello\n"
    bench.world.exit(container_id, 0)
    assert list(stream) == []


def test_a_followed_log_can_be_closed_from_another_thread(bench: Bench) -> None:
    """A thread that waits for the next line is released by close."""
    stream = bench.runtime.logs(bench.started(), follow=True)
    waiter = threading.Thread(target=lambda: list(stream))
    waiter.start()
    stream.close()
    waiter.join(10)
    assert not waiter.is_alive()


def test_a_log_of_nothing_is_a_fault(bench: Bench) -> None:
    """Asking for the log of a container that is not there is ContainerGone."""
    with pytest.raises(ContainerGone):
        bench.runtime.logs("0" * 64)


def test_a_command_inside_is_good_when_it_exits_with_zero(bench: Bench) -> None:
    """A probe by command says HEALTH_COMMAND and the exit code; where nothing runs it fails."""
    container_id = bench.started()
    result = bench.runtime.probe_command(container_id, ("true",), timeout_s=5)
    assert (result.ok, result.code, result.status) == (True, Code.HEALTH_COMMAND, 0)
    bench.runtime.stop(container_id, grace_s=5)
    assert not bench.runtime.probe_command(container_id, ("true",), timeout_s=5).ok


def test_a_pull_of_nothing_is_refused(bench: Bench, absent_image: Callable[[Bench], str]) -> None:
    """An image that its registry does not have is PULL_NOT_FOUND, naming it."""
    image = absent_image(bench)
    with pytest.raises(PullRefused, match=image) as refusal:
        bench.runtime.pull(image)
    assert refusal.value.reason.code is Code.PULL_NOT_FOUND


def test_an_image_is_not_removed_while_a_container_has_it(bench: Bench) -> None:
    """Neither by its name nor by its id, whatever state the container is in, and it is told whose image is in use."""
    container_id = bench.started()
    bench.runtime.stop(container_id, grace_s=0)
    image = bench.runtime.image(bench.image)
    assert image is not None
    assert image.size_bytes > 0
    assert bench.image in image.names
    assert bench.runtime.image(image.id) == image
    assert image.id in bench.runtime.images_in_use()
    assert not bench.runtime.remove_image(bench.image)
    assert not bench.runtime.remove_image(image.id)
    assert bench.runtime.image_present(bench.image)


def test_what_is_gone_is_removed_already(bench: Bench) -> None:
    """No image and no volume of that name: nothing is left to do."""
    assert bench.runtime.image("ormen-nosuch:1") is None
    assert bench.runtime.remove_image("ormen-nosuch:1")
    assert bench.runtime.remove_volume("ormen-nosuch")
