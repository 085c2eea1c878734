"""The agent as a process, on a real engine and a real Redis: what survives what."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import redis

from manager_api import submission
from ormen.local import tether
from ormen.local.redis import RunningRedis
from ormen.reasons import Code
from ormen.settings import Settings
from ormen.store.replies import Reply
from ormen.task import Health, State, Task
from tests.integration.nodes import Harbour
from tests.waiting import wait_until

MIB = 1024**2


def reason(task: Task) -> Code | None:
    return task.reason.code if task.reason else None


def test_a_task_runs_and_stops(harbour: Harbour) -> None:
    """A submitted task runs in Docker, and a stop ends it there before it says so."""
    harbour.node()
    task = harbour.run(stop_grace="5s")
    assert harbour.state_of(task) == "running"
    submission.stop(harbour.deck, task)
    ended = harbour.until(task, State.COMPLETED)
    assert (harbour.state_of(task), reason(ended), ended.exit_code) == ("exited", Code.STOPPED, 0)


def test_rm_leaves_nothing(harbour: Harbour) -> None:
    """A removed task's container goes, and its record with it."""
    harbour.node()
    task = harbour.run()
    submission.remove(harbour.deck, task, force=True)
    wait_until(lambda: harbour.store.read([task.id])[task.id] is None)
    assert harbour.state_of(task) == "gone"


def test_a_killed_agent_loses_nothing(harbour: Harbour) -> None:
    """After kill -9 of the agent its containers run on, and its successor takes over at once."""
    node = harbour.node()
    task = harbour.run()
    node.end(signal.SIGKILL)
    assert harbour.state_of(task) == "running"
    harbour.node()
    after = harbour.task(task)
    assert (after.state, after.attempt, after.container_id) == (State.RUNNING, 1, task.container_id)


def test_an_exit_while_no_agent_looked_is_judged_by_the_next(harbour: Harbour) -> None:
    """What a program did while its agent was dead is its own exit, with its own code."""
    node = harbour.node()
    task = harbour.run(restart="no")
    node.end(signal.SIGKILL)
    harbour.end_by(task, 3)
    wait_until(lambda: harbour.state_of(task) == "exited")
    harbour.node()
    ended = harbour.until(task, State.FAILED)
    assert (reason(ended), ended.exit_code) == (Code.EXIT, 3)


def test_a_kill_while_no_agent_looked_is_still_somebody_elses(harbour: Harbour) -> None:
    """A docker kill during the agent's absence is read from the engine's own memory."""
    node = harbour.node()
    task = harbour.run(restart="no")
    node.end(signal.SIGKILL)
    harbour.docker.kill(task.container_name)
    wait_until(lambda: harbour.state_of(task) == "exited")
    harbour.node()
    assert reason(harbour.until(task, State.PENDING)) is Code.INTERRUPTED


def test_a_crash_is_followed_by_a_new_attempt(harbour: Harbour) -> None:
    """A crash is reported with its code and last lines, and the next attempt runs."""
    harbour.node()
    task = harbour.run(command=["sh", "-c", "echo oh no; sleep 0.3; exit 7"])
    pending = harbour.until(task, State.PENDING)
    assert (reason(pending), pending.attempts[0].exit_code) == (Code.EXIT, 7)
    assert pending.attempts[0].log_tail == ("oh no",)
    harbour.loops.place([task.id])
    assert harbour.until(task, State.RUNNING, attempt=2).tries == 1


def test_a_program_that_has_done_its_work_is_completed(harbour: Harbour) -> None:
    """An exit 0 of the program's own, right after its start, completes the task."""
    harbour.node()
    task = harbour.run(command=["true"], state=State.COMPLETED)
    assert (task.exit_code, task.reason) == (0, None)


@pytest.mark.parametrize("how", ["kill", "stop", "rm -f"])
def test_what_somebody_does_behind_our_back_is_interrupted(harbour: Harbour, how: str) -> None:
    """A container that is killed, stopped or removed by hand gets a new attempt that spends nothing."""
    harbour.node()
    task = harbour.run(restart="no")
    subprocess.run(["docker", *how.split(), task.container_name], check=True, capture_output=True)
    pending = harbour.until(task, State.PENDING)
    assert (reason(pending), pending.tries) == (Code.INTERRUPTED, 0)


def test_a_check_makes_a_task_healthy(harbour: Harbour) -> None:
    """An HTTP check of a container that serves makes it healthy, asked at its own address."""
    harbour.node()
    serve = "mkdir /w; echo ok > /w/health; exec httpd -f -p 80 -h /w"
    task = harbour.run(command=["sh", "-c", serve], health={"http": ":80/health"})
    wait_until(lambda: harbour.task(task).health is Health.HEALTHY)


def test_a_failing_check_ends_the_attempt(harbour: Harbour) -> None:
    """A check that fails too often stops the container and spends a try."""
    harbour.node()
    check = {"tcp": 80, "grace": 0, "interval": "200ms", "retries": 2, "timeout": "1s"}
    task = harbour.run(health=check, stop_grace="1s")
    pending = harbour.until(task, State.PENDING)
    assert (reason(pending), pending.tries, harbour.state_of(task)) == (Code.HEALTH_TCP, 1, "exited")


