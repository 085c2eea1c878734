"""Somebody who takes every message out of a queue before its consumer can: so a worker is alive and deaf."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis

HANDS, WAIT_S = 4, 4.0
"""Redis serves whoever has waited longest. The consumer waits anew each second, these in turn and for longer."""


@contextmanager
def thief(client: redis.Redis, queue: str) -> Iterator[None]:
    """Steal until the block ends."""
    over = threading.Event()

    def steal(first_s: float) -> None:
        wait_s = first_s
        while not over.is_set():
            # On a machine that is busy Redis' own "nothing came" may come too late for the client.
            with suppress(redis.TimeoutError):
                client.brpop([queue], timeout=wait_s)
            wait_s = WAIT_S

    turns = [WAIT_S / HANDS * (number + 1) for number in range(HANDS)]
    threads = [threading.Thread(target=steal, args=[first_s], daemon=True) for first_s in turns]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        client.close()
