"""What the seed systems do wrong, one test for each fault: the same provocation, and the end it has here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tests.acceptance.living import Cluster, fetch, free_port, new_id, taken
from tests.contract.registry import MANIFEST, Registry
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("living-seeds")]

NEVER = "0001-01-01T00:00:00Z"
MIB = 1024**2


def post(cluster: Cluster, **fields: Any) -> dict[str, Any]:
    """Post a task in the seeds' dialect, as their curl lines do, and return the answered task."""
    task_id = new_id()
    task = {"ID": task_id, "Name": f"sail-{task_id[:8]}", "Image": "timboring/echo-server:latest", **fields}
    answer = cluster.call("POST", "/tasks", {"ID": new_id(), "State": 2, "Sail": task}, headers={"Content-Type": ""})
    assert answer.status == 201, answer
    return dict(answer.json)


def listed(cluster: Cluster, task_id: str) -> dict[str, Any]:
    """Return a task as GET /tasks shows it."""
    return next(task for task in cluster.get("/tasks") if task["ID"] == task_id)


def until(cluster: Cluster, task_id: str, state: int, *, timeout_s: float = 20) -> dict[str, Any]:
    """Return the listed task once it has the state with this number."""
    wait_until(lambda: listed(cluster, task_id)["State"] == state, timeout_s=timeout_s, what=f"for state {state}")
    return listed(cluster, task_id)


@dataclass
class Loss:
    """What was seen while one agent of three was frozen, with a task on its node, and after it was thawed."""

    node: str
    answers_while_silent: int
    chosen: set[str]
    moved: dict[str, Any]
    containers_after: int
    back_s: float


@pytest.fixture(scope="module")
def loss(living: Cluster) -> Iterator[Loss]:
    """Freeze the agent of a node that has a task until the task has moved; then let the agent go on."""
    living.settle()
    task = living.run(name="mover")
    agent = living.child(task["node"])
    agent.suspend()
    try:
        name = task["node"]
        living.until("mover", lambda record: record["node"] != name and record["state"] == "running", timeout_s=30)
        answers = living.call("GET", "/tasks").status
        chosen = {living.submit(strategy="roundrobin")["node"] for _ in range(4)}
    finally:
        agent.resume()
    began = time.monotonic()
    wait_until(lambda: len(living.containers(task["id"])) == 1, timeout_s=30, what="for the older container to go")
    back_s = time.monotonic() - began
    yield Loss(name, answers, chosen, living.task("mover"), len(living.containers(task["id"])), back_s)
    living.settle()


def test_fault_1_an_unreachable_worker_does_not_crash_the_manager(loss: Loss) -> None:
    """While a node's agent is frozen the deck answers as ever."""
    assert loss.answers_while_silent == 200


def test_fault_1_a_removed_container_crashes_nobody(cluster: Cluster) -> None:
    """After `docker rm -f` behind its back the same processes run on, and the task runs again."""
    before = [cluster.pid(name) for name in ("deck", "control", "node-1", "node-2", "node-3")]
    task = post(cluster)
    until(cluster, task["ID"], 2)
    (container,) = cluster.containers(task["ID"])
    container.remove(force=True)
    wait_until(lambda: listed(cluster, task["ID"])["ContainerID"] not in ("", container.id), what="for a new one")
    until(cluster, task["ID"], 2)
    assert [cluster.pid(name) for name in ("deck", "control", "node-1", "node-2", "node-3")] == before


def test_fault_2_a_dead_node_is_not_chosen(loss: Loss) -> None:
    """Tasks posted while a node is silent go to the other two."""
    assert loss.chosen == {"node-1", "node-2", "node-3"} - {loss.node}


def test_fault_3_a_task_that_fits_nowhere_is_kept(cluster: Cluster) -> None:
    """It is listed as Pending for as long as there is no room, with the reason, and DELETE withdraws it."""
    task = post(cluster, Memory=1024**5)
    assert (task["State"], listed(cluster, task["ID"])["State"]) == (0, 0)
    assert cluster.task(task["ID"])["reason"]["code"] == "FIT_MEMORY"
    assert cluster.call("DELETE", f"/tasks/{task['ID']}").status == 204
    assert listed(cluster, task["ID"])["State"] == 3


def test_fault_4_a_dead_workers_tasks_are_run_elsewhere(loss: Loss) -> None:
    """The lost node's task runs on another; when the node is back, the older container goes within 5 s."""
    assert (loss.moved["state"], loss.moved["node"] != loss.node) == ("running", True)
    assert loss.containers_after == 1
    assert loss.back_s < 5


