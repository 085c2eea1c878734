"""Commands in containers, on the fake and on a real engine."""

from __future__ import annotations

import threading

import pytest

from ormen.talk import ERR, OUT, Frame
from tests.contract.bench import Bench
from tests.waiting import wait_until
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


def test_whoever_attaches_before_the_start_misses_nothing(bench: Bench) -> None:
    """What a container prints from its first moment to its last comes, and then its code."""
    container_id = bench.runtime.create(bench.plan())
    dialogue = bench.runtime.attach(container_id, tty=False, past=False)
    bench.runtime.start(container_id)
    bench.world.say(container_id, "hello")
    assert next(iter(dialogue)) == Frame(OUT, b"hello\n")
    bench.world.exit(container_id, 4)
    assert list(dialogue) == []
    wait_until(lambda: dialogue.exit_code() == 4)
    dialogue.close()


def test_a_log_is_read_from_its_beginning_to_the_end(bench: Bench) -> None:
    """Also what was printed before comes, and the container's end is the log's."""
    container_id = bench.started()
    bench.world.say(container_id, "before")
    bench.world.exit(container_id, 0)
    wait_until(lambda: (found := bench.runtime.inspect(container_id)) and found.ended)
    dialogue = bench.runtime.follow(container_id)
    assert list(dialogue) == [Frame(OUT, b"before\n")]
    assert dialogue.exit_code() == 0
    dialogue.close()
    with pytest.raises(ContainerGone):
        bench.runtime.follow("0" * 64)


def test_letting_go_of_a_container_does_not_end_it(bench: Bench) -> None:
    """Whoever was attached and leaves, leaves it running."""
    container_id = bench.started()
    dialogue = bench.runtime.attach(container_id, tty=False, past=True)
    assert dialogue.end()
    assert list(dialogue) == []
    found = bench.runtime.inspect(container_id)
    assert found is not None
    assert found.running
    assert dialogue.exit_code() is None


def test_no_command_runs_in_a_container_that_does_not(bench: Bench) -> None:
    """A container that was not started, or is gone, is a fault and no exit code."""
    with pytest.raises(ContainerGone, match="does not run"):
        bench.runtime.exec(bench.runtime.create(bench.plan()), ExecPlan(("true",)))
    with pytest.raises(ContainerGone):
        bench.runtime.exec("0" * 64, ExecPlan(("true",)))
