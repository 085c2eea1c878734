"""A postman who loses, doubles and holds back the messages that are put into Celery's queues, one in ten of each.

He stands in the line of whoever sends, understands just enough of Redis's protocol to see a message being pushed,
and answers for it as Redis would: with the length of the queue. What a script is to push he takes out of its hands.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import redis

LATE_S = 1.0
"""How long a message is held back."""
QUEUES = (b"node.", b"control", b"tick")
NOWHERE = "postman"
"""A key that nobody listens to."""


class Postman:
    """Gives each connection an edit of its own; `did` counts what was done to how many messages."""

    def __init__(self, client: redis.Redis, *, seed: int) -> None:
        self.did: Counter[str] = Counter()
        self._client = client
        self._rng = random.Random(seed)

    def __call__(self) -> Callable[[bytes], bytes]:
        """Return what alters the commands of one connection."""
        left = bytearray()

        def edit(piece: bytes) -> bytes:
            left.extend(piece)
            out = bytearray()
            while words := take(left):
                out += pack(self._deliver(words))
            return bytes(out)

        return edit

    def _deliver(self, words: Sequence[bytes]) -> Sequence[bytes]:
        if words[0].upper() == b"EVALSHA" and b'"rings"' in words[-1]:
            return [*words[:-1], self._in_script(words[-1])]
        if words[0].upper() != b"LPUSH" or not words[1].startswith(QUEUES):
            return words
        fate = self._fate()
        if fate == "doubled":
            return [*words, *words[2:]]
        if fate == "late":
            self._later(words[1:])
        return words if fate == "delivered" else [b"LLEN", words[1]]

    def _in_script(self, text: bytes) -> bytes:
        """Return the arguments of a script that rings nodes: for it each ring is sent, wherever it goes."""
        arguments = json.loads(text)
        for node, ring in arguments["rings"].items():
            fate = self._fate()
            if fate == "doubled":
                self._client.lpush(*ring)
            if fate == "late":
                self._later(ring)
            if fate in ("late", "lost"):
                arguments["rings"][node] = [NOWHERE, ring[1]]
        return json.dumps(arguments).encode()

    def _fate(self) -> str:
        fate = self._rng.choices(("lost", "doubled", "late", "delivered"), (1, 1, 1, 7))[0]
        self.did[fate] += 1
        return fate

    def _later(self, message: Sequence[bytes | str]) -> None:
        timer = threading.Timer(LATE_S, self._client.lpush, message)
        timer.daemon = True
        timer.start()


def take(left: bytearray) -> list[bytes]:
    """Take one whole command out of what has come; nothing if its end has not."""
    end = left.find(b"\r\n")
    if end < 0:
        return []
    words, at = [], end + 2
    for _ in range(int(left[1:end])):
        end = left.find(b"\r\n", at)
        length = int(left[at + 1 : end]) if end >= 0 else 0
        if end < 0 or len(left) < end + 4 + length:
            return []
        words.append(bytes(left[end + 2 : end + 2 + length]))
        at = end + 4 + length
    del left[:at]
    return words


def pack(words: Sequence[bytes]) -> bytes:
    """Return a command as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
