"""Clients of the two seed systems work unchanged: the lines of their READMEs, and a decoder as strict as theirs."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.living import Cluster, fetch, free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("living-seeds")]

WEB = "bb1d59ef-9fc1-4e4b-a44d-db571eeed203"
NEVER = "0001-01-01T00:00:00Z"
CUBE_TASKS = {
    "task1": (WEB, "test-chapter-9.1", 7778),
    "task2": ("21b23589-5d2d-4731-b5c9-a97e9832d021", "test-chapter-9.2", 7779),
    "task3": ("95fbe134-7f19-496a-acfc-c7853e5b4cd2", "test-chapter-9.3", 7800),
    "task4": ("95fbe134-7f19-496a-acfc-c7753e5b4cd2", "test-chapter-9.4", 7801),
}
CUBE_STOP = """
{
    "ID": "6be4cb6b-61d1-40cb-bc7b-9cacefefa60c",
    "State": 3,
    "Task": {
        "State": 2, 
        "ID": "bb1d59ef-9fc1-4e4b-a44d-db571eeed203", 
\t    "ContainerID": "1504351ad1d291c5ee50cfc19d9537268ad730df6d7c3ef4daeeb7e2b75c788b",
        "Name": "test-chapter-9.1", 
        "Image": "sun4965485/echo-smy:v1"
    }
}
"""  # noqa: W291  # letter for letter as their README has it
ORMEN_ANSWER = (
    '{"ID":"bb1d59ef-9fc1-4e4b-a44d-db571eeed203","ContainerID":"","Name":"test-chapter-9.1","State":1,'
    '"Image":"timboring/echo-server:latest","Cpu":0,"Memory":0,"Disk":0,"ExposedPorts":{"7777/tcp":{}},'
    '"HostPorts":null,"PortBindings":{"7777/tcp":"7777"},"RestartPolicy":"","StartTime":"0001-01-01T00:00:00Z",'
    '"FinishTime":"0001-01-01T00:00:00Z","HealthCheck":"/health","RestartCount":0}'
)


def event(task: Mapping[str, Any], *, key: str = "Sail", state: int = 2) -> dict[str, Any]:
    """Return an event of the seeds around a task."""
    return {"ID": str(uuid.uuid4()), "State": state, "Timestamp": "2023-11-10T18:37:47Z", key: dict(task)}


def sail(**fields: Any) -> dict[str, Any]:
    """Return a task of the first seed with an id and a name of its own."""
    task_id = str(uuid.uuid4())
    return {"ID": task_id, "Name": f"sail-{task_id[:8]}", "State": 1, "Image": "timboring/echo-server:latest", **fields}


def shell(line: str, folder: Path, port: int) -> str:
    """Run a line of a README, with only the manager's port replaced, and return what it prints."""
    told = re.sub(r"(localhost|127\.0\.0\.1):\d+", rf"\1:{port}", line)
    done = subprocess.run(told, shell=True, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def seed_task(cluster: Cluster, task_id: str) -> dict[str, Any]:
    """Return a task as GET /tasks lists it."""
    return next(task for task in cluster.get("/tasks") if task["ID"] == task_id)


def until_state(cluster: Cluster, task_id: str, state: int) -> dict[str, Any]:
    """Return the listed task once it has the state with this number."""
    wait_until(lambda: seed_task(cluster, task_id)["State"] == state, what=f"for state {state}")
    return seed_task(cluster, task_id)


# A decoder as strict as Go's


def go(value: Any, kind: Any, where: str) -> None:
    """Fail unless Go's encoding/json would decode `value` into the type `kind`, every field given."""
    if isinstance(kind, dict):
        assert isinstance(value, dict), where
        assert list(value) == list(kind), f"{where}: fields {list(value)}"
        for name, inner in kind.items():
            go(value[name], inner, f"{where}.{name}")
    elif isinstance(kind, tuple):  # a map from string, or nil
        assert value is None or isinstance(value, dict), where
        for name, inner in (value or {}).items():
            go(inner, kind[0], f"{where}[{name}]")
    elif isinstance(kind, list):
        assert isinstance(value, list), where
        for place, inner in enumerate(value):
            go(inner, kind[0], f"{where}[{place}]")
    else:
        scalar(value, kind, where)


def scalar(value: Any, kind: str, where: str) -> None:
    """Fail unless Go would decode a value that is no object and no array."""
    if kind == "int":
        assert type(value) is int, f"{where}: {value!r}"
    elif kind == "uint":
        assert type(value) is int, f"{where}: {value!r}"
        assert value >= 0, where
    elif kind == "float":
        assert type(value) in (int, float), f"{where}: {value!r}"
    else:
        assert isinstance(value, str), f"{where}: {value!r}"
    if kind == "uuid":
        assert str(uuid.UUID(value)) == value.lower(), where
    if kind == "time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value), f"{where}: {value}"


TASK = {
    "ID": "uuid", "ContainerID": "string", "Name": "string", "State": "int", "Image": "string", "Cpu": "float",
    "Memory": "int", "Disk": "int", "ExposedPorts": ({},), "HostPorts": ([{"HostIp": "string", "HostPort": "string"}],),
    "PortBindings": ("string",), "RestartPolicy": "string", "StartTime": "time", "FinishTime": "time",
    "HealthCheck": "string", "RestartCount": "int",
}  # fmt: skip
DISK = dict.fromkeys(("all", "used", "free", "freeInodes"), "uint")
CPU = {"id": "string"} | dict.fromkeys(
    ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"), "uint"
)
LOAD = dict.fromkeys(("last1min", "last5min", "last15min"), "float") | dict.fromkeys(
    ("process_running", "process_total", "last_pid"), "uint"
)
NODE = {
    "Name": "string", "Ip": "string", "Api": "string", "Memory": "int", "MemoryAllocated": "int", "Disk": "int",
    "DiskAllocated": "int", "Stats": None, "Role": "string", "TaskCount": "int",
}  # fmt: skip


def go_stats(value: Any) -> None:
    """Fail unless Go would decode the Stats of a node; the kernel decides which further figures of memory there are."""
    assert list(value) == ["MemStats", "DiskStats", "CpuStats", "LoadStats", "TaskCount"]
    needed = {"mem_total", "mem_free", "mem_available", "buffers", "cached", "swap_total", "swap_free"}
    assert needed <= set(value["MemStats"])
    go(value["MemStats"], ("uint",), "MemStats")
    go(value["DiskStats"], DISK, "DiskStats")
    go(value["CpuStats"], CPU, "CpuStats")
    go(value["LoadStats"], LOAD, "LoadStats")
    scalar(value["TaskCount"], "int", "TaskCount")


def go_nodes(value: Any) -> None:
    """Fail unless Go would decode GET /nodes."""
    assert isinstance(value, list)
    for node in value:
        assert list(node) == list(NODE)
        go({key: node[key] for key in node if key != "Stats"}, {k: v for k, v in NODE.items() if v}, node["Name"])
        go_stats(node["Stats"])


# The first seed


@pytest.fixture
def task1(tmp_path: Path) -> Path:
    """The folder with the task1.json that the first README shows the answer to."""
    task = {**json.loads(ORMEN_ANSWER), "State": 2}
    (tmp_path / "task1.json").write_text(json.dumps(event(task)))
    return tmp_path


def test_the_curl_lines_of_the_first_readme_work_word_for_word(cluster: Cluster, task1: Path) -> None:
    """POST answers what the README prints, to the last byte; the task answers on its port; DELETE stops it."""
    assert shell("curl -X POST localhost:5555/tasks -d @task1.json", task1, cluster.port).strip() == ORMEN_ANSWER
    running = until_state(cluster, WEB, 2)
    assert running["HostPorts"] == {"7777/tcp": [{"HostIp": "127.0.0.1", "HostPort": "7777"}]}
    wait_until(lambda: cluster.task(WEB)["health"] == "healthy")
    assert "Hello" in fetch(7777)
    assert shell(f"curl -X DELETE localhost:5555/tasks/{WEB}", task1, cluster.port) == ""
    ended = until_state(cluster, WEB, 3)
    assert (len(ended["ContainerID"]), ended["FinishTime"] != NEVER, ended["HostPorts"]) == (64, True, None)
    nodes = json.loads(shell("curl localhost:5555/nodes", task1, cluster.port))
    assert [(node["Name"], node["Role"]) for node in nodes] == [(f"node-{n}", "worker") for n in (1, 2, 3)]


def test_a_task_decodes_in_go_in_each_of_its_states(cluster: Cluster) -> None:
    """POST and GET /tasks have every field with its type while scheduled, running, completed, and waiting."""
    task = sail(ExposedPorts={"7777/tcp": {}}, Cpu=0.05, Memory=16 * 1024**2, RestartPolicy="always")
    go(cluster.call("POST", "/tasks", event(task)).json, TASK, "scheduled")
    go(until_state(cluster, task["ID"], 2), TASK, "running")
    assert cluster.call("DELETE", f"/tasks/{task['ID']}").status == 204
    go(until_state(cluster, task["ID"], 3), TASK, "completed")
    large = sail(Memory=1024**5)
    assert cluster.call("POST", "/tasks", event(large)).json["State"] == 0
    go(cluster.get("/tasks"), [TASK], "tasks")


def test_nodes_and_the_agents_own_pages_decode_in_go(cluster: Cluster) -> None:
    """GET /nodes, and each agent's /stats and /tasks on its own port, have every field with its type."""
    record = cluster.run()
    nodes = cluster.get("/nodes")
    go_nodes(nodes)
    listed = []
    for node in nodes:
        with urllib.request.urlopen(f"{node['Api']}/stats", timeout=10) as answer:
            go_stats(json.load(answer))
        with urllib.request.urlopen(f"{node['Api']}/tasks", timeout=10) as answer:
            found = json.load(answer)
        go(found, [TASK], node["Name"])
        listed += [task["ID"] for task in found]
    assert listed == [record["id"]]


def test_a_body_is_read_whatever_its_content_type_says(cluster: Cluster) -> None:
    """A form's Content-Type, none at all, and a wrong one are the same JSON."""
    for kind in ("application/x-www-form-urlencoded", "", "text/plain"):
        answer = cluster.call("POST", "/tasks", event(sail()), headers={"Content-Type": kind})
        assert answer.status == 201, answer


def test_every_envelope_and_spelling_is_understood(cluster: Cluster) -> None:
    """Sail, Task, a bare task, keys in any case, CPU for Cpu, and a trailing slash."""
    bare = sail(CPU=0.05)
    lower = {key.lower(): value for key, value in sail().items()}
    for path, body in (
        ("/tasks", event(sail())), ("/tasks/", event(sail(), key="Task")), ("/tasks", bare),
        ("/tasks", {"id": str(uuid.uuid4()), "state": 2, "sail": lower}),
    ):  # fmt: skip
        answer = cluster.call("POST", path, body)
        assert (answer.status, answer.json["State"]) == (201, 1), answer
    assert seed_task(cluster, bare["ID"])["Cpu"] == 0.05
    assert len(cluster.get("/tasks/")) == 4
    assert len(cluster.get("/nodes/")) == 3


def test_a_second_post_of_the_same_id_is_not_a_second_task(cluster: Cluster) -> None:
    """Once it runs, posting it again answers with the running task and starts nothing."""
    task = sail()
    first = event(task)
    cluster.call("POST", "/tasks", first)
    running = until_state(cluster, task["ID"], 2)
    again = cluster.call("POST", "/tasks", first)
    assert (again.status, again.json) == (201, running)
    assert len(cluster.get("/tasks")) == len(cluster.containers()) == 1


def test_an_unknown_id_and_a_body_that_is_no_event_get_the_seeds_error(cluster: Cluster) -> None:
    """404 and 400, each with HTTPStatusCode and a Message."""
    unknown = cluster.call("DELETE", f"/tasks/{uuid.uuid4()}")
    assert (unknown.status, unknown.json["HTTPStatusCode"]) == (404, 404)
    for body in (b"{", b"[]", b'{"State": "two", "Sail": {}}', b"{}"):
        answer = cluster.call("POST", "/tasks", body)
        assert (answer.status, set(answer.json), answer.json["HTTPStatusCode"]) == (
            400,
            {"HTTPStatusCode", "Message"},
            400,
        )
    assert cluster.get("/tasks") == []


def test_the_first_seeds_commands_work(cluster: Cluster, task1: Path) -> None:
    """A bare run takes task.json of the folder; status and mast have the seeds' columns; stop takes the id."""
    (cluster.state.parent / "task.json").write_text((task1 / "task1.json").read_text())
    manager = ("-m", f"localhost:{cluster.port}")
    ran = cluster.ormen("run", *manager)
    (cluster.state.parent / "task.json").unlink()
    assert (ran.code, ran.out.strip()) == (0, WEB), ran
    status = cluster.ormen("status", *manager).out.splitlines()
    assert status[0].split()[:6] == ["ID", "NAME", "CREATED", "STATE", "CONTAINERNAME", "IMAGE"]
    for word in ("mast", "node"):
        assert re.match(r"NAME +MEMORY \(MiB\) +DISK \(GiB\) +ROLE +TASKS", cluster.ormen(word, *manager).out)
    assert cluster.ormen("stop", WEB, *manager).code == 0
    assert seed_task(cluster, WEB)["State"] == 3


# The second seed


@pytest.fixture(scope="module")
def cube(echo_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that only the second seed's four variables have told where to be."""
    port = free_port(5)
    told = {"WORKER_HOST": "127.0.0.1", "WORKER_PORT": port + 1, "MANAGER_HOST": "127.0.0.1", "MANAGER_PORT": port}
    env = {f"CUBE_{name}": str(value) for name, value in told.items()}
    found = Cluster(tmp_path_factory.mktemp("cube") / "state", port, env=env)
    try:
        done = found.ormen("up", "--detach", "--no-flower", "--state-dir", str(found.state), timeout=110)
        assert done.code == 0, done
        found.ids.add(found.id)
        yield found
    finally:
        found.end()


@pytest.fixture
def cube_files(cube: Cluster, tmp_path: Path) -> Path:
    """The folder with the second README's files: four tasks that differ in id, name and port, and a stop."""
    for file, (task_id, name, port) in CUBE_TASKS.items():
        task = {"ID": task_id, "Name": name, "State": 1, "Image": "sun4965485/echo-smy:v1", "HealthCheck": "/health"}
        task |= {"ExposedPorts": {"7777/tcp": {}}, "PortBindings": {"7777/tcp": str(port)}}
        (tmp_path / f"{file}.json").write_text(json.dumps(event(task, key="Task")))
    (tmp_path / "stop_task.json").write_text(CUBE_STOP)
    return tmp_path


def test_the_second_seeds_variables_start_three_workers_and_a_manager(cube: Cluster) -> None:
    """The workers' pages are on CUBE_WORKER_PORT and the two after it, the manager on CUBE_MANAGER_PORT."""
    nodes = cube.get("/nodes")
    assert [node["Api"] for node in nodes] == [f"http://127.0.0.1:{cube.port + place}" for place in (1, 2, 3)]


def test_the_curl_lines_of_the_second_readme_work_word_for_word(cube: Cluster, cube_files: Path) -> None:
    """Four tasks on four ports run side by side, two ids of which share 18 digits; the stop event ends the first."""
    post = "curl -v --request POST --header 'Content-Type: application/json' --data @{}.json {}:5556/tasks"
    for file in CUBE_TASKS:
        assert json.loads(shell(post.format(file, "localhost"), cube_files, cube.port))["State"] == 1
    for task_id, _, port in CUBE_TASKS.values():
        bound = until_state(cube, task_id, 2)["HostPorts"]
        assert bound == {"7777/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
        assert "Hello" in fetch(port)
    shell(post.format("stop_task", "http://127.0.0.1"), cube_files, cube.port)
    first = until_state(cube, WEB, 3)
    assert len(first["ContainerID"]) == 64
    assert sorted(task["State"] for task in cube.get("/tasks")) == [2, 2, 2, 3]
