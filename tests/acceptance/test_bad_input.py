"""Bad input, and what it gets: a sentence with the thing and the remedy, in API, command and event."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.living import IMAGE, Cluster, free_port, new_id, taken
from tests.acceptance.locked import locked_registry_command
from tests.contract.registry import Registry
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("living-seeds")]

PORTS = [{"container": 80, "host": 8080}, {"container": 81, "host": 8080}]
FAULTY: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "an_unknown_field": ({"memroy": "1GiB"}, "/memroy", "UNKNOWN_FIELD", "did you mean memory?"),
    "a_wrong_type": ({"image": 7}, "/image", "WRONG_TYPE", "must be a string, not a number"),
    "negative_memory": ({"memory": -1}, "/memory", "OUT_OF_RANGE", "a size is not negative"),
    "port_70000": ({"ports": [{"container": 70000}]}, "/ports/0/container", "OUT_OF_RANGE", "70000 is not a port"),
    "a_port_twice": ({"ports": PORTS}, "/ports/1/host", "DUPLICATE", "ports[0] already takes host port 8080/tcp"),
    "no_image_name": ({"image": "UP per"}, "/image", "MALFORMED", "not an image such as nginx:1.28"),
    "memory_below_docker": ({"memory": "4MiB"}, "/memory", "OUT_OF_RANGE", "less than 6 MiB, the least Docker takes"),
}


@pytest.mark.parametrize("what", FAULTY)
def test_the_api_refuses_a_faulty_spec_with_422_and_stores_nothing(cluster: Cluster, what: str) -> None:
    """The problem names the field by its pointer, a code, and a sentence with the value or the remedy."""
    fields, pointer, code, words = FAULTY[what]
    answer = cluster.call("POST", "/v1/tasks", {"image": IMAGE, **fields})
    (fault,) = answer.json["errors"]
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert (fault["pointer"], fault["code"]) == (pointer, code)
    assert words in f"{fault['detail']} {fault['hint']}"
    assert cluster.get("/v1/tasks")["items"] == []


@pytest.mark.parametrize("what", FAULTY)
def test_the_command_refuses_a_faulty_file_with_2_and_the_line(cluster: Cluster, what: str) -> None:
    """`run -f` says how many faults there are, names each by line and path, and starts nothing."""
    fields, pointer, _, words = FAULTY[what]
    done = cluster.ormen("run", "-f", "-", stdin=json.dumps({"image": IMAGE, **fields}))
    assert (done.code, done.out) == (2, ""), done
    assert "1 fault; nothing was started.  [INVALID_SPEC]" in done.err
    assert "line 1" in done.err
    assert pointer.split("/")[1] in done.err
    assert words.removesuffix("?") in done.err
    assert cluster.get("/v1/tasks")["items"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--memroy", "1g", IMAGE), "--memory"),
        (("--cpus", "500m", IMAGE), "did you mean 0.5?"),
        (("--memory", "512", IMAGE), "did you mean 512m (MiB)?"),
        (("--memory", "-5m", IMAGE), "--memory"),
        (("--memory", "4m", IMAGE), "less than 6 MiB"),
        (("-p", "70000:80", IMAGE), "70000 is not a port: 1 to 65535"),
        (("-p", "80:80", "-p", "80:81", IMAGE), "already takes host port 80/tcp"),
        (("UP per",), "not an image such as nginx:1.28"),
        (("--restart", "allways", IMAGE), "did you mean always?"),
    ],
)
def test_the_command_refuses_a_faulty_flag_with_2(cluster: Cluster, words: tuple[str, ...], told: str) -> None:
    """One sentence for each fault, naming the flag; no usage text, no trace, nothing started."""
    done = cluster.ormen("run", *words)
    assert (done.code, done.out) == (2, ""), done
    assert told in done.err
    assert "Usage" not in done.err
    assert "Traceback" not in done.err
    assert cluster.get("/v1/tasks")["items"] == []


def test_all_faults_of_a_list_are_named_at_once_and_nothing_is_started(cluster: Cluster) -> None:
    """A good task beside two bad ones is not started either."""
    body = [{"image": IMAGE}, {"image": IMAGE, "cpu": 0}, {"image": IMAGE, "restart": "allways", "memory": "5MB"}]
    answer = cluster.call("POST", "/v1/tasks", body)
    assert sorted(fault["pointer"] for fault in answer.json["errors"]) == ["/1/cpu", "/2/memory", "/2/restart"]
    assert answer.json["detail"] == "3 faults; nothing was stored."
    assert cluster.get("/v1/tasks")["items"] == []


def test_an_id_twice_with_the_same_content_is_the_same_task(cluster: Cluster) -> None:
    """Units and defaults are resolved before they are compared."""
    task_id = new_id()
    first = cluster.submit(id=task_id, memory="512MiB")
    again = cluster.submit(id=task_id, memory=536870912, restart="on-failure")
    assert (first["id"], again["id"]) == (task_id, task_id)
    assert len(cluster.get("/v1/tasks")["items"]) == 1


def test_an_id_twice_with_other_content_is_409(cluster: Cluster) -> None:
    """The API says ID_TAKEN, the command exits with 4, and the first task is untouched."""
    task_id = new_id()
    before = cluster.run(id=task_id)
    spec = {"image": IMAGE, "id": task_id, "memory": "64MiB"}
    answer = cluster.call("POST", "/v1/tasks", spec)
    assert (answer.status, answer.json["code"]) == (409, "ID_TAKEN")
    assert task_id in answer.json["detail"]
    done = cluster.ormen("run", "-f", "-", stdin=json.dumps(spec))
    assert (done.code, "[ID_TAKEN]" in done.err) == (4, True), done
    assert cluster.task(task_id) == before


def test_a_name_twice_is_409_and_names_the_holder(cluster: Cluster) -> None:
    """The API says NAME_TAKEN with the holder's id; the command exits with 4 and gives the remedy."""
    task = cluster.run(name="only")
    answer = cluster.call("POST", "/v1/tasks", {"image": IMAGE, "name": "only"})
    assert (answer.status, answer.json["code"], answer.json["task"]) == (409, "NAME_TAKEN", task["id"])
    done = cluster.ormen("run", "--name", "only", IMAGE)
    assert (done.code, "[NAME_TAKEN]" in done.err, "hint:" in done.err) == (4, True, True), done


