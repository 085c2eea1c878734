"""The supervisor, with children that are real processes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ormen.local.processes import Program, identity
from ormen.local.supervisor import Died, GaveUp, Notice, Started, Supervisor
from tests.waiting import wait_until

FAST = 20.0
"""How many times faster the supervisor's clock runs here: its pauses are seconds."""


class Watched(Supervisor):
    """A supervisor on a fast clock that remembers what it told."""

    def __init__(self, *, store_answers: bool = True) -> None:
        self.told: list[Notice] = []
        super().__init__(
            tell=self.told.append, store_answers=lambda: store_answers, clock=lambda: time.monotonic() * FAST
        )

    def count(self, kind: type) -> int:
        self.step()
        return sum(isinstance(notice, kind) for notice in self.told)


@pytest.fixture
def supervisor():
    made = Watched()
    yield made
    made.stop_all(grace_s=0)


def program(folder: Path, script: str, *, name: str = "child", final: frozenset[int] = frozenset()) -> Program:
    return Program(name, ("/bin/sh", "-c", script), folder / f"{name}.log", dict(os.environ), "agent", final=final)


def test_a_child_that_is_killed_is_started_again(supervisor, tmp_path):
    """Death is answered by a new process, and the notice says how it died and when it is back."""
    supervisor.start(program(tmp_path, "exec sleep 60"))
    first = supervisor.pid("child")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.count(Started) == 2)
    died = next(notice for notice in supervisor.told if isinstance(notice, Died))
    assert str(died.end) == "signal 9"
    assert 0.4 < died.pause_s < 0.6
    assert supervisor.pid("child") != first


def test_pauses_grow_from_death_to_death(supervisor, tmp_path):
    """Each pause is about twice the one before."""
    supervisor.start(program(tmp_path, "exit 3"))
    wait_until(lambda: supervisor.count(Died) >= 3)
    pauses = [notice.pause_s for notice in supervisor.told if isinstance(notice, Died)]
    assert all(later > earlier * 1.5 for earlier, later in itertools.pairwise(pauses))


def test_what_dies_at_once_is_tried_once_a_minute_and_the_rest_goes_on(supervisor, tmp_path):
    """A crash loop is told once, costs its neighbours nothing, and ends by itself when its cause is gone."""
    cured = tmp_path / "cured"
    supervisor.start(program(tmp_path, "exec sleep 60", name="neighbour"))
    supervisor.start(program(tmp_path, f"[ -e {cured} ] && exec sleep 60; echo broken; exit 1"))
    wait_until(lambda: supervisor.count(GaveUp) == 1)
    assert supervisor.count(Died) == 4
    wait_until(lambda: supervisor.count(Died) == 5)
    assert [notice.pause_s for notice in supervisor.told if isinstance(notice, Died)][-1] == 60
    assert supervisor.names() == ["neighbour", "child"]
    cured.touch()
    wait_until(lambda: supervisor.count(Started) == 1 + 7)
    assert (supervisor.count(GaveUp), supervisor.gave_up("child")) == (1, False)


def test_deaths_while_redis_is_away_are_not_held_against_a_child(tmp_path):
    """As long as Redis does not answer, nothing is ever given up."""
    supervisor = Watched(store_answers=False)
    supervisor.start(program(tmp_path, "exit 1"))
    wait_until(lambda: supervisor.count(Died) >= 8)
    assert supervisor.count(GaveUp) == 0
    supervisor.stop_all()


def test_an_exit_code_that_is_an_answer_is_not_tried_again(supervisor, tmp_path):
    """A node's name that is taken stays taken: the agent is not started a second time."""
    supervisor.start(program(tmp_path, "exit 4", final=frozenset({4})))
    wait_until(lambda: supervisor.count(GaveUp) == 1)
    assert supervisor.told[-1].final
    assert supervisor.count(Started) == 1


def test_children_stop_in_reverse_order(supervisor, tmp_path):
    """The last that was started is the first that is stopped, and each is gone before the next is asked."""
    log = tmp_path / "order"
    for name in ("redis", "deck", "node-1"):
        script = f"trap 'echo {name} >>{log}; exit 0' TERM; echo up; while :; do sleep 0.05; done"
        supervisor.start(program(tmp_path, script, name=name))
    wait_until(lambda: all((tmp_path / f"{name}.log").read_text() for name in ("redis", "deck", "node-1")))
    stopped = supervisor.stop_all()
    assert log.read_text().split() == ["node-1", "deck", "redis"]
    assert not any(one.killed for one in stopped)
    assert supervisor.names() == []


def test_a_child_that_ignores_the_order_is_killed_after_its_grace(supervisor, tmp_path):
    """SIGTERM, then SIGKILL, also for what the child has started."""
    supervisor.start(program(tmp_path, "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"))
    wait_until(lambda: (tmp_path / "child.log").read_text().strip())
    grandchild = int((tmp_path / "child.log").read_text())
    (stopped,) = supervisor.stop(["child"], grace_s=0.5)
    assert stopped.killed
    wait_until(lambda: identity(grandchild) is None)


def test_what_a_dead_child_had_started_is_ended_before_it_is_started_again(supervisor, tmp_path):
    """A worker that outlives its master would still hold the master's port."""
    supervisor.start(program(tmp_path, "sleep 60 & echo $!; wait"))
    wait_until(lambda: (tmp_path / "child.log").read_text().strip())
    orphan = int((tmp_path / "child.log").read_text())
    os.kill(supervisor.pid("child"), signal.SIGKILL)
    wait_until(lambda: supervisor.count(Died) == 1)
    wait_until(lambda: identity(orphan) is None)


def test_children_die_with_a_parent_that_is_killed(tmp_path):
    """Kill -9 of the supervisor leaves no process behind."""
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from ormen.local.processes import Program; from ormen.local.supervisor import Supervisor\n"
        "s = Supervisor(); s.start(Program('c', ('/bin/sleep', '60'), Path(sys.argv[1]), dict(os.environ)))\n"
        "print(s.pid('c'), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path / "log"], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert psutil.Process(child).name() == "sleep"
        parent.kill()
    wait_until(lambda: identity(child) is None)


def test_a_child_whose_parent_is_already_gone_does_not_begin(tmp_path):
    """Between fork and the kernel's promise the parent may die: the child looks once, and ends."""
    from ormen.local.tether import tether

    not_our_parent = os.getpid() + 1
    with subprocess.Popen(["/bin/sleep", "60"], preexec_fn=tether(not_our_parent)) as child:
        assert child.wait(timeout=10) == 1