def test_an_order_to_end_leaves_the_containers(harbour: Harbour) -> None:
    """SIGTERM ends the agent at once, and its containers run on."""
    node = harbour.node()
    task = harbour.run()
    assert node.end(signal.SIGTERM) == 0
    assert harbour.state_of(task) == "running"


def test_going_down_takes_the_containers_along(harbour: Harbour) -> None:
    """SIGUSR1 stops the containers; the tasks wait, still wanted, for the cluster's return."""
    node = harbour.node()
    task = harbour.run(stop_grace="2s")
    assert node.end(signal.SIGUSR1) == 0
    found = harbour.task(task)
    assert (found.state, reason(found), found.wanted.value) == (State.PENDING, Code.CLUSTER_DOWN, "running")
    assert harbour.state_of(task) == "gone"


def test_a_twin_on_the_same_host_is_refused(harbour: Harbour) -> None:
    """A second agent of the same node says who has the name, and ends with code 4."""
    first = harbour.node()
    twin = harbour.node(ready=False)
    assert twin.process.wait(20) == 4
    said = twin.log.read_text()
    assert f"error: the agent with pid {first.process.pid} on this host is node-1.  [NODE_TAKEN]" in said


def test_a_node_the_deck_does_not_list_is_refused(harbour: Harbour) -> None:
    """A node that is not in the deck's list says so and ends with code 6."""
    harbour.store.allow_nodes(["node-9"])
    assert harbour.node(ready=False).process.wait(20) == 6


def test_a_frozen_redis_changes_nothing(harbour: Harbour, redis_server: RunningRedis) -> None:
    """While Redis does not answer containers run on; an exit meanwhile is reported afterwards."""
    harbour.node()
    task = harbour.run(restart="no")
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        harbour.end_by(task, 5)
        wait_until(lambda: harbour.state_of(task) == "exited")
    finally:
        redis_server.process.send_signal(signal.SIGCONT)
    ended = harbour.until(task, State.FAILED)
    assert (reason(ended), ended.exit_code) == (Code.EXIT, 5)


def test_an_agent_outlives_redis(harbour: Harbour, redis_server: RunningRedis) -> None:
    """After Redis was killed and started again the agent consumes, and runs what it is given."""
    node = harbour.node()
    task = harbour.run()
    redis_server.process.kill()
    redis_server.process.wait()
    wait_until(lambda: "containers go on" in node.log.read_text())
    assert harbour.state_of(task) == "running"
    redis_server.process = subprocess.Popen(
        redis_server.plan.command, stdout=subprocess.DEVNULL, preexec_fn=tether.tether()
    )
    wait_until(redis_server.plan.answers)
    wait_until(lambda: harbour.store.node("node-1").takes_tasks, timeout_s=30)
    assert harbour.task(task).container_id == task.container_id
    assert harbour.run("second").state is State.RUNNING
    assert node.process.poll() is None


def test_a_log_is_streamed_to_whoever_asks(harbour: Harbour) -> None:
    """A request for a log is answered from the container, to its end."""
    harbour.node()
    task = harbour.run(command=["sh", "-c", "echo one; echo two; sleep 60"])
    options = {"tail": None, "follow": False, "timestamps": False, "since_s": None}
    asked = harbour.store.ask_nodes("logs", {"node-1": options}, task=task.id)["node-1"]
    submission.ring_node(harbour.deck, "node-1", [task.name])

    def said() -> list[Reply]:
        return harbour.store.replies([asked])[asked]

    wait_until(lambda: said() and said()[-1].kind == "end")
    assert "".join(reply.data for reply in said()) == "one\ntwo\n"


@contextmanager
def thief(settings: Settings, queue: str) -> Iterator[None]:
    """Take a queue's messages away: who has waited longest is served first, and an agent waits anew each second."""
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=None)
    over = threading.Event()

    def steal() -> None:
        while not over.is_set():
            client.brpop([queue], timeout=60)

    thread = threading.Thread(target=steal)
    thread.start()
    yield
    over.set()
    client.lpush(queue, "end")
    thread.join()
    client.close()


def test_a_deaf_agent_starts_itself_anew(harbour: Harbour) -> None:
    """An agent that hears nothing of its own queue, although it posts there, replaces itself under the same pid."""
    node = harbour.node()
    task = harbour.run()
    with thief(harbour.settings, "node.node-1"):
        wait_until(lambda: "starting anew" in node.log.read_text(), timeout_s=40)
    wait_until(lambda: node.log.read_text().count("joined") == 2 and harbour.joined(node, "node-1"))
    assert node.process.poll() is None
    assert harbour.run("second").state is State.RUNNING
    assert harbour.task(task).container_id == task.container_id


@pytest.mark.alone
def test_an_idle_agent_is_small(harbour: Harbour) -> None:
    """An agent that watches a few tasks takes at most 70 MB, and 3 % of a core."""
    node = harbour.node()
    for n in range(3):
        harbour.run(f"web-{n}")
    process = psutil.Process(node.process.pid)
    first, before = harbour.store.node("node-1").heartbeat_ms, process.cpu_times()
    wait_until(lambda: harbour.store.node("node-1").heartbeat_ms - first > 10_000)
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.3
    assert process.memory_full_info().pss < 70 * MIB
