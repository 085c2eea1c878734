"""How long ``ormen run`` waits for many tasks, as a process against a deck that answers from documents."""

from __future__ import annotations

import time
import uuid

from cli_stub import UP, Answer, deck, ormen

from ormen.cli.run_wait import STEADY_S

MANY = 14


def test_many_tasks_prove_themselves_steady_at_the_same_time() -> None:
    """Each task is to be seen running for half a second, and those half seconds run side by side, not in a row."""
    plain = {**UP, "health": None, "spec": {"image": "nginx"}}
    tasks = [{**plain, "id": str(uuid.uuid4()), "name": f"web-{place}"} for place in range(1, MANY + 1)]
    answers = {f"GET /v1/tasks/{task['id']}": task for task in tasks}
    with deck({"POST /v1/tasks": Answer(201, tasks), **answers}) as stub:
        began = time.monotonic()
        result = ormen("run", "--count", str(MANY), "--name", "web", "nginx", at=stub.address)
        took_s = time.monotonic() - began
    assert (result.returncode, len(result.stdout.split())) == (0, MANY)
    assert result.stderr == f"{MANY} of {MANY} tasks run\n"
    assert took_s < MANY * STEADY_S * 2 / 3
