"""What a cluster lives through: killed parts, lost nodes, containers taken away, down and up, and a neighbour."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.living import ORMEN, Cluster, fetch, free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("living-journey")]

PARTS = ("redis", "deck", "control", "beat", "node-1", "node-2", "node-3")


@pytest.fixture
def lone(echo_image: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of one sailor that a test may take down, and of which nothing is left afterwards."""
    found = Cluster(tmp_path / "state", free_port(), ("--no-flower", "--sailors", "1"))
    try:
        found.up()
        yield found
    finally:
        if found.state.exists() and not found.processes():
            with contextlib.suppress(AssertionError):
                found.up()  # or its containers would be nobody's
        found.end()


def redis_url(cluster: Cluster) -> str:
    """Return the address of a cluster's own Redis, by which further agents may join it."""
    config = (cluster.state / "redis" / "redis.conf").read_text()
    told = dict(line.split(" ", 1) for line in config.splitlines() if line.startswith(("port", "requirepass")))
    return f"redis://:{told['requirepass']}@127.0.0.1:{told['port']}/0"


def state_of(cluster: Cluster, name: str) -> str | None:
    """Return the state of a node, or None while it has not joined."""
    return next((node["state"] for node in cluster.get("/v1/nodes")["items"] if node["name"] == name), None)


def test_a_container_removed_behind_its_back_is_replaced(cluster: Cluster) -> None:
    """`docker rm -f`: a new attempt at once, spending no try, and the event says who did it."""
    task = cluster.run(name="gone", restart="no")
    (container,) = cluster.containers(task["id"])
    container.remove(force=True)
    again = cluster.until("gone", lambda record: record["attempt"] == 2 and record["state"] == "running")
    assert (again["restarts"], again["container_id"] != container.id) == (0, True)
    event = next(event for event in cluster.events("gone") if event["type"] == "task.pending")
    assert event["reason"]["code"] == "INTERRUPTED"


def test_a_stop_by_another_hand_is_an_interruption(cluster: Cluster) -> None:
    """`docker stop` is not the program's own exit 0: the task runs again."""
    task = cluster.run(name="stopped")
    cluster.containers(task["id"])[0].stop(timeout=5)
    again = cluster.until("stopped", lambda record: record["attempt"] == 2 and record["state"] == "running")
    assert again["restarts"] == 0


def test_a_killed_agent_adopts_its_containers(cluster: Cluster) -> None:
    """After kill -9 the same containers run on, under the same attempt, and the new agent obeys for them."""
    task = cluster.run(name="kept")
    before = cluster.container(task["id"])["State"]
    cluster.kill(task["node"])
    wait_until(cluster.is_ready, timeout_s=30, what="for the agent to be back")
    kept = cluster.task("kept")
    assert (kept["state"], kept["attempt"], kept["container_id"]) == ("running", 1, task["container_id"])
    assert cluster.container(task["id"])["State"]["StartedAt"] == before["StartedAt"]
    assert cluster.ormen("stop", "kept").code == 0


def test_an_exit_while_the_agent_is_away_is_seen_afterwards(cluster: Cluster) -> None:
    """A program that ends between two lives of its agent is judged by the next one."""
    task = cluster.run(
        name="short", entrypoint=["sh", "-c", "until test -e /end; do sleep 0.05; done; exit 4"], restart="no"
    )
    agent = cluster.child(task["node"])
    (container,) = cluster.containers(task["id"])
    agent.suspend()
    container.exec_run(["touch", "/end"])
    container.wait()
    agent.kill()
    failed = cluster.until("short", lambda record: record["state"] == "failed", timeout_s=30)
    assert (failed["exit_code"], failed["reason"]["code"]) == (4, "EXIT")


def test_every_part_that_is_killed_comes_back(cluster: Cluster) -> None:
    """All at once by kill -9: the cluster heals by itself, and what ran has never stopped."""
    task = cluster.run(name="steady")
    started = cluster.container(task["id"])["State"]["StartedAt"]
    cluster.kill(*PARTS)
    wait_until(cluster.answers, timeout_s=40, what="for the deck to be ready")
    wait_until(cluster.is_ready, timeout_s=40, what="for the nodes to be ready")
    assert cluster.task("steady")["state"] == "running"
    assert cluster.container(task["id"])["State"]["StartedAt"] == started
    assert cluster.run()["state"] == "running"


def test_down_and_up_keeps_tasks_and_starts_them_again(lone: Cluster) -> None:
    """Down stops the containers; up runs the same tasks again, and leaves the stopped ones stopped."""
    port = free_port()
    lone.run(name="web", ports=[{"container": 7777, "host": port}])
    lone.run(name="old")
    lone.ormen("stop", "old")
    down = lone.down()
    again = f"1 task is kept; ormen up --state-dir {lone.state} starts it again."
    assert (down.code, again in down.err) == (0, True), down
    assert [container.name for container in lone.containers() if container.status == "running"] == []
    assert lone.processes() == []
    lone.up()
    web = lone.until("web", lambda record: record["state"] == "running", timeout_s=40)
    assert (web["attempt"], lone.task("old")["state"]) == (2, "completed")
    assert "Hello" in fetch(port)


