"""What a user lives through on a good day: run, look, stop, restart, read, remove, many at once."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.acceptance.living import IMAGE, Cluster, fetch, free_port

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("living-journey")]

MIB = 1024**2
DOCKERS = (
    "--user", "1000:1001", "-w", "/bin", "--read-only", "--tmpfs", "/run:size=1m", "--cap-drop", "ALL", "--init",
    "--hostname", "db-1", "--add-host", "db:10.0.0.7", "--dns", "10.0.0.53", "--ulimit", "nofile=100:200",
    "--mount", "type=tmpfs,dst=/scratch", "--shm-size", "32m", "--log-opt", "max-size=1m", "--stop-signal", "QUIT",
    "--env-file", "prod.env", "--security-opt", "no-new-privileges",
    "--sysctl", "net.ipv4.ip_unprivileged_port_start=80", "--entrypoint", "sh",
)  # fmt: skip
"""Flags as they are typed for docker run."""

LINES = ["sh", "-c", "echo first; echo second; trap 'exit 0' TERM; while :; do sleep 0.1; done"]


def test_a_task_is_run_seen_fetched_stopped_restarted_and_removed(cluster: Cluster) -> None:
    """The tour of the README: each command says what is so, and the page answers while it runs."""
    port = free_port()
    ran = cluster.ormen("run", IMAGE, "-p", f"{port}:7777", "--name", "web", "--health", "/health")
    assert (ran.code, ran.out.strip()) == (0, cluster.task("web")["id"]), ran
    assert f"http://127.0.0.1:{port}" in ran.err
    assert "Hello" in fetch(port)
    assert f"127.0.0.1:{port}" in cluster.ormen("status", "web").out
    assert cluster.ormen("restart", "web").code == 0
    again = cluster.until("web", lambda task: task["attempt"] == 2 and task["health"] == "healthy")
    assert len(cluster.containers(again["id"])) == 1
    assert cluster.ormen("rm", "web").code == 4
    stopped = cluster.ormen("stop", "web")
    assert (stopped.code, "exit code 0" in stopped.out + stopped.err) == (0, True), stopped
    assert cluster.ormen("rm", "web").code == 0
    assert cluster.ormen("status", "web").code == 3


def test_inspect_events_logs_and_mast_tell_of_a_task(cluster: Cluster) -> None:
    """Each answer names the task: its record, its history in order, its lines, its node."""
    assert cluster.ormen("run", "--name", "teller", "--entrypoint", "sh", IMAGE, "--", *LINES[1:]).code == 0
    record = json.loads(cluster.ormen("inspect", "teller").out)
    assert (record["name"], record["state"], record["attempts"][0]["attempt"]) == ("teller", "running", 1)
    types = [event["type"] for event in cluster.events("teller")]
    assert types == ["task.accepted", "task.placed", "task.received", "task.running"]
    assert cluster.ormen("logs", "teller").out == "first\nsecond\n"
    assert cluster.ormen("logs", "-n", "1", "teller").out == "second\n"
    assert "teller" in cluster.ormen("mast", record["node"]).out
    said = cluster.ormen("events", "teller").out
    assert all(word in said for word in ("accepted", "placed", "received", "running"))


def test_what_the_spec_asks_is_what_docker_has(cluster: Cluster) -> None:
    """Limits, environment, command, labels, a named volume, and logs that are rotated."""
    cluster.engine.volumes.create("ormen-journey", labels={"ormen-journey": "1"})
    try:
        task = cluster.run(
            cpu=0.1, cpu_limit=0.5, memory="32MiB", memory_limit="48MiB", env={"COLOUR": "red", "N": 7},
            command=["-v"], labels={"app": "shop"}, volumes=[{"name": "ormen-journey", "target": "/data"}],
            stop_grace="3s",
        )  # fmt: skip
        found = cluster.container(task["id"])
        host, config = found["HostConfig"], found["Config"]
        assert (host["NanoCpus"] or host["CpuQuota"] * 10_000, host["Memory"]) == (500_000_000, 48 * MIB)
        assert host["MemorySwap"] == 48 * MIB
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
        assert {"COLOUR=red", "N=7"} <= set(config["Env"])
        assert (config["Cmd"], host["Privileged"]) == (["-v"], False)
        assert [(mount["Name"], mount["Destination"]) for mount in found["Mounts"]] == [("ormen-journey", "/data")]
        cluster.remove(task["id"])
        assert cluster.engine.volumes.get("ormen-journey")
    finally:
        cluster.remove(*[task["id"] for task in cluster.get("/v1/tasks")["items"]])
        cluster.engine.volumes.get("ormen-journey").remove()


def test_everything_behind_the_command_is_the_containers_own(cluster: Cluster) -> None:
    """Options may follow the image; from the first word of the command on they are the program's."""
    done = cluster.ormen("run", IMAGE, "--name", "own", "work", "--fast", "-p", "80")
    assert done.code == 0, done
    assert cluster.task("own")["spec"]["command"] == ["work", "--fast", "-p", "80"]


