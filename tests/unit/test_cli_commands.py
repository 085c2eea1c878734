"""The ormen command as a process, against a deck that answers from documents: exit codes, streams, safety."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from cli_stub import TRAIN, UP, WAY, WEB, Answer, deck, log, moment, node, ormen, problem

NOT_FOUND = problem(404, "TASK_NOT_FOUND", 'no task "wbe"', hint="did you mean web?", near=["web"])
FAULTS = problem(
    422,
    "INVALID_SPEC",
    "2 faults; nothing was stored.",
    errors=[
        {"pointer": "/0/memroy", "code": "UNKNOWN_FIELD", "detail": "unknown field", "hint": "did you mean memory?"},
        {
            "pointer": "/1/restart",
            "code": "NOT_A_CHOICE",
            "detail": "",
            "value": "allways",
            "hint": "did you mean always?",
        },
    ],
)
ONE = f"GET /v1/tasks/{WEB['id']}"
SHOP = "tasks:\n- name: web\n  image: nginx\n  memroy: 512MiB\n- name: db\n  image: postgres\n  restart: allways\n"


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (422, "INVALID_QUERY", 2),
        (404, "TASK_NOT_FOUND", 3),
        (409, "AMBIGUOUS", 4),
        (401, "TOKEN_MISSING", 6),
        (403, "POLICY", 6),
        (500, "INTERNAL", 1),
    ],
)
def test_each_refusal_has_its_exit_code(status: int, code: str, exit_code: int) -> None:
    """The exit code follows from the problem; stdout stays empty and the sentence is on stderr."""
    with deck({"GET /v1/tasks": problem(status, code, "no")}) as stub:
        result = ormen("status", at=stub.address)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert result.stderr.startswith("error: ")


def test_no_deck_is_exit_5_with_the_remedy() -> None:
    """A refused connection says where nothing answers and how to start or find a deck."""
    address = f"127.0.0.1:{free_port()}"
    result = ormen("status", "-m", address)
    assert result.returncode == 5
    assert result.stderr == (
        f"error: no deck answers at {address}: connection refused.  [UNREACHABLE]\n"
        "hint:  start one with ormen up, or say where: -m HOST:PORT, ORMEN_MANAGER.\n"
    )


def test_something_that_is_no_deck_is_named_so() -> None:
    """Another program's web page is no reason for a stack trace."""
    with deck({"GET /v1/tasks": Answer(200, b"<html>", {"Content-Type": "text/html"})}) as stub:
        result = ormen("status", at=stub.address)
    assert result.returncode == 5
    assert "is no deck of ormen" in result.stderr


@pytest.mark.parametrize("token", ["two\nlines", "two\r", "日本"])
def test_a_token_that_no_header_can_hold_is_wrong_use(token: str) -> None:
    """It is said before anything is asked, and the token itself is not shown."""
    with deck({}) as stub:
        result = ormen("status", at=stub.address, env={"ORMEN_TOKEN": token})
    assert (result.returncode, stub.seen) == (2, [])
    assert result.stderr.startswith("error: the token cannot be sent: it holds a line break")
    assert token not in result.stderr


def test_unknown_commands_and_options_are_exit_2_without_usage() -> None:
    """Wrong use gets one sentence with the nearest name, never the usage text."""
    for args, said in (
        (["statsu"], 'no command "statsu"; did you mean stats or status?'),
        (["status", "--stat", "x"], "no option --stat"),
    ):
        result = ormen(*args)
        assert result.returncode == 2
        assert said in result.stderr
        assert "Usage" not in result.stderr


def test_with_json_the_problem_itself_goes_to_stderr() -> None:
    """Programs get the problem document; stdout stays empty."""
    with deck({"GET /v1/tasks/wbe": NOT_FOUND}) as stub:
        result = ormen("status", "wbe", "-o", "json", at=stub.address)
    assert result.stdout == ""
    assert json.loads(result.stderr)["code"] == "TASK_NOT_FOUND"


def test_status_serves_programs() -> None:
    """JSON is a bare array, -q whole ids, -o name a name a line; counts stay off stdout."""
    with deck({"GET /v1/tasks": {"items": [UP, TRAIN], "next": None}}) as stub:
        assert [task["name"] for task in json.loads(ormen("status", "-o", "json", at=stub.address).stdout)] == [
            "web",
            "train",
        ]
        assert ormen("status", "-q", at=stub.address).stdout.split() == [UP["id"], TRAIN["id"]]
        assert ormen("status", "-o", "name", at=stub.address).stdout == "web\ntrain\n"
        result = ormen("status", at=stub.address)
    assert result.stderr == "2 tasks: 1 running, 1 pending\n"