def test_fault_5_a_start_that_failed_half_way_blocks_no_retry(cluster: Cluster) -> None:
    """While a stranger holds the port nothing is left behind; once it is free, the same task starts by itself."""
    port = free_port()
    with taken(port):
        task = post(cluster, ExposedPorts={"7777/tcp": {}}, PortBindings={"7777/tcp": str(port)})
        refused = cluster.until(task["ID"], lambda record: (record["reason"] or {}).get("code") == "PORT_IN_USE")
        assert str(port) in refused["reason"]["sentence"]
    until(cluster, task["ID"], 2)
    assert len(cluster.containers(task["ID"])) == 1
    assert "Hello" in fetch(port)


def test_fault_6_restart_requests_do_not_pile_up(cluster: Cluster) -> None:
    """Ten restarts at once are one new attempt or two, never ten, and one container."""
    task = cluster.run()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: cluster.call("POST", f"/v1/tasks/{task['id']}/restart"), range(10)))
    again = cluster.until(task["id"], lambda record: record["state"] == "running" and record["attempt"] > 1)
    assert again["attempt"] <= 4
    wait_until(lambda: len(cluster.containers(task["id"])) == 1)


def test_fault_7_port_bindings_are_honoured(cluster: Cluster) -> None:
    """The host port that was asked is the one that Docker opens and that answers."""
    port = free_port()
    task = post(cluster, ExposedPorts={"7777/tcp": {}}, PortBindings={"7777/tcp": str(port)})
    bound = until(cluster, task["ID"], 2)["HostPorts"]
    assert bound == {"7777/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    assert cluster.container(task["ID"])["NetworkSettings"]["Ports"] == bound
    assert "Hello" in fetch(port)


def test_fault_8_an_exit_with_code_0_is_completed(cluster: Cluster) -> None:
    """A program that ends well is Completed, not Failed, and is not started again."""
    task = cluster.submit(entrypoint=["true"])
    done = until(cluster, task["id"], 3)
    assert (done["RestartCount"], cluster.task(task["id"])["attempt"]) == (0, 1)


def test_fault_9_completed_is_said_once_the_container_has_ended(cluster: Cluster) -> None:
    """While a stubborn container still runs its task is Running; both times are set in the end."""
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    task = cluster.run(entrypoint=stubborn, stop_grace="1s")
    assert cluster.call("DELETE", f"/tasks/{task['id']}").status == 204
    seen = listed(cluster, task["id"])
    assert (seen["State"], seen["StartTime"] != NEVER, seen["FinishTime"]) == (2, True, NEVER)
    done = until(cluster, task["id"], 3)
    assert cluster.container(task["id"])["State"]["Running"] is False
    assert done["FinishTime"] > done["StartTime"] > NEVER


def test_fault_10_a_restarted_manager_knows_where_everything_is(cluster: Cluster) -> None:
    """After a kill -9 of the whole deck the same tasks are listed on the same nodes, and can be stopped."""
    task = cluster.run()
    before = listed(cluster, task["id"])
    cluster.kill("deck", "control", "beat")
    wait_until(cluster.answers, timeout_s=40, what="for the deck to be back")
    assert listed(cluster, task["id"]) == before
    assert cluster.ormen("stop", task["id"]).code == 0


def test_fault_11_stop_is_never_refused_for_the_state(cluster: Cluster) -> None:
    """A task that waits, one that is starting, one that runs and one that has ended are stopped alike."""
    waiting, starting, running = post(cluster, Memory=1024**5), post(cluster), cluster.run()
    for task_id in (waiting["ID"], starting["ID"], running["id"]):
        assert cluster.call("DELETE", f"/tasks/{task_id}").status == 204
        until(cluster, task_id, 3)
        assert cluster.call("DELETE", f"/tasks/{task_id}").status == 204


def test_fault_12_the_command_line_tells_failure_by_words_and_exit_code(cluster: Cluster) -> None:
    """An HTTP error is no success; no deck is one sentence and its remedy, and no trace of a program."""
    refused = cluster.ormen("stop", new_id())
    assert (refused.code, "success" in (refused.out + refused.err).lower()) == (3, False)
    away = cluster.ormen("status", "-m", f"localhost:{free_port()}")
    assert (away.code, away.out) == (5, "")
    assert "no deck answers" in away.err
    assert "hint:" in away.err
    assert "Traceback" not in away.err


def test_fault_13_a_local_image_is_not_pulled_and_a_pull_blocks_nobody(cluster: Cluster) -> None:
    """The echo image, which no registry has, just runs; while a pull hangs its node starts other tasks."""
    registry = Registry()
    # A layer that the engine has never seen, or it would have nothing to wait for.
    registry.manifests["slow"] = (MANIFEST, registry._image(new_id().encode() * 50_000))
    try:
        node = {"constraints": ["node=node-1"]}
        slow = cluster.submit(**node | {"image": f"{registry.address}/slow:1"})
        cluster.until(slow["id"], lambda record: "pulling" in (record["detail"] or ""))
        other = cluster.run(**node)
        assert cluster.task(slow["id"])["state"] == "scheduled"
        assert [event["type"] for event in cluster.events(other["id"])].count("task.pulling") == 0
        cluster.remove(slow["id"], other["id"])
    finally:
        registry.close()  # and the engine, which was still at it, ends the pull after all
        image = f"{registry.address}/slow:1"
        with contextlib.suppress(AssertionError):
            wait_until(lambda: cluster.engine.images.list(name=image), timeout_s=3)
        for found in cluster.engine.images.list(name=image):
            cluster.engine.images.remove(found.id)


def test_fault_14_containers_of_others_are_never_touched(cluster: Cluster) -> None:
    """A stranger that even has the name of our container keeps running; our task waits and says whose name it is."""
    task = cluster.run()
    cluster.ormen("stop", task["id"])
    for container in cluster.containers(task["id"]):
        container.remove(force=True)
    stranger = cluster.engine.containers.run("ormen/echo:1", name=task["container_name"], detach=True)
    try:
        cluster.call("POST", f"/v1/tasks/{task['id']}/restart")
        waits = cluster.until(task["id"], lambda record: (record["reason"] or {}).get("code") == "NAME_TAKEN")
        assert task["container_name"] in waits["reason"]["sentence"]
        stranger.reload()
        assert stranger.status == "running"
    finally:
        stranger.remove(force=True)
    until(cluster, task["id"], 2)


def test_fault_15_requests_are_reserved_and_in_one_unit(cluster: Cluster) -> None:
    """Memory is bytes everywhere: the node's reservation, and the limit that Docker really has."""
    task = post(cluster, Cpu=0.25, Memory=64 * MIB, Disk=10 * MIB)
    until(cluster, task["ID"], 2)
    name = cluster.task(task["ID"])["node"]
    node = next(node for node in cluster.get("/nodes") if node["Name"] == name)
    assert (node["MemoryAllocated"], node["DiskAllocated"], node["TaskCount"]) == (64 * 1024, 10 * MIB, 1)
    assert cluster.get(f"/v1/nodes/{name}")["reserved"]["cpu"] == 0.25
    assert cluster.container(task["ID"])["HostConfig"]["Memory"] == 64 * MIB


def test_fault_16_a_posted_task_is_listed_at_once(cluster: Cluster) -> None:
    """As soon as POST has answered, GET /tasks has the task."""
    for _ in range(5):
        task = post(cluster)
        assert listed(cluster, task["ID"])["Name"] == task["Name"]


def test_fault_17_restarts_and_checks_do_not_end_after_three(cluster: Cluster) -> None:
    """A fourth restart and a fifth come like the first; one bad probe ends nothing."""
    task = cluster.submit(entrypoint=["sh", "-c", "exit 7"])
    for attempt in range(2, 7):
        cluster.until(task["id"], lambda record: record["state"] == "pending", timeout_s=30)
        cluster.call("POST", f"/v1/tasks/{task['id']}/retry")
        cluster.until(task["id"], lambda record, least=attempt: record["attempt"] >= least)
    check = ["sh", "-c", "test -e /once || { touch /once; exit 1; }"]
    probed = cluster.submit(wait=True, health={"command": check, "grace": 0, "interval": "500ms"})
    assert (probed["health"], probed["attempt"]) == ("healthy", 1)


def test_fault_18_nothing_listens_beyond_loopback_unasked(cluster: Cluster) -> None:
    """Every port of the cluster, and of its containers, is on 127.0.0.1; a deck elsewhere demands a token."""
    task = cluster.run(ports=[{"container": 7777}])
    hosts = {
        connection.laddr.ip
        for process in cluster.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    bound = cluster.container(task["id"])["NetworkSettings"]["Ports"]["7777/tcp"]
    assert (hosts, {binding["HostIp"] for binding in bound}) == ({"127.0.0.1"}, {"127.0.0.1"})
    refused = cluster.ormen("deck", "-H", "0.0.0.0", "-p", str(free_port()))
    assert refused.code == 6
    assert "ORMEN_TOKEN" in refused.err
