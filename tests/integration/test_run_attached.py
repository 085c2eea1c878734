"""``ormen run`` that stays with its container: on a real engine, by a real agent, through the API."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial

import pytest

from tests.integration.halls import ROOT, Hall
from tests.integration.terminals import Terminal
from tests.waiting import wait_until


def names(hall: Hall) -> set[str]:
    """The tasks on record but the hall's own."""
    return {task["name"] for task in hall.client.tasks()} - {"web"}


def interrupts(hall: Hall, name: str) -> int:
    """How many SIGINT the engine has sent to a task's container."""
    wish = {"container": [hall.client.task(name)["container_name"]], "event": ["kill"]}
    now = time.time()
    found = hall.harbour.docker.events(since=int(now) - 120, until=int(now) + 1, filters=wish, decode=True)
    return sum(event["Actor"]["Attributes"]["signal"] == "2" for event in found)


def is_told(hall: Hall, process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether the container has got more than `number` interrupts, or the command is over."""
    return interrupts(hall, "goes-on") > number or process.poll() is not None


def test_a_run_that_stays_shows_all_and_exits_as_its_program(hall: Hall) -> None:
    """Outputs come by output from the first byte to the last, and nothing of it is left behind with --rm."""
    script = "seq 1 5000; echo bad >&2; exit 3"
    ended = hall.ormen("run", "-q", "--rm", "--name", "once", hall.harbour.image, "sh", "-c", script)
    assert (ended.returncode, ended.stderr) == (3, b"bad\n")
    assert ended.stdout.split() == [b"%d" % number for number in range(1, 5001)]
    assert "once" not in names(hall)


def test_a_run_reads_what_is_piped_into_it(hall: Hall) -> None:
    """With -i stdin goes in to its end, and bytes come out unchanged, also of a program that ends at once."""
    data = os.urandom(500_000)
    ended = hall.ormen("run", "-q", "-i", "--rm", hall.harbour.image, "cat", stdin=data)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, data, b"")


def test_a_run_on_a_terminal_is_a_shell(hall: Hall) -> None:
    """With -it the first prompt is there, keys go in, the window has our size, and exit's code is ours."""
    with Terminal(
        hall.command("run", "-it", "--rm", "--name", "shell", hall.harbour.image, "sh"), rows=31, columns=97
    ) as at:
        at.until("# ")
        at.type("stty size\n")
        at.until("31 97")
        at.type("exit 6\n")
        assert at.process.wait(20) == 6
        assert at.is_cooked()
    assert "shell" not in names(hall)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 21)])
def test_signals_are_handed_to_the_container(hall: Hall, number: int, code: int) -> None:
    """Without a terminal the container gets the signals that the command gets, and says by itself how it ends."""
    script = "trap 'exit 130' INT; trap 'exit 143' TERM; trap 'exit 21' USR1; echo on; while :; do sleep 0.1; done"
    words = ["run", "--attach", "--name", f"told-{number}", hall.harbour.image, "sh", "-c", script]
    process = subprocess.Popen(hall.command(*words), cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    process.send_signal(number)
    assert process.wait(20) == code
    process.stdout.close()
    wait_until(lambda: hall.client.task(f"told-{number}")["state"] == "failed")
    record = hall.client.task(f"told-{number}")
    assert (record["exit_code"], record["reason"]["code"], record["attempt"]) == (code, "EXIT", 1)


def test_whoever_leaves_leaves_it_running(hall: Hall) -> None:
    """Kill -9 of the command ends nothing that takes no input; the third Ctrl-C leaves, and says so."""
    words = ["run", "--attach", "--name", "goes-on", hall.harbour.image, "sh", "-c", "echo on; sleep 1000"]
    process = subprocess.Popen(hall.command(*words), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    for number in range(3):
        process.send_signal(signal.SIGINT)
        wait_until(partial(is_told, hall, process, number))
    _, said = process.communicate(timeout=20)
    assert (process.returncode, b"goes-on goes on by itself" in said) == (130, True)
    assert hall.client.task("goes-on")["state"] == "running"
    hall.client.remove("goes-on", force=True, wait_s=20)


def test_a_program_that_is_not_there_is_127_and_leaves_nothing(hall: Hall) -> None:
    """What cannot start is said with its reason, is 127 as in a shell, and is removed with --rm."""
    ended = hall.ormen("run", "--rm", "--name", "nosuch", hall.harbour.image, "nosuch")
    assert (ended.returncode, ended.stdout) == (127, b"")
    assert b"[COMMAND_NOT_FOUND]" in ended.stderr
    assert "nosuch" not in names(hall)


@pytest.mark.parametrize(("flags", "words"), [
    (["-d", "--rm"], b"--rm does not go with --detach"),
    (["--rm", "--restart", "always"], b"--rm does not go with --restart always"),
    (["--attach", "--count", "2"], b"not with --count"),
    (["-it"], b"stdin is no terminal"),
])  # fmt: skip
def test_flags_that_contradict_each_other_start_nothing(hall: Hall, flags: list[str], words: bytes) -> None:
    """They are refused as wrong use, before anything is submitted."""
    ended = hall.ormen("run", *flags, "--name", "never", hall.harbour.image)
    assert (ended.returncode, words in ended.stderr) == (2, True)
    assert "never" not in names(hall)