def test_status_reads_every_page() -> None:
    """A list is followed to its end by its cursors, with the filters on each page."""
    pages = [{"items": [UP], "next": "c1"}, {"items": [TRAIN], "next": None}]
    with deck({"GET /v1/tasks": pages}) as stub:
        result = ormen("ps", "-q", "-l", "app=web,tier!=db", "--state", "running", at=stub.address)
    assert len(result.stdout.split()) == 2
    assert [request.query.get("cursor") for request in stub.seen] == [None, ["c1"]]
    assert stub.seen[1].query["label"] == ["app=web", "tier!=db"]


def test_run_waits_until_healthy_and_gives_the_id_alone() -> None:
    """The id is on stdout, the way on stderr; the command returns when the check has passed."""
    with deck({"POST /v1/tasks": Answer(201, [WEB]), ONE: [WEB, UP]}, WAY) as stub:
        result = ormen("run", "nginx", "-p", "8080:80", "--name", "web", "--health", "/", at=stub.address)
    assert (result.returncode, result.stdout) == (0, WEB["id"] + "\n")
    assert result.stderr.splitlines()[0] == "web: placed on node-1, cheapest of 3 nodes that fit (0.0s)"
    assert result.stderr.splitlines()[-1] == "web: runs on node-1, http://10.0.0.11:8080"
    sent = stub.seen[0].body[0]
    assert uuid.UUID(sent.pop("id"))
    assert sent == {
        "image": "nginx",
        "name": "web",
        "ports": [{"container": 80, "host": 8080}],
        "health": {"http": "/"},
    }


def test_run_detached_says_what_waits() -> None:
    """-d returns at once; the id is on stdout, the reason for waiting on stderr."""
    with deck({"POST /v1/tasks": Answer(201, [TRAIN])}) as stub:
        result = ormen("run", "-d", "--name", "train", "--memory", "4g", "acme/train:2", at=stub.address)
    assert (result.returncode, result.stdout) == (0, TRAIN["id"] + "\n")
    assert result.stderr == "train waits: needs 4 GiB of memory; the most free is 1.5 GiB, on node-1.\n"


def _waiting(record: dict[str, Any], **more: Any) -> dict[str, Any]:
    path = f"/v1/tasks/{record['id']}"
    nodes = {"items": [node("node-1")], "next": None}
    return {
        "POST /v1/tasks": Answer(201, [record]),
        f"GET {path}": record,
        f"GET {path}/attempts": {"items": []},
        "GET /v1/nodes": nodes,
        **more,
    }


def test_run_that_finds_no_room_in_time_is_exit_124() -> None:
    """Room may come, so waiting goes on to --timeout; the task stays queued."""
    with deck(_waiting(TRAIN)) as stub:
        result = ormen("run", "--timeout", "1", "acme/train:2", at=stub.address)
    assert result.returncode == 124
    assert "train found no room within 1s: needs 4 GiB of memory" in result.stderr


def test_run_that_never_fits_is_exit_1_at_once() -> None:
    """What no node has even when empty is said at once instead of waited for."""
    huge = {**TRAIN, "could_fit": "never"}
    with deck(_waiting(huge)) as stub:
        result = ormen("run", "--timeout", "30", "acme/train:2", at=stub.address)
    assert result.returncode == 1
    assert "fits no node, not even an empty one" in result.stderr


def test_run_of_a_missing_image_is_exit_1_at_once() -> None:
    """Trying again cannot cure it, so waiting ends."""
    missing = {
        **WEB,
        "state": "pending",
        "reason": {"code": "PULL_NOT_FOUND", "sentence": "docker.io has no image ngnix."},
    }
    with deck(_waiting(missing)) as stub:
        result = ormen("run", "ngnix", at=stub.address)
    assert result.returncode == 1
    assert "docker.io has no image ngnix.  [PULL_NOT_FOUND]" in result.stderr