def test_a_body_over_8_mib_is_413(cluster: Cluster) -> None:
    """The sentence names both sizes and the remedy."""
    answer = cluster.call("POST", "/v1/tasks", b" " * (8 * 1024**2 + 1))
    assert (answer.status, answer.json["code"]) == (413, "TOO_LARGE")
    assert "8 MiB" in answer.json["detail"]
    assert "several lists" in answer.json["hint"]


def test_what_is_not_json_is_400_with_its_place(cluster: Cluster) -> None:
    """The API names line and column; the command does so for a file, and exits with 2."""
    answer = cluster.call("POST", "/v1/tasks", b'{"image": ')
    assert (answer.status, answer.json["code"], answer.json["line"]) == (400, "NOT_JSON", 1)
    (cluster.state.parent / "broken.json").write_text('{"image": ')
    done = cluster.ormen("run", "-f", "broken.json")
    assert (done.code, "broken.json, line 1, column" in done.err) == (2, True), done


def test_an_unknown_id_is_404_and_exit_3(cluster: Cluster) -> None:
    """The sentence repeats the word and proposes a near name."""
    cluster.submit(name="web")
    answer = cluster.call("GET", "/v1/tasks/wbe")
    assert (answer.status, answer.json["code"], answer.json["near"]) == (404, "TASK_NOT_FOUND", ["web"])
    for verb in ("stop", "status", "restart", "rm", "events", "inspect", "logs"):
        done = cluster.ormen(verb, "wbe")
        assert (done.code, 'no task "wbe"; did you mean web?' in done.err) == (3, True), done


# What the node refuses


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that lacks most images."""
    found = Registry()
    yield found
    found.close()


@pytest.fixture
def locked_registry(tmp_path: Path) -> Iterator[str]:
    """The address of Debian's registry, which wants a login."""
    port = free_port()
    command = locked_registry_command(tmp_path, f"127.0.0.1:{port}")
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port), what="for the registry")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """Return whether somebody listens there."""
    try:
        with taken(port):
            return False
    except OSError:
        return True


def refused(cluster: Cluster, code: str, *words: str) -> str:
    """Run a task that its node refuses for good; assert that command, API and event say so alike, and return how."""
    done = cluster.ormen("run", "--name", "refused", *words)
    assert (done.code, f"[{code}]" in done.err, "hint:" in done.err) == (1, True, True), done
    record = cluster.task("refused")
    assert (record["state"], record["wanted"]) in (("pending", "running"), ("scheduled", "running"))
    event = next(event for event in cluster.events("refused") if event["type"] == "task.pending")
    assert event["reason"]["code"] == code
    if record["reason"]:
        assert record["reason"]["code"] == code
    return str(event["reason"]["sentence"])


def test_an_image_that_is_missing_is_named_with_its_registry(cluster: Cluster, registry: Registry) -> None:
    """PULL_NOT_FOUND names image and registry; `run` gives up at once with 1, the task stays."""
    image = f"{registry.address}/nothing:7"
    sentence = refused(cluster, "PULL_NOT_FOUND", image)
    assert sentence.startswith(f"Registry {registry.address} has no image {image}")
    assert "check its name" in sentence


def test_a_registry_that_refuses_is_named_with_the_login(cluster: Cluster, locked_registry: str) -> None:
    """PULL_AUTH from a real registry names the command that logs in."""
    assert f"ormen registry login {locked_registry}" in refused(cluster, "PULL_AUTH", f"{locked_registry}/private:1")


