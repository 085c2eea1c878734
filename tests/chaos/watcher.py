"""Eyes on Docker itself: what runs on each engine, seen several times a second, whatever ormen says of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import docker
import redis
from docker.errors import DockerException
from requests.exceptions import RequestException

from tests.chaos.plan import HOSTS
from tests.cluster.bed import Bed
from tests.cluster.hosts import Host

EVERY_S = 0.4
LOOK_S = 3.0
"""How long one look at an engine may take."""
TWICE_S = 5.0
"""How long two containers of one task may run beside each other once both hosts can be reached."""
FRESH_S = 2.0
"""How old what is known of a host may be: Docker's list, and its agent's heartbeat, which comes every second."""
STILL = ("running", "paused", "restarting")


@dataclass(frozen=True, slots=True)
class Box:
    """A container of ormen's as an engine lists it."""

    host: str
    id: str
    task: str
    attempt: int
    state: str

    @property
    def runs(self) -> bool:
        """Return whether it has processes."""
        return self.state in STILL

    def __str__(self) -> str:
        return f"{self.id[:12]} on {self.host}, attempt {self.attempt}, {self.state}"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one engine had at one time; `foreign` are the containers that are not this cluster's."""

    host: str
    began: float
    boxes: tuple[Box, ...] = ()
    foreign: Mapping[str, str] = field(default_factory=dict)


def boxes_of(host: str, listed: Iterable[Mapping[str, Any]], cluster: str) -> tuple[Box, ...]:
    """Return those of an engine's containers that carry the cluster's label."""
    found = []
    for item in listed:
        labels = item.get("Labels") or {}
        if labels.get("ormen.cluster") == cluster:
            attempt = int(labels.get("ormen.attempt", 0))
            found.append(Box(host, item["Id"], labels.get("ormen.task", ""), attempt, item["State"]))
    return tuple(found)


class Twice:
    """How long each task has been seen to run twice while whoever has to see to it could."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self.longest_s = 0.0

    def look(self, boxes: Iterable[Box], able: Mapping[str, bool], now: float) -> dict[str, list[Box]]:
        """Take one view of all engines; return what has run twice for too long.

        The time counts only while all hosts with a container of the task are `able`, and begins anew otherwise.
        """
        running: dict[str, list[Box]] = {}
        for box in boxes:
            if box.runs:
                running.setdefault(box.task, []).append(box)
        double = {task: found for task, found in running.items() if len(found) > 1}
        able_ones = {task for task, found in double.items() if all(able[box.host] for box in found)}
        self._since = {task: self._since.get(task, now) for task in able_ones}
        self.longest_s = max([self.longest_s, *(now - since for since in self._since.values())])
        return {task: double[task] for task, since in self._since.items() if now - since > TWICE_S}


class Watcher:
    """Looks at every engine by itself, each with a thread; and at all of them together for what runs twice."""

    def __init__(self, bed: Bed, disturbed: set[str]) -> None:
        self.bed = bed
        self.disturbed = disturbed
        """The hosts, and ``redis``, that a fault holds just now."""
        self.samples = {name: Sample(name, 0.0) for name in HOSTS}
        self.twice = Twice()
        self.doubled: dict[str, list[Box]] = {}
        self.foreign: dict[str, list[str]] = {}
        self.looks = 0
        self._over = Event()
        self._cluster = bed.id
        self._threads = [Thread(target=self._watch, args=(host,), daemon=True) for host in bed.hosts]
        self._threads.append(Thread(target=self._compare, daemon=True))

    def __enter__(self) -> Watcher:
        for host in self.bed.hosts:
            self.foreign[host.name] = plant(host)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(LOOK_S + 1)

    def boxes(self, since: float = 0.0) -> list[Box] | None:
        """Return all containers of the cluster; None if an engine has not been seen since then."""
        samples = list(self.samples.values())
        if any(sample.began < since for sample in samples):
            return None
        return [box for sample in samples for box in sample.boxes]

    def touched(self) -> list[str]:
        """Return a sentence for each foreign container that is gone, or that does not run although its engine does."""
        found = []
        for host, ids in self.foreign.items():
            there = self.samples[host].foreign
            found += [
                f"foreign container {each[:12]} on {host} is {there.get(each, 'gone')}"
                for each in ids
                if there.get(each) != "running"
            ]
        return found

    def _watch(self, host: Host) -> None:
        while not self._over.wait(EVERY_S):
            began = time.time()
            client = docker.APIClient(base_url=host.socket, version="1.41", timeout=LOOK_S)
            with contextlib.closing(client), contextlib.suppress(DockerException, RequestException, OSError):
                listed = client.containers(all=True)
                boxes = boxes_of(host.name, listed, self._cluster)
                ours = {box.id for box in boxes}
                foreign = {item["Id"]: item["State"] for item in listed if item["Id"] not in ours}
                self.samples[host.name] = Sample(host.name, began, boxes, foreign)
                self.looks += 1

    def _compare(self) -> None:
        client = redis.Redis.from_url(self.bed.redis.url, decode_responses=True, socket_timeout=1)
        with contextlib.closing(client):
            while not self._over.wait(EVERY_S / 2):
                able = {name: self._able(client, name) for name in HOSTS}
                self.doubled |= self.twice.look(self.boxes() or [], able, time.time())

    def _able(self, client: redis.Redis, name: str) -> bool:
        """Return whether a host is within reach: nothing holds it, and its agent has just spoken.

        Not asked is whether the deck calls it ready, which it does only once no replaced container is left there.
        """
        if {name, "redis"} & self.disturbed or time.time() - self.samples[name].began > FRESH_S:
            return False
        try:
            age_s = int(client.time()[0]) - float(client.zscore("ormen:nodes:heartbeats", name) or 0) / 1000
        except redis.RedisError:
            return False
        return age_s < FRESH_S


def plant(host: Host) -> list[str]:
    """Start containers on a host that are none of ormen's business, though they look like it; return their ids."""
    looks = (
        {},
        {"ormen.cluster": "another", "ormen.task": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", "ormen.node": host.name},
    )
    found = []
    for number, labels in enumerate(looks):
        box = host.client.containers.run(
            "ormen/echo:1",
            name=f"always-{number + 1}.0123456789",
            labels=labels,
            detach=True,
            restart_policy={"Name": "always"},
        )
        found.append(str(box.id))
    return found
