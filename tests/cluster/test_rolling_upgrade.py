"""Every part restarted one by one while clients go on: nobody's container notices, and no answer is a refusal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from tests.acceptance.living import IMAGE, new_id
from tests.cluster.bed import Bed, Deck, another_deck
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(240)
CLIENTS = 4


@dataclass
class Load:
    """Clients that submit, read and remove without a pause; where one deck does not answer they ask the other."""

    decks: Sequence[Deck]
    answers: list[tuple[str, int]] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def call(self, method: str, path: str, body: object = None) -> int:
        """Repeat a request until one of the decks answers it, and note the answer."""
        while True:
            for deck in self.decks:
                try:
                    answer = deck.call(method, path, body)
                except (ConnectionError, RemoteDisconnected):
                    continue  # nobody listens there just now: no answer is no refusal
                self.answers.append((f"{method} {path}: {answer.text[:300]}", answer.status))
                return answer.status

    def client(self) -> None:
        """Go round until the load ends."""
        while not self.ended.is_set():
            body = {"id": new_id(), "image": IMAGE, "cpu": 0.01, "memory": "8MiB", "stop_grace": "1s"}
            self.call("POST", "/v1/tasks", body)
            self.submitted.append(str(body["id"]))
            self.call("GET", "/v1/tasks?limit=20")
            self.call("GET", "/v1/nodes")
            self.call("DELETE", f"/v1/tasks/{body['id']}?force=1")

    @property
    def refusals(self) -> list[str]:
        """Every answer that was not 2xx."""
        return [text for text, status in self.answers if not 200 <= status < 300]


@contextmanager
def load(*decks: Deck) -> Iterator[Load]:
    """Clients at work for the length of a block."""
    found = Load(decks)
    threads = [threading.Thread(target=found.client, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.ended.set()
        for thread in threads:
            thread.join(60)


def lives(fleet: Bed, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Which container each task has and since when it runs, as Docker says."""
    found = [item for task in ids for item in fleet.containers(task)]
    return {item.labels["ormen.task"]: (item.id, item.attrs["State"]["StartedAt"]) for item in found}


def restart_sailors(fleet: Bed) -> None:
    """Restart each host's sailor in order, and wait until it is back before the next."""
    for host in fleet.hosts:
        host.sailors[-1].terminate()
        host.sailors[-1].wait(20)
        joined = host.log.count("joined")
        fleet.rejoin(host)
        wait_until(lambda before=joined, log=host: log.log.count("joined") > before, what=f"for {host.name}")  # type: ignore[misc]
        fleet.until_node(host.name, "ready")


def test_an_upgrade_under_load_disturbs_nobody(fleet: Bed, tmp_path: Path) -> None:
    """Each sailor and each of two decks is restarted in turn under load: 2xx only, and every container runs on."""
    ids = [fleet.run(name=f"old-{number}", cpu=0.01, memory="8MiB")["id"] for number in range(6)]
    with another_deck(fleet, tmp_path / "other") as other:
        before = lives(fleet, ids)
        with load(fleet, other) as at_work:
            restart_sailors(fleet)
            for deck in (fleet, other):
                done = len(at_work.answers)
                deck.stop(signal.SIGTERM)
                wait_until(lambda before=done: len(at_work.answers) > before + 20, what="for the other deck")  # type: ignore[misc]
                deck.start()
        assert at_work.refusals == []
        assert len(at_work.submitted) > 20
    lost = [event["sentence"] for event in fleet.get("/v1/events?limit=1000")["items"] if event["type"] == "node.lost"]
    assert (lost, lives(fleet, ids)) == ([], before)
    assert {fleet.task(task)["attempt"] for task in ids} == {1}
    wait_until(lambda: len(fleet.containers()) == len(ids), timeout_s=30, what="for the load's containers to go")
