"""Who comes first, on real hosts: many clients, two decks, and nodes that come and go meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.living import IMAGE, Answer, new_id
from tests.cluster.bed import Bed, Deck, another_deck
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)
CLIENTS = 16


@pytest.fixture(scope="module")
def other(living_fleet: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """A second deck on the same Redis."""
    with another_deck(living_fleet, tmp_path_factory.mktemp("other")) as found:
        yield found


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Make the calls from sixteen clients and return their answers in order."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        return [future.result() for future in [clients.submit(call) for call in calls]]


def submits(decks: Sequence[Deck], count: int, **spec: Any) -> list[Callable[[], Answer]]:
    """So many submissions of one kind, to the decks in turn."""

    def submit(number: int) -> Answer:
        body = {"id": new_id(), "name": f"racer-{number}", "image": IMAGE, "stop_grace": "1s", **spec}
        return decks[number % len(decks)].call("POST", "/v1/tasks", body)

    return [partial(submit, number) for number in range(count)]


def within_bounds(fleet: Bed) -> bool:
    """Whether no node has given away more than it has, and no engine a host port twice."""
    nodes = fleet.get("/v1/nodes")["items"]
    over = [node["name"] for node in nodes if node["reserved"]["cpu"] > node["capacity"]["cpu"]]
    ports = Counter(
        (host.name, binding["HostPort"])
        for host in fleet.hosts
        for item in host.containers()
        for bindings in (item.attrs["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
        if item.status == "running"
    )
    return not over and all(count == 1 for count in ports.values())


def test_the_last_slots_are_given_once(fleet: Bed, other: Deck) -> None:
    """Forty submits to two decks for room for six: six run, the rest wait, and what is freed is filled again."""
    slots = sum(int(node["capacity"]["cpu"]) for node in fleet.get("/v1/nodes")["items"])
    answers = at_once(submits((fleet, other), 40, cpu=1, memory="8MiB"))
    assert {answer.status for answer in answers} == {201}
    records = [answer.json for answer in answers]
    placed = [record for record in records if record["state"] == "scheduled"]
    assert len(placed) == slots
    wait_until(lambda: len([item for item in fleet.containers() if item.status == "running"]) == slots)
    assert within_bounds(fleet)
    at_once([partial(fleet.call, "DELETE", f"/v1/tasks/{record['id']}?force=1") for record in placed])
    removed = {record["id"] for record in placed}
    wait_until(lambda: not {item.labels["ormen.task"] for item in fleet.containers()} & removed)
    wait_until(lambda: len([item for item in fleet.containers() if item.status == "running"]) == slots)
    assert within_bounds(fleet)


def test_a_host_port_is_given_once_a_host(fleet: Bed, other: Deck) -> None:
    """Twenty submits to two decks for one host port: one on each host runs, the others say who has it."""
    answers = at_once(submits((fleet, other), 20, ports=[{"container": 7777, "host": 8080}]))
    waiting = [answer.json for answer in answers if answer.json["state"] == "pending"]
    assert len(waiting) == 20 - len(fleet.hosts)
    assert {record["reason"]["code"] for record in waiting} == {"FIT_PORT"}
    wait_until(lambda: sorted(item.status for item in fleet.containers()) == ["running"] * len(fleet.hosts))
    assert within_bounds(fleet)


def test_one_id_from_many_clients_is_one_task(fleet: Bed, other: Deck) -> None:
    """Sixteen clients send one id to two decks: each hears 201 and the same task, and one container runs."""
    body = {"id": new_id(), "name": "web", "image": IMAGE}
    answers = at_once([partial(deck.call, "POST", "/v1/tasks", body) for deck in (fleet, other) * 8])
    assert [(answer.status, answer.json["id"], answer.json["attempt"]) for answer in answers] == [
        (201, body["id"], 1)
    ] * CLIENTS
    task = fleet.until(str(body["id"]), lambda now: now["state"] == "running")
    assert fleet.running(task["id"]) == [task["node"]]
    other_content = other.call("POST", "/v1/tasks", {**body, "cpu": 0.2})
    assert (other_content.status, other_content.json["code"]) == (409, "ID_TAKEN")


def test_a_drain_during_submits_leaves_nothing_there(fleet: Bed, other: Deck) -> None:
    """While thirty tasks are submitted a host is drained: in the end each task runs once, and none of them there."""
    calls = submits((fleet, other), 30, cpu=0.05, memory="8MiB")
    calls.insert(10, lambda: other.call("POST", "/v1/nodes/host7/drain", {}))
    answers = at_once(calls)
    assert {answer.status for answer in answers} == {201, 202}
    ids = [answer.json["id"] for answer in answers if answer.status == 201]
    wait_until(lambda: all(fleet.task(task)["state"] == "running" for task in ids), timeout_s=60)
    wait_until(lambda: not fleet.hosts[0].containers(), timeout_s=30)
    assert sorted(len(fleet.running(task)) for task in ids) == [1] * 30


def test_a_host_that_returns_full_takes_no_more_than_it_can(fleet: Bed) -> None:
    """A lost host comes back with its old containers while another wants its room and port: neither is given twice."""
    body = {"cpu": 1, "memory": "8MiB", "ports": [{"container": 7777, "host": 8080}], "stop_grace": "1s"}
    old = fleet.run(name="old", constraints=["node in (host7,host8)"], **body)
    host = fleet.host_of(old)
    host.cut()
    fleet.until(old["id"], lambda now: now["state"] == "running" and now["node"] != host.name, timeout_s=30)
    fresh = fleet.submit(name="fresh", constraints=[f"node={host.name}"], **body)
    host.mend()
    ran = fleet.until(fresh["id"], lambda now: now["state"] == "running", timeout_s=30)
    assert ran["attempt"] == 1, fleet.sentences(fresh["id"])
    assert host.containers(old["id"]) == []
    assert within_bounds(fleet)


def test_two_decks_start_a_waiting_task_once(fleet: Bed, other: Deck, tmp_path: Path) -> None:
    """Both decks' loops look at what waits; when room comes each task gets one attempt."""
    for host in fleet.hosts:
        assert fleet.call("POST", f"/v1/nodes/{host.name}/cordon", {}).status == 202
    ids = [answer.json["id"] for answer in at_once(submits((fleet, other), 12, cpu=0.1, memory="8MiB"))]
    at_once([partial(other.call, "POST", f"/v1/nodes/{host.name}/activate", {}) for host in fleet.hosts])
    wait_until(lambda: all(fleet.task(task)["state"] == "running" for task in ids), timeout_s=60)
    assert [(fleet.task(task)["attempt"], len(fleet.running(task))) for task in ids] == [(1, 1)] * 12
