"""Redis is killed, frozen, cut off, robbed of what it wrote last, or emptied, under three real hosts.

Containers run on and no node is lost; all is well within ten seconds of its return, with one container of each task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from tests.acceptance.living import IMAGE, fetch, new_id
from tests.cluster.bed import Bed
from tests.cluster.hosts import Host
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

SMALL = {"cpu": 0.01, "memory": "16MiB", "restart": "always"}
WELL_S = 10.0
"""The longest from Redis's return until all is as it should be."""
OUTAGES = {
    "killed for a second": (lambda bed: bed.redis.kill(), lambda bed: bed.redis.start(), 1.0),
    "frozen for ten seconds": (lambda bed: bed.redis.freeze(), lambda bed: bed.redis.thaw(), 10.0),
}
LINES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "the deck hears nothing": ("deck", lambda line: line.black_hole()),
    "every line is slow by two seconds": ("", lambda line: line.delay(2.0)),
}


def pause(seconds: float) -> None:
    """Let an outage last so long."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, timeout_s=seconds + 5)


def started(fleet: Bed, task: dict[str, Any]) -> list[tuple[str | None, str]]:
    """Return what Docker says of each container of a task: its id, and when it was started."""
    return [(item.id, item.attrs["State"]["StartedAt"]) for item in fleet.containers(task["id"])]


def crash(fleet: Bed, task: dict[str, Any]) -> None:
    """End the program of a task's container, without ormen or Docker being asked."""
    (container,) = fleet.host_of(task).containers(task["id"])
    psutil.Process(container.attrs["State"]["Pid"]).kill()


@pytest.fixture
def tasks(fleet: Bed) -> Iterator[list[dict[str, Any]]]:
    """Six tasks on three hosts; whatever a test does, those it does not touch stay as they are and no node is lost."""
    answer = fleet.call("POST", "/v1/tasks?wait=running&timeout=60", {"image": IMAGE, "count": 6, **SMALL})
    found: list[dict[str, Any]] = answer.json
    last = fleet.get("/v1/events?limit=1")["items"][-1]["id"]
    before = [started(fleet, task) for task in found[1:]]
    yield found
    assert [started(fleet, task) for task in found[1:]] == before
    told = fleet.get(f"/v1/events?cursor={last}&limit=1000")["items"]
    assert not [event for event in told if event["type"] in ("node.lost", "node.joined")]