def test_faults_of_a_file_name_their_lines(tmp_path: Path) -> None:
    """The deck's faults are shown with the file's lines, all at once; exit 2."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    with deck({"POST /v1/tasks": FAULTS}) as stub:
        result = ormen("run", "-f", str(tmp_path / "shop.yaml"), at=stub.address)
    assert result.returncode == 2
    assert "shop.yaml has 2 faults; nothing was started.  [INVALID_SPEC]" in result.stderr
    assert "  line 4  tasks[0].memroy   unknown field; did you mean memory?\n" in result.stderr
    assert '  line 7  tasks[1].restart  "allways": did you mean always?\n' in result.stderr


def test_run_takes_a_file_from_stdin_and_a_bare_run_takes_task_json(tmp_path: Path) -> None:
    """``-f -`` is stdin; without anything ./task.json is taken, as by the seeds."""
    (tmp_path / "task.json").write_text('{"name": "web", "image": "nginx"}')
    with deck({"POST /v1/tasks": Answer(201, [WEB])}) as stub:
        assert ormen("run", "-d", "-f", "-", at=stub.address, input=SHOP).returncode == 0
        assert ormen("run", "-d", at=stub.address, cwd=tmp_path).returncode == 0
    assert [spec["name"] for spec in stub.seen[0].body] == ["web", "db"]
    assert stub.seen[1].body[0]["name"] == "web"


def test_a_file_that_cannot_be_read_is_exit_2(tmp_path: Path) -> None:
    """The file and the system's reason are named."""
    result = ormen("run", "-f", str(tmp_path / "no.yaml"))
    assert result.returncode == 2
    assert "no.yaml cannot be read: no such file or directory" in " ".join(result.stderr.split())


def test_a_flag_beside_a_file_is_named_as_it_is_typed() -> None:
    """A file says all that a task is; flags that say the same are refused by their own name."""
    for words, flag in ((("-p", "80"), "--publish"), (("--init",), "--init"), (("--mount", "x"), "--mount")):
        result = ormen("run", "-f", "shop.yaml", *words)
        assert (result.returncode, f"{flag} does not go with -f shop.yaml" in result.stderr) == (2, True), result.stderr


def test_stop_tries_each_operand_and_ends_with_the_first_failure() -> None:
    """Each operand gets its line; the exit code is that of the first that failed."""
    gone = {**UP, "state": "completed", "exit_code": 0, "reason": {"code": "STOPPED", "sentence": "Stopped."}}
    with deck({"POST /v1/tasks/web/stop": Answer(202, gone), "POST /v1/tasks/wbe/stop": NOT_FOUND}) as stub:
        result = ormen("stop", "wbe", "web", "wbe", at=stub.address)
    assert result.returncode == 3
    assert result.stdout.startswith("web: stopped on node-1 in ")
    assert result.stderr == 'error: no task "wbe"; did you mean web?  [TASK_NOT_FOUND]\n' * 2
    assert stub.seen[1].query == {"wait": ["1"], "timeout": ["60.0"]}


def test_stop_that_does_not_end_in_time_is_exit_124() -> None:
    """A task that still runs when the time is over is not called stopped."""
    with deck({"POST /v1/tasks/web/stop": Answer(202, UP)}) as stub:
        result = ormen("stop", "--timeout", "1s", "web", at=stub.address)
    assert result.returncode == 124
    assert "still running" in result.stdout


def test_rm_of_a_running_task_is_exit_4_with_the_remedy() -> None:
    """Removing what still runs needs --force, and the hint says so."""
    running = problem(409, "STILL_RUNNING", "web still runs on node-1")
    with deck({"DELETE /v1/tasks/web": [running, Answer(204)]}) as stub:
        refused = ormen("rm", "web", at=stub.address)
        assert ormen("rm", "--force", "web", at=stub.address).stdout == "web: removed\n"
    assert refused.returncode == 4
    assert "hint:  ormen rm --force web stops it first.\n" in refused.stderr
    assert stub.seen[1].query == {"force": ["1"], "wait": ["1"], "timeout": ["60.0"]}


def test_a_node_that_has_tasks_is_not_forgotten_and_the_hint_is_the_decks_own() -> None:
    """The remedy for a node is to drain it; `ormen rm` is for tasks."""
    refusal = problem(409, "STILL_RUNNING", "node-1 has 4 tasks", hint="drain it first: ormen mast drain node-1")
    with deck({"GET /v1/nodes/node-1": node("node-1"), "DELETE /v1/nodes/node-1": refusal}) as stub:
        refused = ormen("mast", "rm", "node-1", at=stub.address)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "hint:  drain it first: ormen mast drain node-1\n" in refused.stderr


