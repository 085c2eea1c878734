"""The mishaps that `benchmarks.failures` measures: each function makes one round and returns its figures in seconds."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any

import docker
import psutil

from benchmarks.harness import IMAGE, sdk_container
from tests.cluster.bed import Bed
from tests.cluster.hosts import Host
from tests.waiting import wait_until

SMALL = {"cpu": 0.01, "memory": "16MiB"}
"""A task of which a host of this machine can hold a hundred."""
MANY = 50
"""Tasks on a host that dies."""
AT_ONCE = 4
"""Starts that the SDK makes at once on one engine: as many as an agent does."""


class Ear:
    """Hears when the containers of one engine start, by Docker's own time."""

    def __init__(self, host: Host) -> None:
        self._api = docker.APIClient(base_url=host.socket, version="1.41")
        self._stream = self._api.events(decode=True, filters={"type": "container", "event": "start"})
        self._heard: list[tuple[float, Mapping[str, str]]] = []
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._stream:
            with self._news:
                self._heard.append((event["timeNano"] / 1e9, event["Actor"]["Attributes"]))
                self._news.notify_all()

    def start_of(self, key: str, value: str, *, after: float = 0.0, timeout_s: float = 60) -> float:
        """Return when the first container with this label (or ``name``) has started after that time."""

        def found() -> list[float]:
            return [at for at, words in self._heard if at > after and words.get(key) == value]

        with self._news:
            assert self._news.wait_for(found, timeout_s), f"no start of {key}={value} within {timeout_s:.0f}s"
            return found()[0]


@cache
def ear(host: Host) -> Ear:
    """Return the one ear at a host's engine."""
    return Ear(host)


def program_of(host: Host, key: str, value: str) -> int:
    """Return the process of the one running container with this label."""
    (found,) = host.client.containers.list(ignore_removed=True, filters={"label": f"{key}={value}"})
    found.reload()
    return int(found.attrs["State"]["Pid"])


def replaced(host: Host, key: str, value: str) -> float:
    """Kill the program of a container, and return how long it takes until another with its label has started."""
    hears, program = ear(host), psutil.Process(program_of(host, key, value))
    blow = time.time()
    program.kill()
    return hears.start_of(key, value, after=blow) - blow


# Mishaps


def container(bed: Bed, number: int) -> dict[str, float]:
    """A container's program is killed: ormen, the SDK's plain start, and Docker Swarm on the same engine, in turn."""
    (host,) = bed.hosts
    if number == 0:
        join_swarm(host)
        sdk_start(host, "warm")
    ways: dict[str, Callable[[], float]] = {
        "ormen": lambda: ours_replaced(bed, host),
        "ormen retry in a pause": lambda: ours_retried(bed, host),
        "SDK, create and start": lambda: sdk_start(host, f"raw-{number}"),
        "Swarm, --restart-delay 0": lambda: swarm_replaced(host, {"Delay": 0}),
        "Swarm, its defaults": lambda: swarm_replaced(host, None),
    }
    names = list(ways)
    turn = number % len(names)
    found = {name: ways[name]() for name in names[turn:] + names[:turn]}
    return {name: found[name] for name in names}


def agent(bed: Bed, number: int) -> dict[str, float]:
    """An agent is killed: until its successor has joined, and until it has looked through its engine."""
    (host,) = bed.hosts
    if number and number % 4 == 0:
        bed.rejoin(host)  # five deaths within a minute would be a crash loop, and its sailor would take its time
    task = bed.run(name="web", **SMALL)
    former, sailor = host.agent, psutil.Process(host.sailors[-1].pid)
    blow = time.time()
    former.kill()
    wait_until(lambda: any(child.pid != former.pid for child in sailor.children()))
    begun = host.agent.create_time()
    wait_until(lambda: ready_since(bed, host.name, blow))
    ready = ready_since(bed, host.name, blow)
    assert bed.task(task["id"]) == task
    bed.remove(task["id"])
    return {"until started anew": begun - blow, "back after its restart": ready - begun, "back": ready - blow}


