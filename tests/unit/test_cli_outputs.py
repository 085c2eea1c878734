"""What every command prints for programs: -o json, -o name and -q, on stdout, and problems as JSON on stderr."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from threading import Barrier

import pytest
import yaml
from cli_stub import TRAIN, UP, WAY, Answer, deck, node, ormen, problem, variables

from ormen.cli.actions import each
from ormen.cli.drawing import QuietScreen
from ormen.cli.drawing import screen as drawing
from ormen.cli.session import Session
from ormen.cli.supervising import Journal
from ormen.local.logs import INFO
from ormen.local.stage import Failure, Remark, Result, Step
from tests.integration.terminals import Terminal

NO_NODE = problem(404, "NODE_NOT_FOUND", 'no node "x"')
USE = {
    "task": UP["id"], "name": "web", "node": "node-1", "attempt": 1, "cpu": 0.5, "memory_bytes": 1 << 20,
    "memory_limit_bytes": None, "received_bytes": 0, "sent_bytes": 0, "read_bytes": 0, "written_bytes": 0, "pids": 3,
}  # fmt: skip


def test_events_of_one_task_are_ids_with_q() -> None:
    """-q prints ids whether all events are asked for or those of a task."""
    with deck({"GET /v1/events": {"items": WAY, "next": None}, "GET /v1/tasks/web": UP}) as stub:
        ids = [event["id"] for event in WAY]
        assert ormen("events", "web", "-q", at=stub.address).stdout.split() == ids
        assert ormen("events", "-q", at=stub.address).stdout.split() == ids


def test_a_watched_list_is_ids_with_q() -> None:
    """-q of a watch prints an id for each row, as -q of the list does."""
    answers = {"GET /v1/tasks": [{"items": [TRAIN, UP], "next": None}, problem(500, "INTERNAL", "enough")]}
    with deck(answers, WAY) as stub:
        assert ormen("status", "-w", "-q", at=stub.address).stdout.split() == [UP["id"], TRAIN["id"]]


def test_actions_on_nodes_serve_programs() -> None:
    """-o name is the node's name, -o json an array also where nothing is left to show, and nothing if all failed."""
    answers = {
        "GET /v1/nodes/node-1": node("node-1"), "POST /v1/nodes/node-1/activate": Answer(202, node("node-1")),
        "DELETE /v1/nodes/node-1": Answer(204), "GET /v1/nodes/x": NO_NODE,
    }  # fmt: skip
    with deck(answers) as stub:
        assert ormen("mast", "activate", "node-1", "-o", "name", at=stub.address).stdout == "node-1\n"
        assert json.loads(ormen("mast", "rm", "-o", "json", "node-1", at=stub.address).stdout) == [{"name": "node-1"}]
        for words in (("rm",), ()):
            assert ormen("mast", *words, "x", "-o", "json", at=stub.address).stdout == ""


def test_removing_what_is_not_there_prints_no_array() -> None:
    """Stdout stays empty where nothing was done."""
    with deck({"DELETE /v1/tokens/x": problem(404, "TOKEN_NOT_FOUND", 'no token "x"')}) as stub:
        result = ormen("token", "rm", "-o", "json", "x", at=stub.address)
    assert (result.returncode, result.stdout, json.loads(result.stderr)["code"]) == (3, "", "TOKEN_NOT_FOUND")


def test_inspect_says_which_they_are() -> None:
    """-o name prints names, -q ids; a node has its name alone."""
    path = f"GET /v1/tasks/{UP['id']}/attempts"
    answers = {"GET /v1/tasks/web": UP, path: {"items": []}, "GET /v1/nodes/node-1": node("node-1")}
    with deck(answers) as stub:
        assert ormen("inspect", "web", "node-1", "-o", "name", at=stub.address).stdout == "web\nnode-1\n"
        assert ormen("inspect", "web", "node-1", "-q", at=stub.address).stdout == f"{UP['id']}\nnode-1\n"


def test_changes_of_contexts_serve_programs(tmp_path: Path) -> None:
    """Both `add` and `use` print the context, rm those that are gone; -o name the name, and never a token."""
    env = {"XDG_CONFIG_HOME": str(tmp_path), "ORMEN_MANAGER": ""}
    added = ormen("context", "add", "prod", "-m", "a:1", "--token-stdin", "-o", "json", env=env, input="s3cret")
    kept = {"name": "prod", "manager": "a:1", "token": True, "current": True}
    assert json.loads(added.stdout) == kept
    assert json.loads(ormen("context", "use", "prod", "-o", "json", env=env).stdout) == kept
    assert ormen("context", "use", "prod", "-o", "name", env=env).stdout == "prod\n"
    assert json.loads(ormen("context", "rm", "prod", "x", "-o", "json", env=env).stdout) == [{"name": "prod"}]
    assert ormen("context", "rm", "x", "-o", "json", env=env).stdout == ""


