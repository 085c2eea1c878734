"""``ormen bench`` on a living cluster: figures of real tasks, and nothing left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from tests.acceptance.living import ORMEN, Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("living-journey")]


def by_hand(cluster: Cluster) -> list[Any]:
    """Return the containers that measurements started by Docker's SDK, also ended ones."""
    return list(cluster.engine.containers.list(all=True, filters={"label": "ormen-bench-docker"}, ignore_removed=True))


def test_every_measure_is_made_and_only_its_own_tasks_are_touched(cluster: Cluster) -> None:
    """Real starts, stops and replacements, Docker's beside them; a task that was there runs on, and nothing is left."""
    other = cluster.run(name="bystander")
    done = cluster.ormen("bench", "--tasks", "3", "--rounds", "2", "-o", "json", timeout=150)
    assert done.code == 0, done
    found = json.loads(done.out)
    rows = {row["measure"]: row for row in found["measures"]}
    assert list(rows) == ["start", "stop", "throughput", "failover"]
    assert {len(row["ormen"]["rounds_s"]) for row in rows.values()} == {2}
    assert all(row["ratio"] > 0 and len(row["docker"]["rounds_s"]) == 2 for row in list(rows.values())[:3])
    assert (rows["failover"]["docker"], rows["throughput"]["tasks"]) == (None, 3)
    assert (found["complete"], found["left"], found["killed"], found["other_tasks"]) == (True, [], 0, 1)
    events = [each for each in cluster.get("/v1/events?limit=1000")["items"] if found["id"] in (each["name"] or "")]
    again = [each for each in events if (each["type"], each["attempt"]) == ("task.running", 2)]
    assert len(again) == 2
    (kept,) = cluster.get("/v1/tasks")["items"]
    assert (kept["id"], kept["attempt"], kept["container_id"]) == (other["id"], 1, other["container_id"])
    assert len(cluster.containers()) == 1
    assert [one for one in by_hand(cluster) if one.labels["ormen-bench-docker"] == found["id"]] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_finds_its_tasks_gone(cluster: Cluster, number: signal.Signals) -> None:
    """Ctrl-C in the middle of a burst: the tasks are removed first, then it ends with the signal's code."""
    words = [ORMEN, "bench", "--only", "throughput", "--tasks", "6", "--no-docker", "-m", f"127.0.0.1:{cluster.port}"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("ORMEN_")}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    wait_until(lambda: len(cluster.get("/v1/tasks")["items"]) >= 6, timeout_s=60, what="for the burst")
    process.send_signal(number)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 128 + number, said
    assert b"Removing what was started" in said
    assert cluster.get("/v1/tasks")["items"] == []
    assert cluster.containers() == []


def test_a_command_is_what_runs_and_heeds_its_stop(cluster: Cluster) -> None:
    """What stands after -- is the program's, on the cluster as by hand; an init passes the stop signal on to it."""
    done = cluster.ormen("bench", "--only", "stop", "--rounds", "1", "-o", "json", "--", "extra", timeout=90)
    assert done.code == 0, done
    found = json.loads(done.out)
    (row,) = found["measures"]
    assert (row["measure"], found["command"], found["killed"]) == ("stop", ["extra"], 0)
    assert row["ormen"]["max_s"] < 9


def test_a_node_that_is_not_there_is_exit_3(cluster: Cluster) -> None:
    """It is asked for before anything is started."""
    done = cluster.ormen("bench", "--node", "node-9")
    assert (done.code, "node-9" in done.err) == (3, True), done