def test_a_bad_question_is_not_told_as_a_bad_task() -> None:
    """A fault of a query names the parameter, and the title is the deck's: a look never was to start anything."""
    fault = {"pointer": "/state", "code": "NOT_A_CHOICE", "detail": "not one of pending, running"}
    refusal = problem(422, "INVALID_QUERY", "1 fault in the query; nothing was done.", errors=[fault])
    with deck({"GET /v1/tasks": refusal}) as stub:
        told = ormen("status", "--state", "foo", at=stub.address).stderr
    assert told == (
        "error: 1 fault in the query; nothing was done.  [INVALID_QUERY]\n  state  not one of pending, running\n"
    )


def test_rm_says_where_a_container_may_still_be() -> None:
    """A node that has not confirmed in time is named, and the exit code is that of a time that ran out."""
    with deck({"DELETE /v1/tasks/web": Answer(202, {"task": "7f3c", "node": "node-2"})}) as stub:
        result = ormen("rm", "--timeout", "1s", "web", at=stub.address)
    assert (result.returncode, result.stdout) == (124, "web: removed; its container goes as soon as node-2 answers\n")


def test_nodes_are_listed_under_the_seeds_names_too() -> None:
    """``mast`` and the seeds' ``node`` are one command; a word that is no verb is a node."""
    answers = {"GET /v1/nodes": {"items": [node("node-1")], "next": None}, "GET /v1/nodes/node-1": node("node-1")}
    with deck({**answers, "GET /v1/tasks": {"items": [UP], "next": None}}) as stub:
        assert ormen("node", "-q", at=stub.address).stdout == "node-1\n"
        assert "MEMORY (MiB)" in ormen("mast", at=stub.address).stdout
        assert "tasks      web" in ormen("mast", "node-1", at=stub.address).stdout


def test_nodes_are_marked_and_labelled() -> None:
    """cordon, uncordon, label and rm each say what is so, and send what was asked."""
    marked = node("node-1", state="cordoned")
    answers = {f"POST /v1/nodes/node-1/{verb}": Answer(202, marked) for verb in ("cordon", "activate", "drain")}
    answers |= {"GET /v1/nodes/node-1": marked, "PATCH /v1/nodes/node-1": Answer(200, marked)}
    answers |= {"DELETE /v1/nodes/node-1": Answer(204)}
    with deck({**answers, "GET /v1/tasks": {"items": [], "next": None}}) as stub:
        assert (
            ormen("mast", "cordon", "node-1", "--reason", "disk", at=stub.address).stdout
            == "node-1 takes no new tasks\n"
        )
        assert ormen("mast", "uncordon", "node-1", at=stub.address).stdout == "node-1 takes tasks again\n"
        assert ormen("mast", "label", "node-1", "disk=ssd", "zone-", at=stub.address).returncode == 0
        assert ormen("mast", "rm", "node-1", at=stub.address).stdout.startswith("node-1 is forgotten; its agent")
        assert ormen("mast", "drain", "node-1", at=stub.address).returncode == 0
    assert stub.seen[0].body["reason"] == "disk"
    assert [seen.body for seen in stub.seen if seen.method == "PATCH"] == [{"labels": {"disk": "ssd", "zone": None}}]


def test_removing_a_label_that_is_not_there_says_so() -> None:
    """`KEY-` of an unknown key changes nothing, and the line tells which keys there were not."""
    plain = node("node-1", labels={"disk": "ssd"})
    with deck({"GET /v1/nodes/node-1": plain, "PATCH /v1/nodes/node-1": Answer(200, plain)}) as stub:
        assert ormen("mast", "label", "node-1", "zz-", at=stub.address).stdout == "node-1 had no label zz\n"
        assert (
            ormen("mast", "label", "node-1", "disk-", "zz-", at=stub.address).stdout
            == "node-1 is labelled: disk-; had no label zz\n"
        )


