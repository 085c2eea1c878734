"""The flows whose every command is a moment at which a process may die, and how one such moment is gone through."""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from ormen.reasons import Code
from ormen.talk import OUT
from ormen.task import Attempt, State, Task, Wanted
from tests.kills.checks import faults, left_over
from tests.kills.fleet import Fleet
from tests.waiting import wait_until

PROGRAM = 'trap "exit 0" TERM; while [ ! -e /end ]; do sleep 0.05; done; exit $(cat /end)'
HEALED_WITHIN_S = 12.0
"""From the kill to the wanted end: the longest is a first look of the loops (5 s) and what a busy machine adds."""


@dataclass
class Trial:
    """One run of a flow: its task, and how the request that set it off was answered, or what was read."""

    fleet: Fleet
    task_id: str
    answer: str = ""

    @property
    def task(self) -> Task | None:
        """Return the record, also of a removed task; None when it is gone."""
        return self.fleet.store.read([self.task_id])[self.task_id]

    def spec(self) -> dict[str, object]:
        """Return a task that runs on n1 until it is told to end."""
        return {
            "id": self.task_id,
            "name": f"web-{self.task_id[:6]}",
            "image": self.fleet.image,
            "command": ["sh", "-c", PROGRAM],
            "cpu": 0.01,  # n1 has half of a small machine, and holds a dozen of them
            "stop_grace": "1s",
            "ports": [{"container": 80}],
            "constraints": ["node in (n1, n2)"],
        }

    def runs(self, attempt: int = 1, node: str = "n1") -> bool:
        """Return whether this attempt runs on this node, a start on a port of somebody else's not counted."""
        task = self.task
        if task is None or (task.state, task.node) != (State.RUNNING, node):
            return False
        return task.attempt - len(task.attempts) + len(counted(task)) == attempt

    def gone(self) -> bool:
        """Return whether neither record nor container is left."""
        return self.task is None and not self.fleet.containers(self.task_id)


@dataclass(frozen=True)
class Flow:
    """One flow: whom to kill, what is there before, what sets it off, and what must be so at its end."""

    victim: str
    before: Callable[[Trial], None]
    act: Callable[[Trial], None]
    done: Callable[[Trial], object]

    @property
    def by_hand(self) -> bool:
        """Return whether the test ticks instead of beat, so that only this flow's commands are counted."""
        return self.victim == "control1"


def counted(task: Task) -> list[Attempt]:
    """Return the attempts but for those whose port of the pool was taken.

    Another cluster on this machine may have drawn the same port, and the task then starts again on the next one.
    """
    return [a for a in task.attempts if a.reason is None or a.reason.code is not Code.PORT_IN_USE]


def inside(trial: Trial, script: str) -> bytes:
    """Run a script in the task's one container, past everything that is ours; return what it prints."""
    (found,) = trial.fleet.containers(trial.task_id)
    docker = trial.fleet.docker
    printed: bytes = docker.exec_start(docker.exec_create(found["Id"], ["sh", "-c", script])["Id"])
    return printed


def nothing(trial: Trial) -> None:
    """Have nothing there before."""


def submit(trial: Trial) -> None:
    """Submit as our clients do: with an id of their own, and again while no answer comes."""
    trial.answer = trial.fleet.client().submit([trial.spec()])[0]["id"]


def submit_once(trial: Trial) -> None:
    """Submit without ever asking again."""
    url = f"http://{trial.fleet.client().address}/v1/tasks"
    body = json.dumps(trial.spec()).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
        trial.answer = json.loads(answer.read())["id"]


def running(trial: Trial) -> None:
    """Have the task run on n1."""
    submit(trial)
    wait_until(trial.runs, what="for the task to run")


def stop(trial: Trial) -> None:
    """Ask for a stop."""
    trial.fleet.client().stop(trial.task_id)


def restart(trial: Trial) -> None:
    """Ask for a restart."""
    trial.fleet.client().restart(trial.task_id)


