"""The agent's page, over real HTTP, and the facts that it shows."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ormen.node import Resources
from ormen.seed_stats import ZERO
from ormen.settings import Settings
from worker_agent import facts
from worker_agent.runtime import Engine
from worker_agent.status_api import StatusPage

ENGINE = Engine("e1", "20.10.24", "linux", "amd64", 4, 9_000_000_000, "/")


class Page:
    """A page whose answers a test can change."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.tasks: Any = [{"ID": "t1"}]
        self.page = StatusPage(
            ("127.0.0.1", 0),
            stats=lambda: facts.seed_stats(2),
            tasks=lambda: self.tasks.copy(),
            fault=lambda: self.fault,
        )

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.page.url + path, timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture
def page() -> Iterator[Page]:
    """Give a page that answers."""
    found = Page()
    found.page.start()
    yield found
    found.page.close()


@pytest.mark.parametrize("path", ["/tasks", "/tasks/", "/tasks?x=1"])
def test_tasks_are_listed_with_or_without_a_slash(page: Page, path: str) -> None:
    """The list of tasks is the injected one; a trailing slash and a query change nothing."""
    assert page.get(path) == (200, [{"ID": "t1"}])


def test_stats_have_every_group_of_the_seeds(page: Page) -> None:
    """The statistics hold each group with each key, of the type a Go client decodes."""
    status, found = page.get("/stats")
    assert status == 200
    assert found["TaskCount"] == 2
    for group, zeros in ZERO.items():
        for key, zero in zeros.items():
            assert type(found[group].get(key, zero)) is type(zero), (group, key)
    assert found["MemStats"]["mem_total"] > found["MemStats"]["mem_available"] > 0
    assert found["CpuStats"]["id"] == "cpu"
    assert found["DiskStats"]["all"] >= found["DiskStats"]["used"]


def test_health_is_503_with_the_fault(page: Page) -> None:
    """A well agent answers 200, another 503 with the sentence."""
    assert page.get("/healthz")[0] == 200
    page.fault = "Docker does not answer."
    assert page.get("/healthz") == (503, {"status": "fault", "message": "Docker does not answer."})


def test_an_unknown_page_is_404_in_the_seeds_form(page: Page) -> None:
    """Another path is the seeds' error body, which names the pages there are."""
    status, found = page.get("/nope")
    assert (status, found["HTTPStatusCode"]) == (404, 404)
    assert "/stats" in found["Message"]


def test_a_broken_answer_does_not_end_the_page(page: Page) -> None:
    """A page that cannot be made is 500 with the cause; the next request is answered."""
    page.tasks = None
    assert page.get("/tasks")[0] == 500
    page.tasks = []
    assert page.get("/tasks") == (200, [])


@pytest.mark.parametrize(("share", "cores"), [("1/1", 4000), ("1/3", 1333), ("0.5", 2000), ("1", 4000)])
def test_capacity_is_the_share_rounded_down(share: str, cores: int) -> None:
    """Three thirds never add up to more than the engine has."""
    found = facts.capacity(ENGINE, share)
    assert found.cpu_milli == cores
    part = facts.read_share(share)
    assert found.memory_bytes == int(9_000_000_000 * part)
    assert Resources(found.cpu_milli * 3, found.memory_bytes * 3).fits_in(Resources(12000, 27 * 10**9))


@pytest.mark.parametrize("share", ["", "0", "3/2", "1/0", "-1/2", "half"])
def test_a_bad_share_names_its_setting(share: str) -> None:
    """What is no part of a host is refused with the variable's name."""
    with pytest.raises(ValueError, match="ORMEN_SHARE"):
        facts.read_share(share)


def test_labels_are_read_from_a_list() -> None:
    """KEY=VALUE items, spaces around them ignored; anything else is refused with the variable's name."""
    assert facts.read_labels(" disk=ssd, zone=eu-west ,note=") == {"disk": "ssd", "zone": "eu-west", "note": ""}
    with pytest.raises(ValueError, match="ORMEN_NODE_LABELS"):
        facts.read_labels("disk")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "unix:///run/redis.sock", "redis://no-such.invalid"])
def test_the_address_faces_redis(url: str) -> None:
    """On one host, by a socket, or without a way to Redis the node's address is the loopback."""
    assert facts.facing(url) == "127.0.0.1"


def test_a_card_holds_what_the_settings_say() -> None:
    """The card takes name, address, share and labels from the settings and the rest from the engine."""
    settings = replace(Settings(), node="n1", address="10.0.0.5", share="1/2", node_labels="a=b", status_host="0.0.0.0")
    card = facts.card(settings, ENGINE, instance="i1")
    assert (card.name, card.instance, card.address) == ("n1", "i1", "10.0.0.5")
    assert card.status_url == "http://10.0.0.5:5556"
    assert (card.engine, card.arch, card.capacity.cpu_milli) == ("e1", "amd64", 2000)
    assert card.labels == {"a": "b"}


def test_usage_is_of_the_whole_host() -> None:
    """Memory and disk in use are above nothing; the load is per core."""
    found = facts.usage()
    assert found.used.memory_bytes > 0
    assert found.used.disk_bytes > 0
    assert found.load >= 0
