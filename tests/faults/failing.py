"""Faults of nodes, of ormen itself, and of requests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from manager_api.app import create_app
from tests.acceptance.living import Answer
from tests.faults.ground import SMALL, Ground
from tests.faults.provoking import Asked, fault
from tests.waiting import wait_until


@fault("a task's node is drained")
def a_tasks_node_is_drained(ground: Ground) -> Iterator[Asked]:
    task = ground.run_beside("spare", "anchor")
    with ground.marked("spare", "drain"):
        yield Asked(task["id"])


@fault("a task's node falls silent")
def a_tasks_node_falls_silent(ground: Ground) -> Iterator[Asked]:
    task = ground.run_beside("mute")
    with ground.frozen("mute", silent_s=40):
        yield Asked(task["id"])


@fault("a task's engine is gone")
def a_tasks_engine_is_gone(ground: Ground) -> Iterator[Asked]:
    task = ground.run_beside("sick")
    with ground.without_engine("sick"):
        _until_moved(ground, task["id"], "sick", "ENGINE_DOWN")
        yield Asked(task["id"])


@fault("a task's engine hangs")
def a_tasks_engine_hangs(ground: Ground) -> Iterator[Asked]:
    _until_moved(ground, ground.begun["hung"]["id"], "hung", "ENGINE_HUNG")
    yield Asked(ground.begun["hung"]["id"])


@fault("a task's agent is deaf")
def a_tasks_agent_is_deaf(ground: Ground) -> Iterator[Asked]:
    _until_moved(ground, ground.begun["deaf"]["id"], "deaf", "NOT_CONSUMING")
    yield Asked(ground.begun["deaf"]["id"])


@fault("a node's engine is gone")
def a_nodes_engine_is_gone(ground: Ground) -> Iterator[Asked]:
    with ground.without_engine("sick"):
        yield Asked("sick")


@fault("most nodes fall silent at once")
def most_nodes_fall_silent(ground: Ground) -> Iterator[Asked]:
    task = ground.run_on("mute")
    with ground.frozen("mute", "spare", "sick", "hung", "deaf", silent_s=40):
        yield Asked(task["id"])


@fault("an agent may not use the engine")
def an_agent_may_not_use_the_engine(ground: Ground) -> Iterator[Asked]:
    # The checkout and its Python may be root's, so it becomes somebody else only when it has started.
    script = "import os, sys, worker_agent.__main__ as agent; os.seteuid(65534); sys.exit(agent.main())"
    with socket.socket(socket.AF_UNIX) as closed:
        path = f"/run/ormen-faults-{os.getpid()}-closed.sock"
        closed.bind(path)
        os.chmod(path, 0)
        closed.listen()
        settings = replace(ground.settings, node="stranger", docker_host=f"unix://{path}")
        done = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **settings.to_env()}, capture_output=True, text=True
        )
        os.unlink(path)
    yield Asked(done.stderr)


def refused(name: str, **spec: object) -> None:
    """Register a fault for which the request itself is refused."""

    @fault(name)
    def post(ground: Ground) -> Iterator[Asked]:
        yield Asked(refusal=ground.call("POST", "/v1/tasks", {**SMALL, "image": ground.image, **spec}))


refused("a field is unknown", memroy="16MiB")
refused("the policy forbids it", privileged=True)


@fault("a living task has the name")
def a_living_task_has_the_name(ground: Ground) -> Iterator[Asked]:
    task = ground.submit_on("anchor")
    body = {**SMALL, "image": ground.image, "name": task["name"]}
    yield Asked(refusal=ground.call("POST", "/v1/tasks", body), facts={"holder": task["name"]})


@fault("Redis does not answer")
def redis_does_not_answer(ground: Ground) -> Iterator[Asked]:
    app = create_app(replace(ground.settings, redis_url="redis://127.0.0.1:1/0"))
    answer = app.test_client().get("/v1/tasks")
    app.extensions["ormen"].close()
    yield Asked(refusal=Answer(answer.status_code, {}, answer.get_data(as_text=True)))


def _until_moved(ground: Ground, task: str, node: str, code: str) -> None:
    """Return once the task has left the node, whose trouble has lasted for over a minute as soon as it is told."""

    def moved() -> bool:
        reason = ground.node(node)["state_reason"]
        if reason and reason["code"] == code:
            ground.a_minute_later(node)
        return bool(ground.task(task)["node"] != node)

    wait_until(moved, timeout_s=60, what=f"for {node} to be of no use with {code}")
