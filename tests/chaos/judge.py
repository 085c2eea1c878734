"""The judge: looks at Docker, the deck and Redis of a bed that is whole, and holds the book against them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from ormen.store import keys
from tests.chaos.book import REMOVED, WORKED, Book
from tests.chaos.clients import Away, Clients, ask
from tests.chaos.verdict import Flaw, Record, flaws, reservation_flaws
from tests.chaos.watcher import Box, Watcher
from tests.cluster.bed import Bed

CELERYS = r"_kombu\.binding\w*\..*|control|tick|node\.\w+|celery.*|.*pidbox.*|worker.*"
"""Keys that Celery makes for queues and for who listens to them."""
STAYS = ("cluster", "counts", "nodes:", "node:", "events", "figures", "loops", "turn", "allowed", "brake", "lease:")
"""Keys that a cluster without any task has."""


class Judge:
    """Asks everybody and compares."""

    def __init__(self, bed: Bed, book: Book, clients: Clients, watcher: Watcher) -> None:
        self.bed, self.book, self.clients, self.watcher = bed, book, clients, watcher
        self._seen: set[str] = set()
        self.jobs = 0
        """Completed jobs whose work Docker has confirmed."""

    def flaws(self, since: float) -> list[Flaw]:
        """Return what is not as it has to be, seen entirely after the time `since`; clients must be idle."""
        try:
            records, nodes = self.records(), self.nodes()
        except Away as away:
            return [Flaw("node", "", f"the deck does not answer: {away}")]
        boxes = self.watcher.boxes(since)
        if boxes is None:
            return [Flaw("node", "", "an engine does not answer")]
        found = [
            Flaw("node", node["name"], f"{node['name']} is {node['state']}")
            for node in nodes
            if node["state"] != "ready"
        ]
        found += [Flaw("foreign", "", text) for text in self.watcher.touched()]
        return found + flaws(self.book, records, boxes)

    def crimes(self) -> Iterator[Flaw]:
        """Yield what no healing makes good: answers that nobody deserved, and tasks that ran twice for too long."""
        for text in self.clients.faults:
            yield Flaw("said", "", text)
        for task, boxes in self.watcher.doubled.items():
            yield Flaw("doubled", task, f"ran twice beside itself: {', '.join(map(str, boxes))}")
        yield from self._short_jobs()

    def _short_jobs(self) -> Iterator[Flaw]:
        """Yield each job that is completed although Docker says that its program was ended before its work was done."""
        records = self.records()
        for entry in self.book.present():
            record = records.get(entry.id)
            if entry.lives_on or entry.wanted != "running" or record is None or record["state"] != "completed":
                continue
            if record["container_id"] in (None, *self._seen):
                continue
            said = self._said(record)
            if said is None:
                continue
            self._seen.add(record["container_id"])
            self.jobs += 1
            if WORKED not in said:
                yield Flaw("ended", entry.id, f"{entry.name} ({entry.id}) is completed; its program was ended at work")

    def _said(self, record: Record) -> str | None:
        """Return what a task's last container printed, as Docker has it; None if there is none any more."""
        host = next(host for host in self.bed.hosts if host.name == record["node"])
        try:
            return bytes(host.client.api.logs(record["container_id"])).decode()
        except (DockerException, RequestException):
            return None

    def records(self) -> dict[str, Record]:
        """Return every task that the deck has, by id."""
        found: dict[str, Record] = {}
        cursor = ""
        while True:
            page = self._get(f"/v1/tasks?limit=500{cursor}")
            found |= {item["id"]: item for item in page["items"]}
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"

    def nodes(self) -> list[Record]:
        """Return every node."""
        return list(self._get("/v1/nodes")["items"])

    def _get(self, path: str) -> Any:
        status, document = ask(self.bed, "GET", path)
        if status != 200:
            raise Away(f"{path}: {status}")
        return document

    # At the end

    def reservations(self) -> list[Flaw]:
        """Return what nodes have reserved beyond what lives there, or less."""
        nodes = [self._get(f"/v1/nodes/{node['name']}") for node in self.nodes()]
        return reservation_flaws(nodes, self.records())

    def remains(self) -> list[Flaw]:
        """Return what is left of a cluster whose tasks have all been removed: containers, keys, amounts."""
        boxes: list[Box] = self.watcher.boxes() or []
        found = [Flaw("left", box.task, f"all is removed, but container {box} is there") for box in boxes]
        found += [
            Flaw("left", entry.id, f"{entry.name} was not removed") for entry in self.book if entry.wanted != REMOVED
        ]
        table = [
            re.escape(row.split()[0]) for row in (keys.__doc__ or "").splitlines() if re.match(r"[a-z][\w:<>]*  ", row)
        ]
        known = re.compile("|".join(re.sub(r"<\w+>", "[^:]+", name) for name in table))
        with self.bed.redis.client() as client:
            for key in map(str, client.scan_iter(count=1000)):
                ours = key.removeprefix("ormen:")
                if ours == key:
                    found += [] if re.fullmatch(CELERYS, key) else [Flaw("left", "", f"a key that is nobody's: {key}")]
                elif not known.fullmatch(ours):
                    found.append(Flaw("left", "", f"a key that the table does not know: {key}"))
                elif not ours.startswith(STAYS) or ours.endswith((":tasks", ":inbox", ":groups")):
                    found.append(Flaw("left", "", f"a key without a task: {key}"))
        return found