def all_is_well(fleet: Bed, crashed: dict[str, Any]) -> None:
    """Return once a new task runs, the crashed one runs again and every node is ready, all within ten seconds."""

    def new_runs() -> bool:
        answer = fleet.call("POST", "/v1/tasks?wait=running&timeout=30", {"image": IMAGE, **SMALL})
        return answer.status == 201 and answer.json["state"] == "running"

    def runs_again() -> bool:
        answer = fleet.call("GET", f"/v1/tasks/{crashed['id']}")
        return answer.status == 200 and (answer.json["state"], answer.json["attempt"]) == ("running", 2)

    def all_ready() -> bool:
        answer = fleet.call("GET", "/v1/nodes")
        return answer.status == 200 and {node["state"] for node in answer.json["items"]} == {"ready"}

    def until(holds: Callable[[], bool]) -> None:
        wait_until(holds, timeout_s=WELL_S, what=f"for {holds.__name__}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(until, (new_runs, runs_again, all_ready)))


def loop_ran(fleet: Bed) -> int:
    """Return when liveness last succeeded, in ms of Redis's clock."""
    return int(fleet.redis.client().hget("ormen:loops", "liveness") or 0)


@pytest.mark.parametrize("how", OUTAGES)
def test_all_is_well_ten_seconds_after_redis_is_back(fleet: Bed, tasks: list[dict[str, Any]], how: str) -> None:
    """A crash meanwhile is made good, a new task runs and every node is ready; nothing else was touched."""
    begin, end, seconds = OUTAGES[how]
    begin(fleet)
    crash(fleet, tasks[0])
    pause(seconds)
    end(fleet)
    all_is_well(fleet, tasks[0])


@pytest.mark.parametrize("how", LINES)
def test_all_is_well_ten_seconds_after_the_line_is_mended(fleet: Bed, tasks: list[dict[str, Any]], how: str) -> None:
    """The same where Redis lives and its lines do not: the deck's alone, or everybody's, for longer than lost."""
    name, spoil = LINES[how]
    lines = [fleet.lines[name]] if name else list(fleet.lines.values())
    for line in lines:
        spoil(line)
    crash(fleet, tasks[0])
    pause(10)
    for line in lines:
        line.open()
    all_is_well(fleet, tasks[0])


def test_while_redis_is_away_a_request_says_how_to_repeat_it(fleet: Bed) -> None:
    """503, when to come again, and the id by which repeating is safe; repeated until it is accepted it is one task."""
    spec = {"id": new_id(), "image": IMAGE, **SMALL}
    for name in ("refuse", "black_hole"):
        getattr(fleet.lines["deck"], name)()
        answer = fleet.call("POST", "/v1/tasks", spec)
        assert (answer.status, answer.json["code"], answer.json["task"]) == (503, "STORE_UNAVAILABLE", spec["id"])
        assert int(answer.headers["Retry-After"]) >= 1
        fleet.lines["deck"].open()
    wait_until(lambda: fleet.call("POST", "/v1/tasks", spec).status in (200, 201))
    fleet.until(spec["id"], lambda now: now["state"] == "running")
    assert len(fleet.get("/v1/tasks")["items"]) == len(fleet.containers()) == 1


def test_a_short_cut_of_one_line_moves_nothing(fleet: Bed, tasks: list[dict[str, Any]]) -> None:
    """An agent whose line is dead for less than lost is suspect and ready again; its tasks run on where they are."""
    node = tasks[-1]["node"]
    fleet.lines[node].refuse()
    fleet.until_node(node, "suspect", timeout_s=8)
    fleet.lines[node].open()
    fleet.until_node(node, "ready", timeout_s=5)


def test_ten_cuts_under_load_cost_nothing(fleet: Bed, tasks: list[dict[str, Any]]) -> None:
    """Workers that end because deliveries were in hand are back at once: every task runs, and no agent was replaced."""
    lines, made = list(fleet.lines.values()), []
    for number in range(10):
        answer = fleet.call("POST", "/v1/tasks", {"id": new_id(), "image": IMAGE, **SMALL})
        made.append(answer.json["id"] if answer.status == 201 else None)
        lines[number % len(lines)].cut()
    for task in filter(None, made):
        fleet.until(task, lambda now: now["state"] == "running", timeout_s=WELL_S)
        assert len(fleet.running(task)) == 1
    assert len(made) - made.count(None) >= 5


def test_a_line_that_was_silently_forgotten_is_noticed(fleet: Bed, tasks: list[dict[str, Any]]) -> None:
    """Half-open connections of everybody: heartbeats go on, and within 20 s each worker consumes again."""
    for line in fleet.lines.values():
        line.strand()
    stranded = int(fleet.redis.client().time()[0]) * 1000
    wait_until(lambda: loop_ran(fleet) > stranded + 1000, timeout_s=20, what="for the loops to run again")
    crash(fleet, tasks[0])
    all_is_well(fleet, tasks[0])
    # Redis keeps its ends of the old lines until its keepalive, minutes later, finds that they are nobody's.
    for line in fleet.lines.values():
        line.release()


def test_workers_talk_to_nobody_else(fleet: Bed) -> None:
    """An agent has at most six connections, and no process subscribes to any channel.

    A line that broke a moment ago, in the test before, may still be open for Redis beside the one that replaces it.
    """
    client = fleet.redis.client()

    def of(host: Host) -> list[str]:
        lines = [line for line in client.client_list() if host.name in line["name"]]
        return [f"{line['name']} {line['addr']} made {line['age']}s ago, idle {line['idle']}s" for line in lines]

    for host in fleet.hosts:
        try:
            wait_until(lambda host=host: len(of(host)) <= 6, timeout_s=15)
        except AssertionError:
            pytest.fail("\n".join(of(host)))
    lines = client.client_list()
    assert not client.pubsub_channels()
    assert not [line for line in lines if line["sub"] != "0" or line["psub"] != "0"]


# Redis has forgotten


def lose_tail(fleet: Bed, mark: int) -> None:
    """Let Redis crash, and come back as it was at the mark."""
    fleet.redis.kill()
    fleet.redis.forget_since(mark)
    fleet.redis.start()


def one_container(fleet: Bed, task: str) -> bool:
    """Whether exactly one container of the task is there, running, and is what the record says."""
    answer = fleet.call("GET", f"/v1/tasks/{task}")
    found = [(host.name, item) for host in fleet.hosts for item in host.containers(task)]
    if answer.status != 200 or answer.json["state"] != "running" or len(found) != 1:
        return False
    node, container = found[0]
    said = (answer.json["node"], answer.json["container_id"], "running")
    return said == (node, container.id, container.status) and answer.json["attempt"] >= _label(container)


def _label(container: Any) -> int:
    return int(container.labels["ormen.attempt"])


def until_one(fleet: Bed, *tasks: str) -> None:
    """Return once each of the tasks has one container, within ten seconds."""
    for task in tasks:
        wait_until(lambda task=task: one_container(fleet, task), timeout_s=WELL_S, what=f"for one container of {task}")


def fail(fleet: Bed, task: dict[str, Any]) -> None:
    """End the program of a task's container, and return once its next attempt runs."""
    crash(fleet, task)
    fleet.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)


def move(fleet: Bed, task: dict[str, Any]) -> None:
    """Drain the task's node until it runs elsewhere."""
    assert fleet.call("POST", f"/v1/nodes/{task['node']}/drain", {}).status == 202
    fleet.until(task["id"], lambda now: now["state"] == "running" and now["node"] != task["node"])


