"""The page of the Python client and the examples, run as they stand against a real cluster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from uuid import uuid4

import pytest

from examples.airflow_operator import OrmenOperator
from ormen.local.redis import RunningRedis
from tests.acceptance.living import IMAGE, ROOT, Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("living-client")]


def environment(cluster: Cluster, **more: str) -> dict[str, str]:
    """Variables of a program that is to find this cluster."""
    return {**os.environ, "ORMEN_MANAGER": f"localhost:{cluster.port}", "PYTHONPATH": str(ROOT), **more}


def python(cluster: Cluster, *words: str) -> str:
    """Run a program to its end, and return what it printed."""
    command = [sys.executable, "-W", "error", *words]
    done = subprocess.run(command, env=environment(cluster), cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_of_the_page_runs_as_it_stands(cluster: Cluster) -> None:
    """One after the other, in one program; what the page promises is printed, and nothing is left behind."""
    page = (ROOT / "docs" / "client.md").read_text()
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    out = python(cluster, "-c", program)
    assert re.search(r"^web answers at 127\.0\.0\.1:\d+ on node-\d$", out, re.MULTILINE)
    assert "completed 0 ['made 3 reports']" in out
    assert re.search(r"^EXIT - \S+: Exited with code 4", out, re.MULTILINE)
    assert "['pair-1', 'pair-2']" in out
    assert "NAME_TAKEN the name web is taken by" in out
    assert re.search(r"^/0/cpu OUT_OF_RANGE .* -1 ", out, re.MULTILINE)
    assert "\nhello\n" in out
    wait_until(lambda: cluster.get("/v1/tasks")["items"] == [])


def test_the_notebook_makes_its_table_and_leaves_nothing(cluster: Cluster) -> None:
    """Three jobs are placed together, each line holds what its container printed, and the records are gone."""
    out = python(cluster, "examples/notebook.py")
    assert re.search(r"^report-2026-11 +2026-11 rows: 42$", out, re.MULTILINE)
    wait_until(lambda: cluster.get("/v1/tasks")["items"] == [])


@contextmanager
def worker(cluster: Cluster, url: str) -> Iterator[dict[str, str]]:
    """A real Celery worker of the example."""
    env = environment(cluster, CELERY_REDIS=url)
    command = [sys.executable, "-m", "celery", "-A", "examples.celery_task", "worker", "-P", "solo", "-l", "error"]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield env
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


SEND = """
import sys
from examples.celery_task import run_image
once, image, *command = sys.argv[1:]
results = [run_image.apply_async(args=[image, command], task_id=once) for _ in range(2)]
try:
    print(results[-1].get(timeout=150))
except Exception as error:
    print(type(error).__module__, type(error).__name__, error)
"""


def test_a_celery_task_delivered_twice_runs_one_container(cluster: Cluster, redis_server: RunningRedis) -> None:
    """The second delivery finds the first one's container by its id, and answers the same lines."""
    once = str(uuid4())
    with worker(cluster, redis_server.url) as env:
        command = [sys.executable, "-c", SEND, once, IMAGE, "echo", "hello"]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=200)
        assert done.stdout.strip() == "['hello']", done.stderr
    (task,) = cluster.get("/v1/tasks")["items"]
    assert (task["id"], task["state"], task["attempt"]) == (once, "completed", 1)


def test_a_failure_reaches_whoever_sent_the_celery_task(cluster: Cluster, redis_server: RunningRedis) -> None:
    """The error comes back as TaskFailed with its sentence, through Celery's JSON."""
    with worker(cluster, redis_server.url) as env:
        command = [sys.executable, "-c", SEND, str(uuid4()), IMAGE, "sh", "-c", "exit 4"]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.stdout.startswith("ormen.client_errors TaskFailed"), done.stdout + done.stderr
    assert "Exited with code 4" in done.stdout


def run_of(number: int) -> dict[str, SimpleNamespace]:
    """What Airflow gives an operator: the names of its DAG, run, task and try."""
    names = {"dag_id": "shop", "run_id": f"run-{uuid4()}", "task_id": "report", "map_index": -1}
    return {"ti": SimpleNamespace(**names, try_number=number)}


def test_the_operator_runs_once_for_a_try_and_returns_the_last_line(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sent twice by the scheduler, a try has one container; its log is printed while it runs."""
    spec = {"entrypoint": ["sh", "-c", "echo one; sleep 1; echo two"]}
    operator = OrmenOperator(task_id="report", image=IMAGE, spec=spec, manager=f"localhost:{cluster.port}")
    context = run_of(1)
    assert [operator.execute(context), operator.execute(context)] == ["two", "two"]
    assert capsys.readouterr().out.split() == ["one", "two", "one", "two"]
    assert len(cluster.get("/v1/tasks")["items"]) == 1