def test_an_image_that_may_not_be_pulled_is_missed_on_the_host(cluster: Cluster) -> None:
    """Pull: never says on which node the image is not."""
    assert "is not on node-" in refused(cluster, "PULL_NOT_FOUND", "--pull", "never", "no/such:1")


def test_a_command_that_is_not_in_the_image_is_named(cluster: Cluster) -> None:
    """COMMAND_NOT_FOUND names the command, the container and what to correct."""
    sentence = refused(cluster, "COMMAND_NOT_FOUND", "--entrypoint", "/nosuch", IMAGE)
    assert "/nosuch" in sentence
    assert "correct command or entrypoint" in sentence


def test_a_port_taken_outside_ormen_is_named_with_its_holder(cluster: Cluster) -> None:
    """PORT_IN_USE names port and holder, `run` waits to its timeout (124); freed, the task starts by itself."""
    port = free_port()
    with taken(port):
        done = cluster.ormen("run", "--name", "late", "-p", f"{port}:7777", "--timeout", "6s", IMAGE)
        assert (done.code, "[PORT_IN_USE]" in done.err, "-p 7777 takes a free port" in done.err) == (124, True, True), (
            done
        )
        sentence = next(e for e in cluster.events("late") if e["type"] == "task.pending")["reason"]["sentence"]
        assert f"Host port {port}/tcp is held" in sentence
        assert "pid" in sentence
    cluster.until("late", lambda record: record["state"] == "running")


def test_a_port_that_another_task_has_is_named_with_that_task(cluster: Cluster) -> None:
    """FIT_PORT is known before anything starts, on all nodes of the engine."""
    port = free_port()
    holder = cluster.run(name="holder", ports=[{"container": 7777, "host": port}])
    waits = cluster.submit(ports=[{"container": 7777, "host": port}])
    assert (waits["state"], waits["reason"]["code"]) == ("pending", "FIT_PORT")
    assert (
        waits["reason"]["sentence"] == f"Host port {port} is taken on every node, by task holder ({holder['id'][:8]})."
    )
    cluster.ormen("stop", "holder")
    cluster.until(waits["id"], lambda record: record["state"] == "running")


def test_a_task_that_no_node_could_ever_hold_is_told_at_once(cluster: Cluster) -> None:
    """`run` exits with 1 without waiting and names what is asked and what the largest node has; the task is queued."""
    done = cluster.ormen("run", "--name", "huge", "--memory", "4t", IMAGE, timeout=10)
    assert (done.code, "[FIT_MEMORY]" in done.err, "needs 4 TiB of memory" in done.err) == (1, True, True), done
    assert cluster.task("huge")["state"] == "pending"


# What ormen itself lacks


def test_without_redis_a_task_gets_503_its_id_and_runs_when_repeated(cluster: Cluster) -> None:
    """While Redis is frozen: 503, Retry-After, the task's id. Thawed, the same request with that id is accepted."""
    redis = cluster.child("redis")
    redis.suspend()
    try:
        answer = cluster.call("POST", "/v1/tasks", {"image": IMAGE, "name": "patient"})
        stop = cluster.ormen("stop", "patient")
    finally:
        redis.resume()
    assert (answer.status, answer.json["code"]) == (503, "STORE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "repeat the request with this id" in answer.json["hint"]
    assert (stop.code, "[STORE_UNAVAILABLE]" in stop.err, "hint:" in stop.err) == (5, True, True), stop
    spec = {"image": IMAGE, "name": "patient", "id": answer.json["task"]}
    wait_until(lambda: cluster.call("POST", "/v1/tasks", spec).status == 201, what="for Redis to be back")
    cluster.until(answer.json["task"], lambda record: record["state"] == "running")
    assert len(cluster.get("/v1/tasks")["items"]) == 1


def test_a_killed_redis_comes_back_with_everything(cluster: Cluster) -> None:
    """After kill -9 of Redis the tasks are there, their containers never stopped, and new ones run."""
    task = cluster.run(name="kept")
    started = cluster.container(task["id"])["State"]["StartedAt"]
    cluster.kill("redis")
    wait_until(cluster.answers, timeout_s=30, what="for the deck to be ready")
    assert cluster.task("kept")["state"] == "running"
    wait_until(cluster.is_ready, timeout_s=30, what="for the nodes to be ready")
    assert cluster.run()["state"] == "running"
    assert cluster.container(task["id"])["State"]["StartedAt"] == started


def test_without_an_engine_up_says_so_and_what_to_do(tmp_path: Path, echo_image: None) -> None:
    """`up` ends with 5 before anything is started, naming the socket and the variable."""
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    lone = Cluster(tmp_path / "state", free_port(), env=env)
    done = lone.ormen("up", "--detach", "--state-dir", str(lone.state), "--port", str(lone.port))
    assert (done.code, "hint:" in done.err, "none.sock" in done.err) == (5, True, True), done
    assert "DOCKER_HOST" in done.err
    assert lone.processes() == []
