"""The agent as a process: a Celery worker on its own queue, and the threads beside it.

The threads start in a bootstep of the worker, not of its consumer, which stops and starts with every reconnect. They
end at the signal `worker_shutdown`: the step's own stop comes before running work has ended, and a heartbeat that
ended there would make the node suspect. Beside `lanes` and what reads a stream ahead, only this module makes threads.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps, signals
from celery.worker import state as celery_state

from ormen import messages
from ormen.broker import make_app
from ormen.collector import spare_what_is_there
from ormen.errors import StoreUnavailable
from ormen.settings import Settings
from worker_agent.agent import Agent
from worker_agent.sync import LIST_EVERY_S

log = logging.getLogger("ormen.sailor")

POOL_THREADS = 32
"""Celery's own threads: they only wait for lanes, and must leave no ring waiting behind another."""
END_WITHIN_S = 8.0
"""A worker that was told to end and has not (Redis away, a stuck stream) is ended by force after this."""
RUNS_ON = 5
"""The exit code of an agent that was to take its containers down and could not."""
DOWN_WITHIN_S = 600.0
"""The longest that taking the containers down may take; whoever supervises is usually less patient."""


def make_agent_app(settings: Settings, node: str) -> Celery:
    """Return the Celery app of a node's agent; nothing is connected yet."""
    return make_app(settings, f"sailor-{node}", queues=[messages.node_queue(node)])


class Crew:
    """The threads of one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start every thread."""
        agent = self._agent
        self._begin("heartbeat", self._loop, self._beat, self._ended.wait)
        self._begin("sync", self._loop, self._sync, agent.sync.rest)
        self._begin("proof", self._loop, self._prove, self._ended.wait)
        self._begin("probes", self._loop, self._probe, agent.probing.rest)
        self._begin("watcher", agent.watcher.run)

    def close(self) -> None:
        """End every thread; containers run on."""
        self._ended.set()
        self._agent.close()
        for thread in self._threads:
            thread.join(timeout=2.0)

    def _begin(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, step: Callable[[], float], rest: Callable[[float], object]) -> None:
        """Make one step after another; each says when the next is due."""
        while not self._ended.is_set():
            due = time.monotonic() + 1.0
            try:
                due = step()
            except Exception:
                # A fault of ours in one step must not end the thread: the node would be lost for it.
                log.exception("%s: a step failed", threading.current_thread().name)
            rest(max(0.0, due - time.monotonic()))

    def _beat(self) -> float:
        self._agent.pulse.step(time.monotonic())
        return self._agent.pulse.due

    def _sync(self) -> float:
        now = time.monotonic()
        self._agent.sync.step(now)
        self._agent.talks.step(now)
        self._agent.watcher.tick()
        return now + LIST_EVERY_S

    def _prove(self) -> float:
        pulse = self._agent.pulse
        self._agent.proof.step(time.monotonic(), interval_s=pulse.interval_s, well=pulse.well)
        return time.monotonic() + 1.0

    def _probe(self) -> float:
        now = time.monotonic()
        return min(self._agent.probing.step(now), self._agent.deadlines.step(now))


class Process:
    """How this process ends: by a signal, because another took its place, or by starting itself anew."""

    def __init__(self) -> None:
        self.exit_code = 0
        self.asked = False
        self.agent: Agent | None = None

    def leave(self, code: int = 0) -> None:
        """End the worker from any thread or signal handler; by force if it does not end."""
        self.exit_code = self.exit_code or code
        self.asked = True
        celery_state.should_stop = 0  # type: ignore[assignment]  # an exit code; the stub knows only its first value
        timer = threading.Timer(END_WITHIN_S, os._exit, (self.exit_code,))
        timer.daemon = True
        timer.start()

    def restart(self, why: str) -> None:
        """Replace this process by a fresh one; its lock and connections are let go with it.

        Not while it takes its containers down: the fresh one would not know of that order.
        """
        if self.agent is not None and self.agent.controller.going_down:
            return
        log.error("%s: starting anew", why)
        logging.shutdown()
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def go_down(self) -> None:
        """Stop this node's containers, then end; exit code 5 if any of them runs on."""
        if self.agent is None:
            return self.leave()
        try:
            gone, left = self.agent.go_down(time.monotonic() + DOWN_WITHIN_S)
        except StoreUnavailable as fault:
            log.error("containers run on: %s", fault)
        else:
            log.info("down with %d %s", gone, "container" if gone == 1 else "containers")
            if not left:
                return self.leave()
            log.error("%d %s not end in time and may run on", left, "container did" if left == 1 else "containers did")
        # From here on it is an end like any other: whoever is this node next is waited for.
        self.agent.controller.going_down = False
        return self.leave(RUNS_ON)

    def heed_signals(self) -> None:
        """Take the signals from Celery: TERM and INT end the agent, USR1 ends it with its containers."""

        def end(*_: object) -> None:
            self.leave()

        def down(*_: object) -> None:
            threading.Thread(target=self.go_down, name="going down", daemon=True).start()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, end)
        signal.signal(signal.SIGUSR1, down)


def attach(app: Celery, crew: Crew, process: Process) -> None:
    """Have the worker start the crew and end it when its own work has ended."""

    class CrewStep(bootsteps.StartStopStep):
        """Starts the agent's threads once the worker's pool is there."""

        requires = ("celery.worker.components:Pool",)

        def start(self, parent: Any) -> None:
            process.heed_signals()
            spare_what_is_there()
            crew.start()

        def stop(self, parent: Any) -> None:
            """Do nothing yet: running work has not ended, and the node must not go silent."""

        terminate = stop

    app.steps["worker"].add(CrewStep)
    signals.worker_shutdown.connect(lambda **_: crew.close(), weak=False)


def work(app: Celery, node: str) -> int:
    """Run the worker until it ends; return its exit code."""
    worker = app.Worker(
        hostname=f"sailor@{node}",
        pool="threads",
        concurrency=POOL_THREADS,
        optimization="fair",
        loglevel=logging.WARNING,
        quiet=True,
        purge=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        redirect_stdouts=False,
    )
    worker.start()
    return int(worker.exitcode or 0)