def remove(trial: Trial) -> None:
    """Remove the task as it runs."""
    trial.fleet.client().remove(trial.task_id, force=True)


def crash(trial: Trial) -> None:
    """Let the program end by itself with code 7."""
    inside(trial, "echo 7 > /e; mv /e /end")


def attach(trial: Trial) -> None:
    """Join the container's streams, and read what it prints from then on."""
    talk, trial.answer = trial.fleet.client().attach(trial.task_id), ""
    inside(trial, "seq 1 100 > /proc/1/fd/1")
    for frame in talk.frames():
        trial.answer += frame.data.decode() if frame.kind == OUT else ""
        if trial.answer.endswith("\n100\n"):
            break
    talk.hang_up()


def copy_out(trial: Trial) -> None:
    """Copy a file out of the container, which takes several requests."""
    inside(trial, "seq 1 30000 > /large")
    with tempfile.TemporaryDirectory() as folder:
        trial.fleet.client().download(trial.task_id, "/large", folder)
        trial.answer = Path(folder, "large").read_text()


def lose_n1(trial: Trial) -> None:
    """Kill n1's agent for good, let it have been silent for long, and have the loops judge it."""
    fleet = trial.fleet
    fleet.store.mark_node("n2", mode="active", by="the test", why=None)
    fleet.parts["n1"].kill()
    silent_since = fleet.store.now_ms() - 9000
    fleet.raw.zadd(fleet.store.keys.heartbeats, {"n1": silent_since})
    fleet.raw.hset(
        fleet.store.keys.loops, mapping={"since": silent_since, "liveness:began": fleet.store.now_ms() - 900}
    )
    fleet.tick()


def is_stopped(trial: Trial) -> bool:
    """Return whether the task is completed and its container has ended."""
    task = trial.task
    rows = trial.fleet.containers(trial.task_id)
    return task is not None and task.state is State.COMPLETED and [row["State"] for row in rows] == ["exited"]


def has_crashed_once(trial: Trial) -> bool:
    """Return whether the second attempt runs, and one try was spent for the code that the program gave."""
    task = trial.task
    if task is None or not trial.runs(2) or task.tries != 1:
        return False
    first = counted(task)[0]
    return first.exit_code == 7 and first.reason is not None and first.reason.code is Code.EXIT


def is_read_whole(most: int, trial: Trial) -> bool:
    """Return whether every line came once and in order, and the task runs on."""
    return trial.runs() and trial.answer.split() == [str(number) for number in range(1, most + 1)]


def whole_or_not_at_all(trial: Trial) -> bool:
    """Return whether the task runs, or was never stored; an answer says that it was."""
    return trial.runs() or (trial.task is None and not trial.answer)


FLOWS = {
    "submit, api": Flow("api1", nothing, submit, Trial.runs),
    "submit once, api": Flow("api1", nothing, submit_once, whole_or_not_at_all),
    "stop, api": Flow("api1", running, stop, is_stopped),
    "remove, api": Flow("api1", running, remove, Trial.gone),
    "attach, api": Flow("api1", running, attach, partial(is_read_whole, 100)),
    "cp, api": Flow("api1", running, copy_out, partial(is_read_whole, 30_000)),
    "start, agent": Flow("n1", nothing, submit, Trial.runs),
    "stop, agent": Flow("n1", running, stop, is_stopped),
    "crash, agent": Flow("n1", running, crash, has_crashed_once),
    "restart, agent": Flow("n1", running, restart, lambda trial: trial.runs(2)),
    "remove, agent": Flow("n1", running, remove, Trial.gone),
    "crash, control": Flow("control1", running, crash, has_crashed_once),
    "node loss, control": Flow("control1", running, lose_n1, lambda trial: trial.runs(2, "n2")),
}


@dataclass(frozen=True)
class Moment:
    """How it went when a process was killed at one command; `label` None: the flow was over before."""

    label: str | None
    healed_s: float
    passed: tuple[str, ...]