def engine(bed: Bed, number: int) -> dict[str, float]:
    """An engine is ended, in turn politely and by SIGKILL, and started again: until its task runs."""
    (host,) = bed.hosts
    task = bed.run(name="web", restart="no", **SMALL)
    blow = time.time()
    host.stop_engine((signal.SIGTERM, signal.SIGKILL)[number % 2])
    host.start_engine()
    answers = time.time()
    bed.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2, timeout_s=60)
    runs = moment(bed, task["id"], "task.running", after=blow)
    bed.remove(task["id"])
    wait_until(lambda: bed.node(host.name)["state"] == "ready")
    return {"stop and start of the engine itself": answers - blow, "task runs again after that": runs - answers}


def host(bed: Bed, number: int) -> dict[str, float]:
    """A host with 50 tasks loses its power; then the SDK starts as many on the same two engines."""
    victim, *others = bed.hosts
    for other in others:
        bed.ormen("mast", "cordon", other.name)
    tasks = bed.call("POST", "/v1/tasks?wait=running&timeout=200", {"image": IMAGE, "count": MANY, **SMALL}).json
    assert {(task["state"], task["node"]) for task in tasks} == {("running", victim.name)}
    for other in others:
        bed.ormen("mast", "activate", other.name)
    blow = time.time()
    victim.power_off()
    wait_until(lambda: all_run(bed, tasks, victim), timeout_s=120, what="for all tasks to run again")
    told = events_since(bed, blow)
    found = figures(told, blow)
    for task in tasks:
        bed.call("DELETE", f"/v1/tasks/{task['id']}?force=1")
    wait_until(lambda: not any(other.containers() for other in others), timeout_s=60)
    found["SDK, as many starts"] = sdk_starts(others, MANY)
    # An engine needs most of a minute to tidy up after fifty dead containers, which is not what is measured.
    for part in ("containers", "network"):
        shutil.rmtree(victim.folder / "data" / part)
    bed.power_on(victim)
    tidy(bed)
    return found


def partition(bed: Bed, number: int) -> dict[str, float]:
    """A host's cable is pulled until its five tasks run elsewhere: from plugging it in to one container a task."""
    victim, other = bed.hosts
    bed.ormen("mast", "cordon", other.name)
    tasks = bed.call("POST", "/v1/tasks?wait=running&timeout=60", {"image": IMAGE, "count": 5, **SMALL}).json
    bed.ormen("mast", "activate", other.name)
    victim.cut()
    wait_until(lambda: all_run(bed, tasks, victim), timeout_s=60)
    mended = time.time()
    victim.mend()
    ids = [task["id"] for task in tasks]
    wait_until(lambda: all(bed.running(task) == [other.name] for task in ids), timeout_s=30)
    one = time.time()
    tidy(bed)
    return {"one container a task": one - mended}


# What they share


def ours_replaced(bed: Bed, host: Host) -> float:
    """Let ormen replace the container of a fresh task, so that no back-off is counted."""
    task = bed.run(name="web", restart="always", **SMALL)
    took = replaced(host, "ormen.task", task["id"])
    bed.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
    bed.remove(task["id"])
    return took


def ours_retried(bed: Bed, host: Host) -> float:
    """Cut the pause of a crash loop short; from the request to the next container."""
    hears = ear(host)
    loop = {"entrypoint": ["sh", "-c", "exit 3"], "restart": "always", **SMALL}
    task = bed.submit(name="loop", **loop)["id"]
    bed.until(task, lambda now: now["state"] == "pending" and now["attempt"] == 4, timeout_s=60)
    asked = time.time()
    assert bed.call("POST", f"/v1/tasks/{task}/retry", {}).status == 202
    took = hears.start_of("ormen.task", task, after=asked) - asked
    bed.remove(task)
    return took


def sdk_start(host: Host, name: str) -> float:
    """Return how long the SDK needs to create and start what ormen does for such a task."""
    hears, api = ear(host), host.client.api
    begin = time.time()
    made = api.create_container(**sdk_container(api, host_port=None, name=name))
    api.start(made["Id"])
    took = hears.start_of("name", name, after=begin) - begin
    api.remove_container(made["Id"], force=True)
    return took