def test_whatever_was_forgotten_one_container_of_each_task_is_left(fleet: Bed) -> None:
    """A placement, a stop, a removal, a new attempt here and one elsewhere are forgotten, all in the same crash."""
    fleet.call("POST", "/v1/nodes/host9/cordon", {})
    crashed, stopped, removed = (fleet.run(**SMALL, constraints=["node=host7"]) for _ in range(3))
    moved = fleet.run(**SMALL, constraints=["node!=host7"])
    waiting = fleet.submit(**SMALL, constraints=["node=host9"])
    mark = fleet.redis.mark()
    fleet.call("POST", "/v1/nodes/host9/activate", {})
    fleet.until(waiting["id"], lambda now: now["state"] == "running")
    fail(fleet, crashed)
    move(fleet, moved)
    fleet.call("POST", f"/v1/tasks/{stopped['id']}/stop?wait=1", {})
    assert fleet.call("DELETE", f"/v1/tasks/{removed['id']}?force=1&wait=1").status in (202, 204)
    lose_tail(fleet, mark)
    fleet.call("POST", "/v1/nodes/host9/activate", {})
    until_one(fleet, *(task["id"] for task in (crashed, stopped, removed, moved, waiting)))


def test_a_report_that_was_forgotten_is_made_again(fleet: Bed) -> None:
    """The record is back at scheduled; the container that runs is taken over as it is, under the same attempt."""
    mark = fleet.redis.mark()
    task = fleet.run(**SMALL)
    (before,) = fleet.containers(task["id"])
    lose_tail(fleet, fleet.redis.before(b"task.running", since=mark))
    until_one(fleet, task["id"])
    (after,) = fleet.containers(task["id"])
    assert (after.id, after.attrs["State"]["StartedAt"]) == (before.id, before.attrs["State"]["StartedAt"])
    assert fleet.task(task["id"])["attempt"] == 1


def test_a_task_that_was_forgotten_runs_on_until_it_is_asked_for_again(fleet: Bed) -> None:
    """Its container is an orphan and left running; the client that repeats its request has one container in the end."""
    specs = [{"id": new_id(), "image": IMAGE, **SMALL} for _ in range(3)]
    mark = fleet.redis.mark()
    for spec in specs:
        fleet.call("POST", "/v1/tasks?wait=running&timeout=30", spec)
    lose_tail(fleet, mark)
    wait_until(lambda: sum(host.log.count("has no record: left as it is") for host in fleet.hosts) >= 3)
    assert [len(fleet.running(str(spec["id"]))) for spec in specs] == [1, 1, 1]
    wait_until(lambda: fleet.call("POST", "/v1/tasks", specs).status in (200, 201))
    until_one(fleet, *(str(spec["id"]) for spec in specs))


def test_a_forgotten_placement_that_is_made_elsewhere_leaves_one_container(fleet: Bed) -> None:
    """The container of the forgotten placement goes as soon as another node has the task."""
    for name in ("host8", "host9"):
        fleet.call("POST", f"/v1/nodes/{name}/cordon", {})
    mark = fleet.redis.mark()
    task = fleet.run(**SMALL)
    lose_tail(fleet, fleet.redis.before(b"task.placed", since=mark))
    # Whoever is quicker has it: the loop that gives it to host7 again, or the operator who closes host7 to it.
    fleet.call("POST", "/v1/nodes/host7/cordon", {})
    for name in ("host8", "host9"):
        fleet.call("POST", f"/v1/nodes/{name}/activate", {})
    until_one(fleet, task["id"])


@pytest.fixture
def emptied(fleet: Bed) -> Iterator[dict[str, Any]]:
    """A task of three on each host, on a Redis that has come back empty; at the end it gets its file back."""
    task = fleet.run(**SMALL, constraints=["node=host7"])
    fleet.redis.kill()
    fleet.redis.set_aside()
    fleet.redis.start()
    forget_id(fleet)
    yield task
    fleet.redis.kill()
    fleet.redis.put_back()
    fleet.redis.start()
    forget_id(fleet)
    for host in fleet.hosts:
        fleet.rejoin(host)
    wait_until(lambda: one_container(fleet, task["id"]), timeout_s=30)


def forget_id(fleet: Bed) -> None:
    """Let the bed ask again which cluster it is."""
    fleet.__dict__.pop("id", None)


def test_an_emptied_redis_changes_nothing_and_is_explained(fleet: Bed, emptied: dict[str, Any]) -> None:
    """The container runs on, it is said where anybody looks, and who starts the agents again has a new cluster."""
    said = "3 agents of another cluster call here: host7, host8, host9. Their containers run on"
    host = fleet.hosts[0]
    wait_until(lambda: said in fleet.ormen("mast").err, timeout_s=WELL_S)
    assert said in fleet.ormen("status").err
    assert fleet.call("GET", "/readyz").json["remarks"][0].startswith(said)
    assert "nothing is changed; start the agent again to join the new one" in host.log
    assert "Redis holds another cluster" in fetch(5556, "/healthz", host=host.address)
    for each in fleet.hosts:
        fleet.rejoin(each)
        fleet.until_node(each.name, "ready", timeout_s=30)
    fleet.remove(fleet.run(**SMALL, constraints=["node=host7"])["id"])
    assert "1 container of other clusters" in host.log
    (container,) = host.containers(emptied["id"])
    assert (container.id, container.status) == (emptied["container_id"], "running")
    assert fleet.redis.client().get("ormen:allowed")