def test_dockers_flags_make_dockers_container(cluster: Cluster) -> None:
    """What somebody types who knows docker run is what the engine has, and what the program inside sees."""
    (cluster.state.parent / "prod.env").write_text("# ours\nCOLOUR=deep red\n")
    port = free_port(2)
    script = "echo $(id -u) $(pwd) $(hostname) $COLOUR; exec sleep 600"
    done = cluster.ormen(
        "run", "--name", "typed", "-p", f"{port}-{port + 1}:7777-7778", *DOCKERS, IMAGE, "--", "-c", script
    )
    assert done.code == 0, done
    assert cluster.ormen("logs", "typed").out == "1000 /bin db-1 deep red\n"
    found = cluster.container(cluster.task("typed")["id"])
    host = found["HostConfig"]
    assert (host["Init"], host["ReadonlyRootfs"], host["CapDrop"]) == (True, True, ["ALL"])
    assert (host["Tmpfs"], found["Config"]["StopSignal"]) == ({"/run": "size=1m", "/scratch": ""}, "SIGQUIT")
    assert sorted(int(one[0]["HostPort"]) for one in host["PortBindings"].values()) == [port, port + 1]


def test_a_task_is_updated_as_it_runs(cluster: Cluster) -> None:
    """The command returns once the very container has its new limits; name and labels are new at once."""
    assert cluster.ormen("run", "--name", "grows", "--memory", "32m", IMAGE).code == 0
    before = cluster.task("grows")
    done = cluster.ormen(
        "update", "grows", "--memory", "64m", "--cpu-limit", "0.5", "-l", "tier=front", "--name", "grown"
    )
    assert (done.code, done.out) == (0, "grown: updated\n"), done
    after = cluster.task("grown")
    assert (after["container_id"], after["labels"]) == (before["container_id"], {"tier": "front"})
    host = cluster.container(after["id"])["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["MemorySwap"]) == (64 * MIB, 500_000_000, 64 * MIB)
    types = [event["type"] for event in cluster.events("grown")]
    assert types[-2:] == ["task.updated", "task.resized"]
    refused = cluster.ormen("update", "grown", "--memory", "900g")
    assert (refused.code, "[NO_ROOM]" in refused.err) == (4, True), refused


def test_a_host_path_needs_the_policys_leave(cluster: Cluster) -> None:
    """Without a policy no path of the host may be mounted: 403, exit 6, and nothing stored."""
    answer = cluster.call("POST", "/v1/tasks", {"image": IMAGE, "volumes": [{"host": "/etc", "target": "/x"}]})
    assert (answer.status, answer.json["code"]) == (403, "POLICY")
    assert "/etc" in answer.json["detail"]
    done = cluster.ormen("run", "-v", "/etc:/x", IMAGE)
    assert (done.code, "[POLICY]" in done.err) == (6, True), done
    assert cluster.get("/v1/tasks")["items"] == []


@pytest.mark.parametrize("check", [{"http": "/health"}, {"tcp": 7777}, {"command": ["test", "-e", "/serve"]}])
def test_wait_running_answers_once_the_check_has_passed(cluster: Cluster, check: dict[str, Any]) -> None:
    """An HTTP path, a TCP port and a command: the answer comes when the task is healthy."""
    record = cluster.submit(wait=True, ports=[{"container": 7777}], health=check)
    assert (record["state"], record["health"]) == ("running", "healthy")


def test_a_check_that_fails_ends_the_attempt_with_what_it_saw(cluster: Cluster) -> None:
    """After its retries the attempt is over; the sentence names the path and the answer; another follows."""
    health = {"http": "/nowhere", "grace": 0, "interval": "200ms", "retries": 2}
    task = cluster.submit(ports=[{"container": 7777}], health=health)
    again = cluster.until(task["id"], lambda record: record["attempt"] >= 2)
    ended = cluster.get(f"/v1/tasks/{again['id']}/attempts")["items"][0]
    assert ended["reason"]["code"] == "HEALTH_HTTP"
    assert "/nowhere" in ended["reason"]["sentence"]
    assert "404" in ended["reason"]["sentence"]


def test_a_crash_is_followed_by_attempts_with_growing_pauses(cluster: Cluster) -> None:
    """The first at once, then after pauses; each kept with exit code and last lines; `run` gives up after three."""
    words = ("--name", "boom", "--entrypoint", "sh", IMAGE, "--", "-c", "echo about to fall; exit 3")
    done = cluster.ormen("run", *words)
    assert (done.code, "exited with code 3 three times" in done.err) == (1, True), done
    assert "about to fall" in done.err
    waits = cluster.until("boom", lambda record: record["next_try_at"] and record["attempt"] >= 3)
    attempts = cluster.get("/v1/tasks/boom/attempts")["items"][:3]
    assert [(one["exit_code"], one["log_tail"], one["reason"]["code"]) for one in attempts] == [
        (3, ["about to fall"], "EXIT")
    ] * 3
    assert waits["next_try_at"] > waits["created_at"]
    cluster.ormen("stop", "boom")
    assert cluster.task("boom")["state"] == "completed"


def test_a_policy_that_is_spent_ends_in_failed(cluster: Cluster) -> None:
    """Of on-failure:1 there are two attempts; `no` is one; the sentence says so, and `restart` begins anew."""
    once = cluster.submit(entrypoint=["false"], restart="no")
    twice = cluster.submit(entrypoint=["false"], restart="on-failure:1")
    assert cluster.until(once["id"], lambda record: record["state"] == "failed")["attempt"] == 1
    spent = cluster.until(twice["id"], lambda record: record["state"] == "failed")
    assert (spent["attempt"], "on-failure:1 is spent" in spent["reason"]["sentence"]) == (2, True)


def test_want_of_memory_is_named(cluster: Cluster) -> None:
    """Of many programs at once, each of which takes more than its limit, each ends with OOM and the limit.

    The engine misses some of them when it has much to do; the kernel counts them all.
    """
    eat = ["sh", "-c", "tail -c 200m /dev/zero"]
    tasks = [cluster.submit(entrypoint=eat, memory="16MiB", cpu=0.01, restart="no") for _ in range(12)]
    failed = [cluster.until(task["id"], lambda record: record["state"] == "failed") for task in tasks]
    assert {record["reason"]["code"] for record in failed} == {"OOM"}
    assert all("16 MiB" in record["reason"]["sentence"] for record in failed)


def test_what_has_no_room_waits_and_starts_by_itself(cluster: Cluster) -> None:
    """It says what is short and by how much; the moment room is freed it runs."""
    memory = {node["name"]: node["capacity"]["memory_bytes"] for node in cluster.get("/v1/nodes")["items"]}
    most = max(memory.values()) * 3 // 4
    big = [cluster.run(constraints=[f"node={name}"], memory=most, memory_limit=most) for name in memory]
    waits = cluster.submit(name="waits", memory=most)
    assert (waits["state"], waits["reason"]["code"]) == ("pending", "FIT_MEMORY")
    assert "GiB" in waits["reason"]["sentence"]
    assert cluster.ormen("stop", big[0]["id"]).code == 0
    assert cluster.until("waits", lambda record: record["state"] == "running", timeout_s=5)["node"] == big[0]["node"]


def test_of_a_hundred_that_race_for_room_for_ten_exactly_ten_run(cluster: Cluster) -> None:
    """However the submits interleave, the reservations are never more than the node has."""
    tenth = cluster.get("/v1/nodes/node-2")["capacity"]["memory_bytes"] // 10
    spec = {"constraints": ["node=node-2"], "memory": tenth, "cpu": 0.01}
    with ThreadPoolExecutor(50) as pool:
        states = [task["state"] for task in pool.map(lambda _: cluster.submit(**spec), range(100))]
    placed = states.count("scheduled") + states.count("running")  # some may run by the time of their answer
    assert (placed, states.count("pending")) == (10, 90)
    cluster.until(
        cluster.get("/v1/tasks?state=pending&limit=1")["items"][0]["id"],
        lambda _: len(cluster.get("/v1/tasks?state=running")["items"]) == 10,
        timeout_s=40,
    )
    assert len(cluster.containers()) == 10
    node = cluster.get("/v1/nodes/node-2")
    assert node["tasks"] == 10
    assert node["reserved"]["memory_bytes"] == 10 * tenth <= node["capacity"]["memory_bytes"]


def test_a_file_of_many_tasks_runs_them_all(cluster: Cluster) -> None:
    """YAML with `tasks:`, a count and a port from the pool: a line each, and each port answers."""
    text = f"tasks:\n  - name: web\n    image: {IMAGE}\n    count: 2\n    ports: [{{container: 7777}}]\n"
    text += f"    health: {{http: /health}}\n  - {{name: lone, image: '{IMAGE}'}}\n"
    done = cluster.ormen("run", "-f", "-", stdin=text)
    assert (done.code, len(done.out.split())) == (0, 3), done
    for name in ("web-1", "web-2"):
        (port,) = cluster.task(name)["ports"]
        assert "Hello" in fetch(port["host"])
    assert {task["name"] for task in cluster.get("/v1/tasks")["items"]} == {"web-1", "web-2", "lone"}


def read_stream(cluster: Cluster, *, after: str, until: str) -> list[tuple[str, str]]:
    """Return (id, type) of the events that follow `after` up to the first of type `until`."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=20)
    found: list[tuple[str, str]] = []
    try:
        connection.request("GET", "/v1/events?follow=1", headers={"Last-Event-ID": after})
        answer, last = connection.getresponse(), ""
        while not found or found[-1][1] != until:
            name, _, value = answer.readline().decode().strip().partition(": ")
            last = value if name == "id" else last
            if name == "event":
                found.append((last, value))
        answer.close()
    finally:
        connection.close()
    return found


def test_an_event_stream_is_taken_up_where_it_broke(cluster: Cluster) -> None:
    """With the last id that was read, everything after it comes, once and in order."""
    cluster.run()
    listed = [(event["id"], event["type"]) for event in cluster.get("/v1/events?limit=1000")["items"]]
    place = max(index for index, (_, kind) in enumerate(listed) if kind == "task.accepted")
    task = listed[place:]
    assert [kind for _, kind in task] == ["task.accepted", "task.placed", "task.received", "task.running"]
    assert read_stream(cluster, after=task[0][0], until="task.running") == task[1:]


def test_a_drained_node_hands_its_tasks_over(cluster: Cluster) -> None:
    """`mast drain` moves them, and the node takes none until it is activated."""
    task = cluster.run(name="moves")
    done = cluster.ormen("mast", "drain", task["node"], "--timeout", "30s")
    assert done.code == 0, done
    moved = cluster.until("moves", lambda record: record["state"] == "running" and record["node"] != task["node"])
    assert moved["attempt"] == 2
    assert cluster.get(f"/v1/nodes/{task['node']}")["state"] == "draining"
    assert cluster.ormen("mast", "activate", task["node"]).code == 0