def test_a_refusal_of_our_own_is_a_problem_document_too() -> None:
    """With -o json a wrong argument is JSON on stderr: all faults, by flag; status 0, for no deck said so."""
    result = ormen("run", "-o", "json", "--memory", "12", "--cpus", "x", "nginx")
    told = json.loads(result.stderr)
    assert (result.returncode, result.stdout, told["code"], told["status"]) == (2, "", "WRONG_USE", 0)
    assert {fault["pointer"] for fault in told["errors"]} == {"/--memory", "/--cpus"}
    assert json.loads(ormen("stats", "web", "--node", "n", "-o", "json").stderr)["hint"] == "leave out one of them."


def test_a_wait_that_is_over_is_told_as_such() -> None:
    """The problem's code is that of the exit code, 124."""
    with deck({"GET /v1/tasks/web": UP, f"GET /v1/tasks/{UP['id']}": UP}) as stub:
        result = ormen("wait", "web", "--timeout", "0.1", "-o", "json", at=stub.address)
    assert (result.returncode, json.loads(result.stderr)["code"]) == (124, "TIMED_OUT")


@pytest.mark.parametrize("family", ["token", "registry", "webhook", "context"])
def test_a_family_alone_is_its_help(family: str) -> None:
    """No command is help and exit 0, a wrong one a sentence and exit 2."""
    alone = ormen(family)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert alone.stdout == ormen(family, "--help").stdout
    wrong = ormen(family, "lss")
    assert (wrong.returncode, wrong.stderr) == (2, 'error: no command "lss"; did you mean ls?\n')


def test_what_is_missing_is_named_with_its_flag() -> None:
    """An option is asked for as it is typed."""
    assert ormen("plan").stderr == "error: -f FILE is missing.\n"
    assert ormen("webhook", "add", "http://h").stderr == "error: --on EVENTS is missing.\n"


def test_faults_of_what_is_no_task_are_not_called_a_tasks() -> None:
    """The title is the deck's own, and the place has no `tasks` before it."""
    fault = {"pointer": "/events/0", "code": "NOT_A_CHOICE", "detail": "is none", "value": "foo", "hint": None}
    refusal = problem(422, "INVALID_SPEC", "1 fault; nothing was stored.", errors=[fault])
    with deck({"POST /v1/webhooks": refusal}) as stub:
        told = ormen("webhook", "add", "http://h", "--on", "foo", at=stub.address).stderr
    assert told == "error: 1 fault; nothing was stored.  [INVALID_SPEC]\n  events[0]  is none\n"


def test_a_quiet_start_tells_failures_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """`ormen up -q` and `down -q` are silent unless something goes wrong."""
    screen = QuietScreen(Session(quiet=True))
    for told in (Step("✓", "redis", "up"), Remark("a port was taken"), Result("Ready in 2.7s.")):
        screen.tell(told)
    assert capsys.readouterr() == ("", "")
    screen.tell(Failure("it is held", None, 4, "", ()))
    assert capsys.readouterr().err == "error: it is held.\n"


