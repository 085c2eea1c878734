"""Clients that submit, stop, restart and remove tasks at random, and repeat what was not answered until it is."""

from __future__ import annotations

import http.client
import json
import random
import time
from threading import Event, Thread

from tests.chaos.book import REMOVED, RUNNING, STOPPED, Book, Entry
from tests.cluster.bed import Bed

PATIENCE_S = 4.0
"""How long a client waits for one answer."""
FEW, MANY = 10, 18
"""Tasks in the book under which clients only submit, and from which on they do not."""
VERBS = ("stop", "restart", "remove")
WEIGHTS = (2, 3, 5)


class Away(Exception):
    """The deck has not answered, or has said that it cannot now; the request may have been carried out."""


def ask(bed: Bed, method: str, path: str, body: object = None, *, patience_s: float = PATIENCE_S) -> tuple[int, object]:
    """Return status and document of one answer; raise Away if there is none, or only a 503."""
    connection = http.client.HTTPConnection(bed.host, bed.port, timeout=patience_s)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bed.token}"}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        raise Away(f"{type(fault).__name__} {fault}") from fault
    finally:
        connection.close()
    if answer.status == 503:
        raise Away("503")
    return answer.status, json.loads(text) if text else None


class Clients:
    """Several clients, each with a thread and a random sequence of its own."""

    def __init__(self, bed: Bed, book: Book, *, seed: int, count: int = 3) -> None:
        self.bed = bed
        self.book = book
        self.faults: list[str] = []
        """Answers that no request of theirs deserves."""
        self._open = Event()
        self._over = False
        self._idle = [Event() for _ in range(count)]
        rngs = [random.Random(f"client {number} {seed}") for number in range(count)]
        self._threads = [
            Thread(target=self._work, args=item, daemon=True) for item in zip(rngs, self._idle, strict=True)
        ]
        self.asked = self.repeated = 0

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._open.set()
        for thread in self._threads:
            thread.join(PATIENCE_S + 1)

    def go_on(self) -> None:
        """Let them ask."""
        for idle in self._idle:
            idle.clear()
        self._open.set()

    def pause(self) -> None:
        """Let each finish what it asks just now, and ask nothing more."""
        self._open.clear()

    @property
    def idle(self) -> bool:
        """Return whether, after `pause`, nobody has a request under way."""
        return all(idle.is_set() for idle in self._idle)

    def _work(self, rng: random.Random, idle: Event) -> None:
        while not self._over:
            if not self._open.is_set():
                idle.set()
                self._open.wait()
                continue
            entry, verb = self._choose(rng)
            if entry is not None:
                self._carry_out(entry, verb)
                self.book.give_back(entry)
            time.sleep(rng.uniform(0.3, 1.0))
        idle.set()

    def _choose(self, rng: random.Random) -> tuple[Entry | None, str]:
        count = len(self.book.present())
        if count < FEW or (count < MANY and rng.random() < 0.4):
            return self.book.new(rng), "submit"
        return self.book.take(rng), rng.choices(VERBS, WEIGHTS)[0]

    def _carry_out(self, entry: Entry, verb: str) -> None:
        method, path, body, good = {
            "submit": ("POST", "/v1/tasks", {"id": entry.id, **entry.spec}, (201,)),
            "stop": ("POST", f"/v1/tasks/{entry.id}/stop", {}, (202,)),
            "restart": ("POST", f"/v1/tasks/{entry.id}/restart", {}, (202,)),
            "remove": ("DELETE", f"/v1/tasks/{entry.id}?force=1", None, (204,)),
        }[verb]
        doubt = False
        while not self._over:
            self.asked += 1
            try:
                status, document = ask(self.bed, method, path, body)
            except Away as away:
                self.repeated += 1
                if not doubt:
                    entry.note(f"{verb} in doubt: {away}")
                doubt = True
                time.sleep(0.2)
                continue
            entry.note(f"{verb} answered {status}")
            if status in good or (verb == "remove" and doubt and status == 404):
                entry.wanted = {"stop": STOPPED, "remove": REMOVED}.get(verb, RUNNING)
            else:
                self.faults.append(f"{verb} of {entry.name} ({entry.id}) was answered {status}: {document}")
            return
