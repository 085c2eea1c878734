"""Commands in a container on a node: through the API and Redis, by a real agent, on the real engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess

import pytest

from ormen.async_client import AsyncClient
from ormen.errors import NotRunning, TaskNotFound
from ormen.store import talks
from tests.integration.halls import ROOT, Api, Hall
from tests.integration.terminals import Terminal
from tests.waiting import wait_until


def test_a_commands_outputs_and_code_come_back(hall: Hall) -> None:
    """What a command prints comes back by output, with its own exit code, and no byte is changed."""
    done = hall.client.exec("web", ["sh", "-c", r"printf 'a\0\377b'; echo no >&2; exit 3"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"a\0\xffb", b"no\n")


def test_a_command_reads_what_it_is_given(hall: Hall) -> None:
    """Megabytes of input go through a command and come back whole: more than may be on its way at once."""
    data = os.urandom(4_000_000)
    assert hall.client.exec("web", ["cat"], stdin=data).stdout == data


def test_a_command_has_the_variables_user_and_folder_it_is_given(hall: Hall) -> None:
    """Variables, user and working folder are those of the request."""
    done = hall.client.exec("web", ["sh", "-c", "echo $A $(id -u) $PWD"], env={"A": "b c"}, user="7", workdir="/bin")
    assert (done.exit_code, done.text) == (0, "b c 7 /bin\n")


@pytest.mark.parametrize(("command", "code", "words"), [
    (["nosuch"], 127, "nosuch: there is no such program"),
    (["/proc/1/environ"], 126, "/proc/1/environ: it may not be executed"),
])  # fmt: skip
def test_a_program_that_cannot_be_run_has_its_codes(hall: Hall, command: list[str], code: int, words: str) -> None:
    """A program that is not there is 127, one that may not be executed 126, and stdout stays empty."""
    done = hall.client.exec("web", command)
    assert (done.exit_code, done.stdout) == (code, b"")
    assert words in done.stderr.decode()


def test_nothing_is_run_in_what_does_not_run(hall: Hall) -> None:
    """A task that is not there, or not running, is refused with its name."""
    with pytest.raises(TaskNotFound):
        hall.client.exec("wbe", ["true"])
    hall.client.submit([{"name": "big", "image": hall.harbour.image, "memory": "9000GiB"}])
    with pytest.raises(NotRunning, match="big is pending; nothing was done"):
        hall.client.exec("big", ["true"])


def test_what_was_run_is_on_record_without_its_arguments(hall: Hall) -> None:
    """Each command leaves the event task.exec with the program's name; its arguments may be secrets."""
    hall.client.exec("web", ["echo", "s3cret"])
    last = [event for event in hall.client.events(task="web") if event["type"] == "task.exec"][-1]
    assert (last["sentence"], last["node"], last["attempt"]) == ("echo", "node-1", 1)
    assert "s3cret" not in json.dumps(hall.client.events(task="web"))


def test_the_command_line_passes_streams_and_code_on(hall: Hall) -> None:
    """Bytes of stdin come out of stdout and stderr as the command wrote them, and its code is ours."""
    ended = hall.ormen("exec", "-i", "web", "sh", "-c", "cat; echo bad >&2; exit 7", stdin=b"\0\xff\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, b"\0\xff\n", b"bad\n")


def test_the_command_line_says_when_ormen_itself_failed(hall: Hall) -> None:
    """What ormen refuses is 125, so that no code of a command is taken for it."""
    ended = hall.ormen("exec", "nosuchtask", "true")
    assert (ended.returncode, ended.stdout) == (125, b"")
    assert b"[TASK_NOT_FOUND]" in ended.stderr


def test_the_command_line_gives_one_document(hall: Hall) -> None:
    """With -o json code and outputs are one document, and the code is still the command's."""
    ended = hall.ormen("exec", "-o", "json", "web", "sh", "-c", "echo hi; exit 4")
    assert (ended.returncode, json.loads(ended.stdout)) == (4, {"exit_code": 4, "stdout": "hi\n", "stderr": ""})


def test_a_terminal_has_our_size_and_keys(hall: Hall) -> None:
    """With -it the container's terminal has our window's size, Ctrl-C is a key of it, and ours is as before."""
    with Terminal(hall.command("exec", "-it", "web", "sh"), rows=33, columns=99) as screen:
        screen.until("# ")
        screen.type("stty size\n")
        screen.until("33 99")
        screen.resize(rows=44, columns=88)
        screen.type("sleep 987\n")
        wait_until(lambda: hall.inside("sleep 987"))
        screen.type("\x03stty size; exit 9\n")
        screen.until("44 88")
        assert screen.process.wait(20) == 9
        assert screen.is_cooked()
    hall.gone("sleep 987")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_reader_that_goes_away_ends_the_command(hall: Hall, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves, in order or by kill -9, leaves nothing behind: not the command, nor what it has started."""
    monkeypatch.setattr(talks, "READER_S", 3)
    script = f"sleep 55{number:02} & sleep 66{number:02}; echo never"
    process = subprocess.Popen(hall.command("exec", "web", "sh", "-c", script), cwd=ROOT)
    wait_until(lambda: hall.inside(f"sleep 66{number:02}") and hall.inside(f"sleep 55{number:02}"))
    process.send_signal(number)
    assert process.wait(20) == (-9 if number == signal.SIGKILL else 128 + number)
    hall.gone(f"66{number:02}")
    hall.gone(f"55{number:02}")


def test_an_awaited_command_that_is_cancelled_is_ended(hall: Hall) -> None:
    """Cancelling an await of `AsyncClient.exec` ends the command at once, not only when its reader is missed."""

    async def cancelled() -> None:
        async with AsyncClient(f"127.0.0.1:{hall.api.port}") as client:
            assert (await client.exec("web", ["echo", "hi"])).text == "hi\n"
            call = asyncio.create_task(client.exec("web", ["sleep", "7711"]))
            await asyncio.to_thread(wait_until, lambda: hall.inside("sleep 7711"))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(cancelled())
    wait_until(lambda: not hall.inside("sleep 7711"), timeout_s=talks.READER_S - 3)


def test_a_deck_that_is_started_again_loses_nothing(hall: Hall) -> None:
    """A command outlives the deck through which it was begun: its output goes on where it was."""
    script = "for i in $(seq 1 40); do echo $i; sleep 0.1; done; exit 5"
    process = subprocess.Popen(hall.command("exec", "web", "sh", "-c", script), cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    hall.api.close()
    hall.api = Api(hall.harbour.settings, hall.api.port)
    assert process.stdout.read().split() == [b"%d" % number for number in range(2, 41)]
    assert process.wait(20) == 5
    process.stdout.close()