def test_logs_of_one_task_are_raw_and_of_several_have_names() -> None:
    """One task's bytes pass untouched, control characters included; several get their names before each line."""
    answers = {f"GET /v1/tasks/{name}": {**UP, "id": name, "name": name} for name in ("a", "web")}
    answers |= {f"GET /v1/tasks/{name}/logs": log("one\x1b[1m", "two") for name in ("a", "web")}
    with deck(answers) as stub:
        assert ormen("logs", "web", "-n", "2", at=stub.address).stdout == "one\x1b[1m\ntwo\n"
        assert ormen("logs", "web", "-t", at=stub.address).stdout.splitlines()[1] == f"{moment(1)} two"
        assert ormen("logs", "a", "web", at=stub.address).stdout.splitlines()[0] == "a   | one\x1b[1m"
        lines = ormen("logs", "web", "-o", "json", at=stub.address).stdout.splitlines()
    assert stub.seen[1].query == {"format": ["json"], "tail": ["2"]}
    assert json.loads(lines[1]) == {"task": "web", "attempt": 1, "at": moment(1), "text": "two"}


def test_logs_of_an_ended_attempt_come_from_the_record() -> None:
    """--previous prints the lines kept of the attempt before, and says so on stderr."""
    attempts = [
        {"attempt": 1, "node": "node-1", "log_tail": ["boom"]},
        {"attempt": 2, "node": "node-1", "log_tail": []},
    ]
    answers = {"GET /v1/tasks/web": {**UP, "attempt": 2}, f"{ONE}/attempts": {"items": attempts}}
    with deck({**answers, f"{ONE}/logs": log("boom", live=False)}) as stub:
        result = ormen("logs", "web", "--previous", at=stub.address)
    assert result.stdout == "boom\n"
    assert stub.seen[-1].query["attempt"] == ["1"]
    assert result.stderr == "! web: attempt 1 on node-1, the lines kept of it\n"


def test_a_whole_log_is_not_called_the_lines_kept() -> None:
    """Of an ended task whose container is still there all lines come, and only how it ended is said before them."""
    ended = {**UP, "state": "failed", "ended_at": UP["created_at"]}
    attempts = {"items": [{"attempt": 1, "node": "node-1", "log_tail": ["b"]}]}
    with deck({"GET /v1/tasks/web": ended, f"{ONE}/attempts": attempts, f"{ONE}/logs": log("a", "b")}) as stub:
        result = ormen("logs", "web", at=stub.address)
    assert result.stdout == "a\nb\n"
    assert result.stderr.startswith("web failed ")
    assert result.stderr.endswith(" ago on node-1; attempt 1:\n")


def test_inspect_prints_a_task_with_its_attempts_or_a_node() -> None:
    """A word is a task first, else a node; what neither is keeps the task's refusal."""
    answers = {"GET /v1/tasks/web": UP, f"{ONE}/attempts": {"items": []}, "GET /v1/nodes/node-1": node("node-1")}
    with deck({**answers, "GET /v1/nodes/x": problem(404, "NODE_NOT_FOUND", "no node x")}) as stub:
        assert json.loads(ormen("inspect", "web", at=stub.address).stdout)["attempts"] == []
        assert json.loads(ormen("inspect", "node-1", at=stub.address).stdout)["name"] == "node-1"
        assert ormen("inspect", "x", at=stub.address).returncode == 3
        assert "image: nginx" in ormen("inspect", "web", "-o", "yaml", at=stub.address).stdout


def test_events_of_one_task_and_of_all() -> None:
    """Of one task the gaps are shown, of all the names; JSON is an array."""
    with deck({"GET /v1/events": {"items": WAY, "next": None}, "GET /v1/tasks/web": UP}) as stub:
        assert "+4.0s     pulled" in ormen("events", "web", at=stub.address).stdout
        assert "  web     placed     attempt 1" in ormen("events", at=stub.address).stdout
        assert len(json.loads(ormen("events", "-o", "json", at=stub.address).stdout)) == len(WAY)


def test_version_names_both_sides() -> None:
    """This program's version is printed even if no deck answers."""
    with deck({"GET /v1/version": {"version": "0.9.0", "cluster": "c"}}) as stub:
        assert f"deck   0.9.0 at {stub.address}" in ormen("version", at=stub.address).stdout
    assert ormen("version", at=f"127.0.0.1:{free_port()}").stdout.startswith("ormen  ")


def test_a_reader_that_goes_away_is_exit_141_and_silent() -> None:
    """``ormen status | head -1`` ends without a word about the pipe."""
    many = {"items": [UP] * 5000, "next": None}
    with deck({"GET /v1/tasks": many}) as stub:
        script = f"{sys.executable} -m ormen.cli status -q -m {stub.address} | head -1; exit ${{PIPESTATUS[0]}}"
        result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (141, "")
