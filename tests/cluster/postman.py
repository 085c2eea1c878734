"""A postman who loses, doubles and holds back the messages that Celery puts into Redis, one in ten of each.

He stands in the line of whoever sends, understands just enough of Redis's protocol to see a message being pushed,
and answers for it as Redis would: with the length of the queue.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import redis

LATE_S = 1.0
"""How long a message is held back."""
QUEUES = (b"node.", b"control", b"tick")


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
        if words[0].upper() != b"LPUSH" or not words[1].startswith(QUEUES):
            return words
        fate = self._rng.choices(("lost", "doubled", "late", "delivered"), (1, 1, 1, 7))[0]
        self.did[fate] += 1
        if fate == "doubled":
            return [*words, *words[2:]]
        if fate == "late":
            timer = threading.Timer(LATE_S, self._client.lpush, words[1:])
            timer.daemon = True
            timer.start()
        return words if fate == "delivered" else [b"LLEN", words[1]]


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
