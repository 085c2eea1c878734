"""An agent that lives and consumes nothing, and an engine that hangs: suspect, spared, healed, and in the end moved."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.cluster.bed import Bed
from tests.cluster.thief import thief
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

SMALL = {"cpu": 0.01, "memory": "16MiB", "restart": "always"}
SUSPECT_S = 20.0
"""The longest until a node that is of no use is suspect."""


def suspect_for(fleet: Bed, node: str, code: str) -> None:
    """Return once the node is suspect for this reason."""

    def holds() -> bool:
        reason = fleet.node(node)["state_reason"]
        return bool(reason) and reason["code"] == code

    wait_until(holds, timeout_s=SUSPECT_S, what=f"for {node} to be suspect with {code}")


def waits(fleet: Bed, node: str) -> dict[str, Any]:
    """Ask for a task on this node alone, which is not given it."""
    task = fleet.submit(**SMALL, constraints=[f"node={node}"])
    assert (task["state"], task["reason"]["code"]) == ("pending", "NODE_SUSPECT")
    return task


def a_minute_later(fleet: Bed, node: str) -> None:
    """Let the node's trouble have begun over a minute ago."""
    fleet.redis.client().hset(f"ormen:node:{node}", "trouble_since", int((time.time() - 61) * 1000))


def test_a_deaf_agent_is_suspect_and_starts_itself_anew(fleet: Bed) -> None:
    """NOT_CONSUMING within 20 s and no new tasks; it replaces itself; over a minute of it and its tasks have moved."""
    task = fleet.run(**SMALL, constraints=["node!=host9"])
    host = fleet.host_of(task)
    agent, said = host.agent.pid, host.log.count("starting anew")
    with thief(fleet.redis.client(), f"node.{host.name}"):
        suspect_for(fleet, host.name, "NOT_CONSUMING")
        assert fleet.task(task["id"]) == task
        waiting = waits(fleet, host.name)
        a_minute_later(fleet, host.name)
        moved = fleet.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
        wait_until(lambda: host.log.count("starting anew") > said, timeout_s=20)
    fleet.until(waiting["id"], lambda now: now["state"] == "running")
    assert fleet.until_node(host.name, "ready")["state_reason"] is None
    assert (host.agent.pid, moved["node"] != host.name) == (agent, True)
    wait_until(lambda: fleet.running(task["id"]) == [moved["node"]], timeout_s=5)


def test_a_hung_engine_is_suspect_and_goes_on_where_it_stood(fleet: Bed) -> None:
    """ENGINE_HUNG within 20 s, no new tasks; thawed it is ready, a stop asked meanwhile is done, nothing doubled."""
    kept, stopped = (fleet.run(**SMALL, constraints=["node=host7"]) for _ in range(2))
    fleet.hosts[0].freeze_engine()
    suspect_for(fleet, "host7", "ENGINE_HUNG")
    waiting = waits(fleet, "host7")
    fleet.call("POST", f"/v1/tasks/{stopped['id']}/stop", {})
    fleet.hosts[0].thaw_engine()
    fleet.until_node("host7", "ready")
    fleet.until(waiting["id"], lambda now: now["state"] == "running")
    fleet.until(stopped["id"], lambda now: now["state"] == "completed")
    assert fleet.task(kept["id"]) == kept
    assert [fleet.running(task["id"]) for task in (kept, stopped, waiting)] == [["host7"], [], ["host7"]]


def test_tasks_of_a_node_that_is_of_no_use_move_after_a_minute(fleet: Bed) -> None:
    """Its tasks run elsewhere with the reason on record; when its engine goes on, one container of each is left."""
    task = fleet.run(**SMALL, constraints=["node!=host9"])
    host = fleet.host_of(task)
    host.freeze_engine()
    suspect_for(fleet, host.name, "ENGINE_HUNG")
    a_minute_later(fleet, host.name)
    moved = fleet.until(task["id"], lambda now: now["state"] == "running" and now["attempt"] == 2)
    assert moved["node"] != host.name
    (end,) = fleet.get(f"/v1/tasks/{task['id']}/attempts")["items"][:1]
    assert (end["node"], end["reason"]["code"]) == (host.name, "ENGINE_HUNG")
    host.thaw_engine()
    fleet.until_node(host.name, "ready")
    wait_until(lambda: fleet.running(task["id"]) == [moved["node"]], timeout_s=5)
    assert fleet.task(task["id"])["attempt"] == 2