def test_containers_outlive_a_killed_up_and_are_adopted_by_the_next(lone: Cluster) -> None:
    """Kill -9 of `up` ends every process and no container; the next `up` takes the container over."""
    task = lone.run(name="outlives")
    up = int((lone.state / "run.json").read_text().split('"pid": ')[1].split(",")[0])
    os.kill(up, signal.SIGKILL)
    wait_until(lambda: not lone.processes(), what="for the children to end")
    assert lone.container(task["id"])["State"]["Running"]
    lone.up()
    kept = lone.until("outlives", lambda record: record["state"] == "running", timeout_s=40)
    assert (kept["attempt"], kept["container_id"]) == (1, task["container_id"])
    assert len(lone.containers(task["id"])) == 1


def test_two_clusters_never_touch_each_others_containers(cluster: Cluster, lone: Cluster) -> None:
    """The same name, and even the same id, in both: each has its own container, and down of one leaves the other."""
    mine = cluster.run(name="twin")
    other = lone.run(name="twin", id=mine["id"])
    assert mine["container_name"] != other["container_name"]
    before = cluster.container(mine["id"])["State"]["StartedAt"]
    assert lone.down("--purge", "-y").code == 0
    assert lone.containers() == []
    assert cluster.container(mine["id"])["State"]["StartedAt"] == before
    assert cluster.task("twin")["state"] == "running"


def test_a_second_up_in_the_same_folder_is_refused(cluster: Cluster) -> None:
    """It names who runs it and the two remedies, exits with 4, and changes nothing."""
    done = cluster.ormen("up", "--detach", "--state-dir", str(cluster.state), "--no-flower")
    assert (done.code, "already runs from" in done.err, "--state-dir" in done.err) == (4, True, True), done
    assert cluster.is_ready()


def test_a_second_agent_of_the_same_name_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """On the same engine the living agent keeps its name; the twin exits with 4 and says whose it is."""
    env = {"ORMEN_REDIS_URL": redis_url(cluster), "ORMEN_STATE_DIR": str(tmp_path)}
    twin = Cluster(tmp_path / "twin", cluster.port, env=env)
    done = twin.ormen("sailor", "--name", "node-1", "-p", str(free_port()), timeout=40)
    assert (done.code, "[NODE_TAKEN]" in done.err, "--name" in done.err) == (4, True, True), done
    assert cluster.is_ready()


def test_status_answers_within_a_quarter_of_a_second(cluster: Cluster) -> None:
    """The best of ten calls: a machine that is busy with other tests says nothing about the command."""
    import time

    took = []
    for _ in range(10):
        began = time.monotonic()
        assert cluster.ormen("status").code == 0
        took.append(time.monotonic() - began)
    assert min(took) < 0.25


def test_a_purge_of_a_killed_cluster_leaves_no_container(lone: Cluster) -> None:
    """What a killed `up` has left running is removed by its own agents before it is forgotten."""
    lone.run(name="web")
    os.kill(json.loads((lone.state / "run.json").read_text())["pid"], signal.SIGKILL)
    wait_until(lambda: not lone.processes(), what="for the children to end with up")
    assert len(lone.containers()) == 1
    assert "started once more" in lone.down("--purge", "-y").err
    assert (lone.containers(), lone.state.exists()) == ([], False)


def test_a_purge_while_another_down_is_under_way_leaves_no_container(lone: Cluster) -> None:
    """Whose agents end and leave their containers running: it is started once more and they are removed."""
    lone.run(name="web")
    agent = lone.child("node-1")
    with subprocess.Popen([ORMEN, "down", "--keep-containers", "--state-dir", str(lone.state)], stdout=subprocess.PIPE):
        wait_until(lambda: not agent.is_running(), what="for the agent to end")
        assert len(lone.containers()) == 1
        done = lone.down("--purge", "-y")
    assert (done.code, "started once more" in done.err, "Forgotten" in done.err) == (0, True, True), done
    assert (lone.containers(), lone.state.exists()) == ([], False)


def test_a_purge_names_what_it_could_not_remove(lone: Cluster, tmp_path: Path) -> None:
    """The container of an agent that is gone is somebody's to remove, so its task and node are told."""
    env = {**os.environ, "ORMEN_REDIS_URL": redis_url(lone), "ORMEN_STATE_DIR": str(tmp_path)}
    command = [ORMEN, "sailor", "--name", "far", "-p", str(free_port())]
    far = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: state_of(lone, "far") == "ready", timeout_s=20, what="for the node to be ready")
        task = lone.run(name="web", constraints=["node=far"])
    finally:
        for process in (psutil.Process(far.pid), *psutil.Process(far.pid).children(recursive=True)):
            process.kill()
        far.wait()
    wait_until(lambda: state_of(lone, "far") != "ready", timeout_s=20, what="for its loss to be noticed")
    done = lone.down("--purge", "-y")
    assert (done.code, "not removed: web (far);" in done.err) == (0, True), done
    (left,) = lone.containers(task["id"])
    left.remove(force=True)


def test_down_names_the_nodes_whose_containers_run_on(lone: Cluster) -> None:
    """An `up` with fewer sailors than the one before stops those of its own; the others' are no failure of its own."""
    few = lone.options
    lone.down()
    lone.options = ("--no-flower", "--sailors", "2")
    lone.up()
    for number in (1, 2):
        lone.run(name=f"web-{number}", constraints=[f"node=node-{number}"])
    lone.down("--keep-containers")
    lone.options = few
    lone.up()
    done = lone.down()
    assert "✓ sailors   1 stopped, with 1 container; 1 container runs on at node-2, not started here" in done.err, done
    lone.options = ("--no-flower", "--sailors", "2")
    lone.up()
