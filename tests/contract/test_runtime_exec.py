"""Commands in containers, on the fake and on a real engine."""

from __future__ import annotations

import threading

import pytest

from ormen.talk import ERR, OUT, Frame
from tests.contract.bench import Bench
from worker_agent.runtime import ContainerGone
from worker_agent.talking import Dialogue, ExecPlan


def begun(bench: Bench, *command: str, stdin: bool = False, tty: bool = False) -> Dialogue:
    """Begin a command in a container of its own."""
    return bench.runtime.exec(bench.started(), ExecPlan(command, stdin=stdin, tty=tty))


def test_what_a_command_prints_comes_back(bench: Bench) -> None:
    """The outputs come as they are printed, and then the code."""
    dialogue = begun(bench, "echo", "a", "b")
    assert list(dialogue) == [Frame(OUT, b"a b\n")]
    assert dialogue.exit_code() == 0
    dialogue.close()


def test_a_command_reads_until_its_input_ends(bench: Bench) -> None:
    """Input goes in while output comes out, and its end is seen."""
    dialogue = begun(bench, "cat", stdin=True)
    dialogue.write(b"one\0\xff")
    assert next(iter(dialogue)) == Frame(OUT, b"one\0\xff")
    dialogue.close_input()
    assert list(dialogue) == []
    assert dialogue.exit_code() == 0
    dialogue.close()


def test_a_program_that_is_not_there_is_127(bench: Bench) -> None:
    """Its name is told as an error output, not as output."""
    dialogue = begun(bench, "nosuch")
    assert list(dialogue) == [Frame(ERR, b"nosuch: there is no such program in the container\n")]
    assert dialogue.exit_code() == 127
    dialogue.close()


@pytest.mark.parametrize("tty", [False, True])
def test_a_command_can_be_ended(bench: Bench, tty: bool) -> None:
    """Ending a command frees whoever waits for its output, and it has a code."""
    dialogue = begun(bench, "sleep", "100", tty=tty)
    got: list[Frame] = []
    reader = threading.Thread(target=lambda: got.extend(dialogue))
    reader.start()
    assert dialogue.end()
    reader.join(10)
    assert not reader.is_alive()
    assert dialogue.exit_code() in (129, 137, 143)
    dialogue.close()


def test_no_command_runs_in_a_container_that_does_not(bench: Bench) -> None:
    """A container that was not started, or is gone, is a fault and no exit code."""
    with pytest.raises(ContainerGone, match="does not run"):
        bench.runtime.exec(bench.runtime.create(bench.plan()), ExecPlan(("true",)))
    with pytest.raises(ContainerGone):
        bench.runtime.exec("0" * 64, ExecPlan(("true",)))
