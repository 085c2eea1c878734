"""The deck's three kinds of processes together: the loops tick, old ticks are dropped, and each ends when asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from manager_api.__main__ import drop_old_ticks
from manager_api.control.app import make_worker_app
from ormen.messages import CONTROL_QUEUE, TICK_QUEUE
from ormen.settings import Settings
from ormen.store.loops import LoopStore
from tests.waiting import wait_until


@contextmanager
def process(role: str, settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Run one of the deck's processes for the length of a block; it must end by itself when asked."""
    environment = {**os.environ, **settings.to_env()}
    running = subprocess.Popen(
        [sys.executable, "-m", "manager_api", role], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            said = running.communicate(timeout=20)[1]
        finally:
            running.kill()
    assert running.returncode == 0, said
    assert "Traceback" not in said


def test_beat_and_the_control_worker_make_the_deck_ready(
    api: FlaskClient, settings: Settings, store: LoopStore
) -> None:
    """Each loop is ticked by beat and run by the worker; /readyz says so, and nothing gathers in the queue."""
    with process("control", settings), process("beat", settings):
        wait_until(lambda: api.get("/readyz").status_code == 200, timeout_s=40)
        wait_until(lambda: {"liveness", "reschedule", "health"} <= set(store.loops()), timeout_s=40)
        wait_until(lambda: store.queue_lengths([TICK_QUEUE])[TICK_QUEUE] == 0)


def test_ticks_that_gathered_are_dropped_at_the_start(settings: Settings, store: LoopStore) -> None:
    """After a night without a worker there is nothing to work off; rings are kept."""
    store.client.rpush(TICK_QUEUE, *["{}"] * 500)
    store.client.rpush(CONTROL_QUEUE, "{}")
    drop_old_ticks(make_worker_app(settings))
    assert store.queue_lengths([TICK_QUEUE, CONTROL_QUEUE]) == {TICK_QUEUE: 0, CONTROL_QUEUE: 1}


def test_the_worker_starts_without_redis(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that is away when the worker starts costs a line in the log and no more."""
    drop_old_ticks(make_worker_app(replace(settings, redis_url="redis://127.0.0.1:1/0")))
    assert "old ticks were not dropped" in caplog.text