def sdk_starts(hosts: Sequence[Host], count: int) -> float:
    """Return how long the SDK needs for so many starts, spread over the hosts, four at once on each."""
    began = time.time()

    def start(number: int) -> None:
        api = hosts[number % len(hosts)].client.api
        made = api.create_container(**sdk_container(api, host_port=None, name=f"raw-{number}"))
        api.start(made["Id"])

    with ThreadPoolExecutor(AT_ONCE * len(hosts)) as pool:
        list(pool.map(start, range(count)))
    took = time.time() - began
    for each in hosts:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda item: item.remove(force=True), each.client.containers.list(ignore_removed=True)))
    return took


def join_swarm(host: Host) -> None:
    """Make the host's engine a swarm of its own, which ends with the host."""
    host.client.swarm.init(advertise_addr=host.address, listen_addr=host.address)


def swarm_replaced(host: Host, policy: Mapping[str, Any] | None) -> float:
    """Let Docker Swarm replace the container of a fresh service."""
    with service(host, policy) as name:
        return replaced(host, "com.docker.swarm.service.name", name)


@contextlib.contextmanager
def service(host: Host, policy: Mapping[str, Any] | None) -> Iterator[str]:
    """A service of one container, once it runs; its removal is waited for."""
    label = "com.docker.swarm.service.name"
    name = f"web{time.monotonic_ns()}"
    found = {"restart_policy": docker.types.RestartPolicy("any", delay=policy["Delay"])} if policy else {}
    hears = ear(host)
    made = host.client.services.create(IMAGE, name=name, endpoint_spec={"Mode": "dnsrr"}, **found)
    try:
        hears.start_of(label, name)
        # Swarm counts a task as running a moment after Docker does; a blow before that is another case.
        wait_until(lambda: [task["Status"]["State"] for task in made.tasks()] == ["running"])
        yield name
    finally:
        made.remove()
        wait_until(
            lambda: not host.client.containers.list(all=True, ignore_removed=True, filters={"label": f"{label}={name}"})
        )


def all_run(bed: Bed, tasks: Sequence[Mapping[str, Any]], gone: Host) -> bool:
    """Return whether every task runs, and none where it was."""
    now = bed.get("/v1/tasks?limit=1000")["items"]
    return len(now) == len(tasks) and all(each["state"] == "running" and each["node"] != gone.name for each in now)


def figures(told: Sequence[Mapping[str, Any]], blow: float) -> dict[str, float]:
    """Return what the events say of a host's loss, in seconds after the blow."""

    def times(kind: str) -> list[float]:
        return sorted(when(event) - blow for event in told if event["type"] == kind)

    placed, running = times("task.placed"), times("task.running")
    return {
        "lost": times("node.lost")[0],
        "all assigned": placed[MANY - 1],
        "first replacement runs": running[0],
        "all run": running[MANY - 1],
    }


def when(event: Mapping[str, Any]) -> float:
    """Return the time of an event in seconds since the epoch."""
    return datetime.fromisoformat(event["at"]).timestamp()


def moment(bed: Bed, task: str, kind: str, *, after: float) -> float:
    """Return when the first event of a kind was told of a task after that time."""
    return next(when(event) for event in bed.events(task) if event["type"] == kind and when(event) > after)


def ready_since(bed: Bed, node: str, after: float) -> float:
    """Return when a node was last told to be ready, 0 if that was before `after`."""
    told = [when(event) for event in events_since(bed, after) if (event["type"], event["node"]) == ("node.ready", node)]
    return next((at for at in told if at > after), 0.0)


def events_since(bed: Bed, since: float) -> list[dict[str, Any]]:
    """Return all events from that time on, at most 1,000."""
    at = datetime.fromtimestamp(since, UTC).isoformat().replace("+00:00", "Z")
    return list(bed.get(f"/v1/events?since={at}&limit=1000")["items"])


def tidy(bed: Bed) -> None:
    """Heal the bed and remove every task."""
    bed.heal()
    bed.settle()
