"""A host whose disk is full, and a host whose clock is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.bed import Bed, bed
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def small_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A deck with two hosts; the first one's engine has a disk of 120 MB."""
    with bed(tmp_path_factory.mktemp("small"), disk_mb=120) as found:
        yield found


@pytest.fixture
def deck(small_bed: Bed) -> Bed:
    """The deck without any task and with both hosts ready."""
    small_bed.settle()
    return small_bed


def test_a_host_whose_disk_is_full_is_said_and_passed_over(deck: Bed) -> None:
    """A task that a full disk refuses says so, runs on another host, and what ran before runs on."""
    full, other = deck.hosts
    before = deck.run(name="before", constraints=[f"node={full.name}"])
    full.fill_disk()
    deck.ormen("mast", "cordon", other.name)
    task = deck.submit(name="web")
    refused = deck.until(task["id"], lambda now: now["state"] == "pending" and now["reason"])
    assert (refused["reason"]["code"], full.name in refused["reason"]["sentence"]) == ("DISK_FULL", True), refused
    deck.ormen("mast", "activate", other.name)
    deck.until(task["id"], lambda now: now["state"] == "running" and now["node"] == other.name)
    assert deck.task(before["id"]) == before
    full.free_disk()
    deck.run(name="after", constraints=[f"node={full.name}"])


def test_a_wrong_clock_on_a_host_decides_nothing(deck: Bed) -> None:
    """An hour ahead: its node is ready, its tasks run, crash and are replaced at once, and all times are Redis's."""
    host = deck.hosts[1]
    host.set_clock(3600)
    deck.rejoin(host)
    wait_until(lambda: deck.node(host.name)["clock_skew_ms"] > 3_590_000)
    task = deck.run(name="clocked", constraints=[f"node={host.name}"])
    host.client.containers.get(task["container_id"]).kill()
    again = deck.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
    wait_until(lambda: task["started_at"] < again["started_at"] < deck.node(host.name)["last_heartbeat_at"])
    assert deck.node(host.name)["state"] == "ready"
    host.reset_clock()
    deck.rejoin(host)
    wait_until(lambda: abs(deck.node(host.name)["clock_skew_ms"]) < 5000)
    assert deck.task(task["id"]) == again
