"""Start a cluster on one machine, watch over it, take it down."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import psutil

from ormen.local import logs, plan, probes
from ormen.local.address import parse_url
from ormen.local.failure import FAILED, LocalFailure
from ormen.local.plan import Layout
from ormen.local.stage import Result, Stage, Step
from ormen.local.state import Process, Run, StateFolder, default_folder, shown
from ormen.local.supervisor import GaveUp, Notice, Started, Supervisor
from ormen.local.waker import Waker

LONGEST_START_S = 90.0
"""How long each part may take to be ready; on a tired machine Python alone needs seconds."""
LONGEST_GOING_DOWN_S = 150.0
"""How long the agents may take to stop their containers, each of which has its own grace."""
DECK = ("deck", "control", "beat")


class Cluster:
    """The processes of a layout. `hear` gets the supervisor's notices once the cluster is up.

    `begun` is when it was asked for, by the monotonic clock: every time that is told counts from there.
    """

    def __init__(self, layout: Layout, *, stage: Stage, waker: Waker, begun: float | None = None) -> None:
        self.layout = layout
        self.hear: Callable[[Notice], None] = lambda notice: None
        self._stage = stage
        self._waker = waker
        self._store = parse_url(layout.settings.redis_url)
        self._children: dict[str, Process] = {}
        self._begun = time.monotonic() if begun is None else begun
        settings = layout.settings
        self.probe = probes.DeckProbe(plan.probe_host(settings.host), settings.port, settings.token)
        self.supervisor = Supervisor(tell=self._notice, store_answers=self._store.answers)
        self._lost: dict[str, GaveUp] = {}

    @property
    def names(self) -> list[str]:
        """Return the names of all its processes, for a column as wide as the longest."""
        own = ["redis"] if self.layout.redis else []
        flower = ["flower"] if self.layout.flower_port else []
        return [*own, *DECK, *(sailor.name for sailor in self.layout.sailors), *flower]

    def launch(self) -> None:
        """Start everything and return once all of it is ready; raise `LocalFailure` with nothing left running.

        A sailor or Flower that cannot live is told and left behind: the rest is useful without it.
        """
        try:
            self._start_store()
            # All at once: each needs a second of a processor, most of it to load Python's modules.
            for program in plan.deck_programs(self.layout.settings, self.layout.folder):
                self.supervisor.start(program)
            for program in plan.sailor_programs(self.layout):
                self.supervisor.start(program)
            if self.layout.flower_port:
                self.supervisor.start(plan.flower_program(self.layout))
            self._await_deck()
            self._await_sailors()
            if self.layout.flower_port:
                self._await_flower(self.layout.flower_port)
        except BaseException:
            self.supervisor.stop(self.names[::-1], grace_s=5.0)
            self.layout.folder.clear()
            raise

    def elapsed(self) -> float:
        """Return the seconds since the cluster was asked for."""
        return time.monotonic() - self._begun

    def watch(self, refresh: Callable[[], float]) -> int:
        """Keep the cluster running until a signal comes, and return it. `refresh` draws, and says when it is next."""
        rotated = time.monotonic()
        while not self._waker.noted:
            due = self.supervisor.step()
            pause = refresh()
            if time.monotonic() - rotated > 10.0:
                rotated = time.monotonic()
                for name in self.names:
                    logs.rotate(self.layout.folder.log(name))
            self._waker.wait(min(pause, 10.0 if due is None else due))
        return self._waker.noted.pop(0)

    def bring_down(self, *, keep_containers: bool) -> None:
        """Stop everything in order, with the containers or without, and tell each step."""
        stage, begun = self._stage, time.monotonic()
        # Worth a longer wait than a glance: what is kept, and what was stopped, is told by it.
        self.probe = replace(self.probe, timeout_s=5.0)
        kept = [task for task in self.probe.tasks() if task.get("wanted") == "running"]
        stage.tell(Step("⠹", "sailors", "stopping" if keep_containers else "stopping, with their containers"))
        # The loops first: they would place anew what the agents are about to give up.
        self._stop(("beat", "control"))
        if self.layout.sailors:
            stage.tell(self._stop_sailors(kept, keep_containers=keep_containers, begun=begun))
        begun = time.monotonic()
        stage.tell(Step("⠹", "control", "stopping"))
        self._stop(("flower", "deck"))
        text = "deck, loops and flower stopped" if self.layout.flower_port else "deck and loops stopped"
        stage.tell(Step("✓", "control", text, time.monotonic() - begun))
        if self.layout.redis:
            begun = time.monotonic()
            self._stop(("redis",))
            stage.tell(Step("✓", "redis", "saved and stopped", time.monotonic() - begun))
        self.layout.folder.clear()
        facts = {"outcome": "down", "tasks_kept": len(kept), "state_dir": str(self.layout.folder.path)}
        stage.tell(Result(_down_text(len(kept), self.layout.folder), facts))

    def _stop_sailors(self, kept: list[dict[str, object]], *, keep_containers: bool, begun: float) -> Step:
        names = [sailor.name for sailor in self.layout.sailors]
        before = sum(task.get("state") == "running" for task in kept)
        if keep_containers:
            stopped = self._stop(names)
            text = f"{stopped} stopped" + (f", {_run_on(before)}" if before else "")
            return Step("✓", "sailors", text, time.monotonic() - begun)
        stopped = self._stop(names, number=signal.SIGUSR1, grace_s=LONGEST_GOING_DOWN_S)
        running = [str(task.get("node")) for task in self.probe.tasks("state=running")]
        others = sorted({node for node in running if node not in names})
        left = sum(node in names for node in running)
        text = f"{stopped} stopped" + (f", with {_containers(before - len(running))}" if before > len(running) else "")
        if left:
            text += f"; {_containers(left)} could not be stopped and {'runs' if left == 1 else 'run'} on"
        if others:
            text += f"; {_run_on(len(running) - left)} at {', '.join(others)}, not started here"
        return Step("!" if left else "✓", "sailors", text, time.monotonic() - begun)

    def _stop(self, names: Iterable[str], *, number: int = signal.SIGTERM, grace_s: float | None = None) -> int:
        return len(self.supervisor.stop(names, number=number, grace_s=grace_s, pause=self._pause))

    def _pause(self) -> bool:
        """Wait a little; True once somebody has asked a second time: then the grace is over."""
        self._stage.tick()
        self._waker.wait(0.1)
        return signal.SIGINT in self._waker.noted

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Started):
            self._children[notice.program.name] = Process.of(notice.pid)
            run = Run(Process.of(os.getpid()), self.layout.url, dict(self._children))
            self.layout.folder.write(run)
        elif isinstance(notice, GaveUp):
            self._lost[notice.program.name] = notice
        self.hear(notice)

    def _start_store(self) -> None:
        if self.layout.redis is None:
            self._stage.tell(Step("✓", "redis", f"{self._store}, as configured", self.elapsed()))
            return
        self._stage.tell(Step("⠹", "redis", "starting"))
        self.supervisor.start(plan.redis_program(self.layout))
        self._await("redis", self.layout.redis.answers, needs=("redis",))
        text = f"{self.layout.server}, 127.0.0.1:{self.layout.redis.port}, AOF on"
        self._stage.tell(Step("✓", "redis", text, self.elapsed()))

    def _await_deck(self) -> None:
        port = self.layout.settings.port
        self._stage.tell(Step("⠹", "deck", "starting"))
        self._await("deck", lambda: self.probe.is_up() and self._listens("deck", port), needs=("deck",))
        self._stage.tell(Step("✓", "deck", self.layout.url, self.elapsed()))
        self._stage.tell(Step("⠹", "control", "starting"))
        self._await("control", lambda: self.probe.is_up("/readyz"), needs=("control", "beat"))
        self._stage.tell(Step("✓", "control", "beat and one worker", self.elapsed()))

    def _await_sailors(self) -> None:
        names = [sailor.name for sailor in self.layout.sailors]
        if not names:
            return
        self._stage.tell(Step("⠹", "sailors", "starting"))

        def waiting() -> list[str]:
            ready = self.probe.ready_nodes()
            return [name for name in names if name not in ready and name not in self._lost]

        self._await("sailors", lambda: not waiting(), needs=())
        ready = [name for name in names if name not in self._lost]
        if not ready:
            raise self._dead(self._lost[names[0]])
        verb = "is ready" if len(ready) == 1 else "are ready"
        text = ", ".join(ready) if len(ready) <= 4 else f"{ready[0]} to {ready[-1]}"
        lost = "".join(f"; {name} died" for name in names if name in self._lost)
        self._stage.tell(Step("!" if lost else "✓", "sailors", f"{text} {verb}{lost}", self.elapsed()))

    def _await_flower(self, port: int) -> None:
        self._stage.tell(Step("⠹", "flower", "starting"))
        probe = probes.DeckProbe("127.0.0.1", port)
        self._await("flower", lambda: "flower" in self._lost or probe.is_up("/healthcheck"), needs=())
        if "flower" in self._lost:
            text = f"died; its log is {self.layout.folder.log('flower')}"
            self._stage.tell(Step("!", "flower", text, self.elapsed()))
        else:
            self._stage.tell(Step("✓", "flower", f"http://127.0.0.1:{port}", self.elapsed()))

    def _await(self, what: str, ready: Callable[[], bool], *, needs: tuple[str, ...]) -> None:
        """Supervise until `ready`; raise if one of `needs` cannot live, if it takes too long, or at a signal."""
        deadline = time.monotonic() + LONGEST_START_S
        while not ready():
            self.supervisor.step()
            for name in needs:
                if name in self._lost:
                    raise self._dead(self._lost[name])
            if self._waker.noted:
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                raise self._slow(what)
            self._stage.tick()
            self._waker.wait(0.1)

    def _listens(self, name: str, port: int) -> bool:
        """Return whether it is our process that listens: a stranger's answer must not pass for its."""
        pid = self.supervisor.pid(name)
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else []
            return any(
                connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
                for process in family
                for connection in process.net_connections("tcp")
            )
        except psutil.Error:
            return False

    def _dead(self, notice: GaveUp) -> LocalFailure:
        program = notice.program
        answer = logs.last_answer(program.log, offset=notice.log_start) if notice.final else None
        if answer:
            self._stage.tell(Step("✗", program.name, "refused", self.elapsed()))
            code = notice.end.exit_code or FAILED
            return LocalFailure(answer.sentence, hint=answer.hint, exit_code=code, code=answer.code)
        self._stage.tell(Step("✗", program.name, f"{program.role} dies at once ({notice.end})", self.elapsed()))
        return LocalFailure(
            f"{program.name} could not be started: its {program.role} died ({notice.end}), however often it was tried",
            hint=f"its log says more: {program.log}",
            exit_code=FAILED,
            evidence=logs.last_words(program.log, offset=notice.log_start),
        )

    def _slow(self, what: str) -> LocalFailure:
        name = what if what in self.names else self.names[-1]
        log: Path = self.layout.folder.log(name)
        self._stage.tell(Step("✗", what, f"not ready after {LONGEST_START_S:.0f}s", self.elapsed()))
        return LocalFailure(
            f"{what} is not ready after {LONGEST_START_S:.0f}s",
            hint=f"the logs say more: {log.parent}",
            exit_code=FAILED,
            evidence=logs.last_words(log),
        )


def _containers(amount: int) -> str:
    return "1 container" if amount == 1 else f"{amount} containers"


def _run_on(amount: int) -> str:
    return "1 container runs on" if amount == 1 else f"{amount} containers run on"


def _down_text(kept: int, folder: StateFolder) -> str:
    if not kept:
        return "Down."
    usual = folder.path == default_folder(os.environ).absolute()
    up = "ormen up" if usual else f"ormen up --state-dir {shown(folder.path)}"
    if kept == 1:
        return f"Down. 1 task is kept; {up} starts it again."
    return f"Down. {kept} tasks are kept; {up} starts them again."
