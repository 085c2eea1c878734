"""A Celery task that runs a container to its end.

The container's id is the Celery task's own. So when the worker dies and the message is delivered again
(``acks_late``), the second run finds the first one's container, waits for it, and starts nothing twice. The record is
left for that; the deck removes it after seven days.

    celery -A examples.celery_task worker
    >>> from examples.celery_task import run_image
    >>> run_image.delay("ormen/echo:1", ["echo", "hello"]).get()
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task

from ormen import Client
from ormen.errors import Unavailable

REDIS = os.environ.get("CELERY_REDIS", "redis://localhost:6379/1")
app = Celery("reports", broker=REDIS, backend=REDIS)


@app.task(bind=True, acks_late=True, autoretry_for=(Unavailable,), retry_backoff=True)
def run_image(self: Task[Any, list[str]], image: str, command: list[str], timeout_s: float = 600) -> list[str]:
    """Return the lines that the command printed; raise TaskFailed with the reason if it failed."""
    deck = Client(patience=60)
    task = deck.run(image, id=self.request.id, entrypoint=command, restart="no")
    task.wait("completed", timeout=timeout_s)
    return list(task.logs())
