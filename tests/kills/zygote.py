"""A process that has loaded all of ormen and forks ormen's own processes from there: a start costs no imports then.

It reads orders from its stdin, a line of JSON each, and answers each with one line. What it has forked dies with it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import runpy
import signal
import sys
import tempfile
from typing import Any

from ormen.local.tether import tether

LOADED = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "manager_api.app",
    "manager_api.control.app",
    "manager_api.server",
    "ormen.store.loops",
    "worker_agent.docker_runtime",
    "worker_agent.app",
)


def fork(order: dict[str, Any]) -> int:
    """Start ``python -m MODULE WORDS`` without the start of Python; return its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        tether(parent)()
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for stream, handle in ((0, null), (1, log), (2, log)):
            os.dup2(handle, stream)
        os.environ.clear()
        os.environ.update(order["env"])
        random.seed()
        sys.argv = [order["module"], *order["words"]]
        sys.orig_argv = [sys.executable, "-m", order["module"], *order["words"]]
        code = run(order["module"])
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def run(module: str) -> int:
    """Run a module as `python -m` does; return its exit code."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main() -> None:
    """Heed orders until there are no more."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.gettempdir()  # chosen when it is loaded; each sets its own folder
    for module in LOADED:
        importlib.import_module(module)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        starts = "module" in order
        print(fork(order) if starts else os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)


if __name__ == "__main__":
    main()