def go_through(fleet: Fleet, flow: Flow, at: int, *, after: bool) -> Moment:
    """Run a flow, kill its victim at the `at`-th command, and return once everything is as it should be.

    Raises AssertionError with what is not, and leaves nothing of the task behind.
    """
    trial, victim = Trial(fleet, str(uuid4())), fleet.parts[flow.victim]
    fleet.store.mark_node("n2", mode="cordoned", by="the test", why=None)
    try:
        flow.before(trial)
        if flow.by_hand:
            settle_control(fleet)
        victim.trap.arm(at, after=after)
        flow.act(trial)
        passed_by = lambda: victim.trap.struck or (flow.done(trial) and quiet(fleet, flow))  # noqa: E731
        until(trial, passed_by, "the flow to end or to be struck")
        label, passed = victim.trap.struck, tuple(victim.trap.passed)
        victim.trap.disarm()
        began = time.monotonic()
        heal(trial, flow, label)
        return Moment(label, time.monotonic() - began, passed)
    finally:
        victim.trap.disarm()
        fleet.parts["beat1"].signal(signal.SIGCONT)
        clean_up(trial)


def quiet(fleet: Fleet, flow: Flow) -> bool:
    """Return whether the victim has said nothing for a moment."""
    trap = fleet.parts[flow.victim].trap
    count = trap.count
    time.sleep(0.3)
    return trap.count == count


def heal(trial: Trial, flow: Flow, label: str | None) -> None:
    """Wait until all is as the flow wants it; with beat frozen, tick as it would."""
    fleet, ticked = trial.fleet, [0.0]

    def well() -> bool:
        if flow.by_hand and time.monotonic() - ticked[0] > 1:
            ticked[0] = time.monotonic()
            fleet.tick()
        return bool(flow.done(trial)) and not faults(fleet)

    until(trial, well, f"all to be well, killed {label}")


def until(trial: Trial, holds: Callable[[], object], what: str) -> None:
    """Wait for a condition; say all that is known if it does not come."""
    fleet = trial.fleet
    try:
        wait_until(holds, timeout_s=HEALED_WITHIN_S, what=f"for {what}")
    except AssertionError as vain:
        events = [f"{e.type} {e.node} {e.sentence}" for e in fleet.store.events(task=trial.task_id, limit=1000)]
        wrong = [*faults(fleet), *left_over(fleet)]
        raise AssertionError("\n".join([str(vain), *wrong, str(trial.task), *events, fleet.logs()])) from None


def settle_control(fleet: Fleet) -> None:
    """Freeze beat, and wait until the control worker has nothing to do any more."""
    fleet.parts["beat1"].signal(signal.SIGSTOP)
    wait_until(lambda: not fleet.raw.llen("tick") and not fleet.raw.llen("control"))
    trap = fleet.parts["control1"].trap
    trap.arm(0, after=False)
    flow = FLOWS["crash, control"]
    wait_until(lambda: quiet(fleet, flow))


def clean_up(trial: Trial) -> None:
    """Have every part run, and remove the task: then nothing may be left of it."""
    fleet = trial.fleet
    until(trial, lambda: all(alive(fleet, name) for name in fleet.parts), "every part to be back")
    task = trial.task
    if task is not None and task.wanted is not Wanted.REMOVED:
        fleet.client().remove(trial.task_id, force=True)
    until(trial, lambda: not left_over(fleet) and not faults(fleet), "nothing to be left")


def alive(fleet: Fleet, name: str) -> bool:
    """Return whether a part runs and does its work; what was ended for good is started again."""
    part = fleet.parts[name]
    if part.state == "ended":
        part.start()
    if part.state != "up":
        return False
    if name.startswith("n"):
        node = fleet.store.node(name)
        return node.synced and node.facts.get("pid") == part.pid
    if name.startswith("api"):
        try:
            list(fleet.client(int(name[3:])).tasks())
        except (OSError, Exception):
            return False
    return True