def test_a_start_is_objects_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each step, remark and line is an object on stdout, the result has its facts; a failure is a problem on stderr."""
    screen = drawing(Session(output="json"))
    screen.tell(Step("⠹", "redis", "starting"))
    screen.tell(Step("✓", "redis", "up", 1.23456))
    screen.tell(Remark("a port was taken"))
    screen.log("node-1", "pulls nginx", wide=6)
    screen.tell(Result("Ready in 2.7s. Look: ormen status\nStop it", {"manager": "http://127.0.0.1:5555"}))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == {"kind": "step", "name": "redis", "state": "done", "text": "up", "seconds": 1.235}
    assert told[1] == {"kind": "remark", "text": "a port was taken"}
    assert (told[2].pop("time")[-1], told[2]) == ("Z", {"kind": "log", "name": "node-1", "text": "pulls nginx"})
    said = "Ready in 2.7s. Look: ormen status. Stop it"
    assert told[3] == {"kind": "result", "text": said, "manager": "http://127.0.0.1:5555"}
    screen.tell(Failure("it is held", "stop it", 4, "", ("by pid 7",)))
    out, err = capsys.readouterr()
    assert (out, json.loads(err)["code"], json.loads(err)["evidence"]) == ("", "TAKEN", ["by pid 7"])


def test_a_service_speaks_in_objects_or_only_of_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    """`deck` and `sailor` log objects with -o json, and with -q what is a warning or worse."""
    Journal(Session(output="json"), "deck").say("beat: starts", rank=INFO)
    out, err = capsys.readouterr()
    assert (json.loads(out)["name"], json.loads(out)["text"], err) == ("deck", "beat: starts", "")
    quiet = Journal(Session(quiet=True), "sailor a", mark=":")
    quiet.say("joined", rank=INFO), quiet.say("Redis does not answer")
    out, err = capsys.readouterr()
    assert (out, err.partition(" ")[2]) == ("", "sailor a: Redis does not answer\n")


def test_what_cannot_be_done_here_is_a_problem_document(tmp_path: Path) -> None:
    """The commands of this machine refuse as all others do; and what they did is their result's outcome."""
    for words in (["deck", "--token-file", str(tmp_path / "none")], ["sailor", "--share", "x"], ["down", "--purge"]):
        away = ["--keep-containers", "--state-dir", str(tmp_path / "x")] if words[0] == "down" else []
        result = ormen(*words, *away, "-o", "json")
        told = json.loads(result.stderr)
        assert (result.returncode, result.stdout, told["code"], told["status"]) == (2, "", "WRONG_USE", 0), words
    done = ormen("down", "--state-dir", str(tmp_path), "-o", "json")
    assert json.loads(done.stdout)["outcome"] == "nothing"
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])


@pytest.mark.parametrize("words", [["--no-such", "-o", "json"], ["--output=json", "--no-such"]])
def test_wrong_use_is_data_wherever_the_format_stands(words: list[str]) -> None:
    """An option that is none is a problem document also if it comes before -o."""
    told = json.loads(ormen("status", *words).stderr)
    assert (told["code"], told["detail"]) == ("WRONG_USE", "no option --no-such")
    assert ormen("run", "--no-such", "nginx", "--", "-o", "json").stderr.startswith("error: no option --no-such")


def test_a_stream_in_yaml_is_a_document_each() -> None:
    """What follows is YAML where YAML was asked for; a parser reads one object after the other."""
    answers = {"GET /v1/tasks": [{"items": [TRAIN, UP], "next": None}, problem(500, "INTERNAL", "enough")]}
    with deck(answers, WAY) as stub:
        watched = ormen("status", "-w", "-o", "yaml", at=stub.address).stdout
    assert [task["name"] for task in yaml.safe_load_all(watched)] == ["web", "train"]


def test_a_completion_script_is_data_too() -> None:
    """-o json has the script as a string, -q the script as it is."""
    plain = ormen("completion", "fish", "-q").stdout
    assert json.loads(ormen("completion", "fish", "-o", "json").stdout) == {"shell": "fish", "script": plain[:-1]}


def test_a_live_view_outlives_the_deck_and_grows_with_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn anew says that the deck is away, fills a wider window, and leaves a clean screen with 130."""
    away = problem(503, "STORE_UNAVAILABLE", "the store is away")
    shown = {"items": [USE], "nodes": [], "next": None}
    with deck({"GET /v1/stats": [shown, away]}) as stub:
        for name, value in variables(stub.address, {"TERM": "xterm"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("COLUMNS", raising=False)
        with Terminal([sys.executable, "-m", "ormen.cli", "stats"], rows=20, columns=60) as screen:
            screen.until("web")
            screen.until("trying again")
            stub.answers["GET /v1/stats"] = [Answer(200, shown)]
            screen.resize(rows=20, columns=120)
            screen.until("WRITTEN  PIDS")
            os.kill(screen.process.pid, 2)
            assert screen.process.wait(20) == 130
            screen.until("\x1b[?1049l")
            assert screen.is_cooked()


def test_many_tasks_are_acted_on_side_by_side_and_told_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Each may take its whole grace, so none waits for the one before; the lines come as they were asked for."""
    together = Barrier(3)

    def act(word: str) -> dict[str, str]:
        together.wait(timeout=10)
        return {"name": word}

    each(Session(), ["c", "a", "b"], act, line=lambda record, _: f"{record['name']} is stopped")
    assert capsys.readouterr().out == "c is stopped\na is stopped\nb is stopped\n"
