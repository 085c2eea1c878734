"""`ormen deck` and `ormen sailor`: flags, settings, and what an agent that may not be this node ends with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cli_stub import WEB, Answer, node, problem
from cli_stub import deck as stub_deck

from ormen.cli import deck, down, sailor
from ormen.cli.main import run
from ormen.cli.session import Session
from ormen.cli.supervising import Journal, Service
from ormen.cli.up import read_settings
from ormen.client import Client
from ormen.local.failure import LocalFailure
from ormen.local.logs import Follower
from ormen.local.processes import End, Program
from ormen.local.state import StateFolder
from ormen.local.supervisor import GaveUp
from ormen.settings import Settings

DECK = deck.Flags(None, None, None, None, None, None, None, False, None)
SAILOR = sailor.Flags(None, None, "node-4", None, None, (), None, False)


def test_a_flag_wins_over_the_environment_and_silence_changes_nothing():
    """What neither names keeps its default."""
    base = Settings(port=7000, strategy="spread")
    assert deck.deck_settings(DECK, base) == base
    chosen = deck.deck_settings(replace(DECK, port=7001, workers="a,b", profile="calm"), base)
    assert (chosen.port, chosen.allowed_nodes, chosen.profile, chosen.strategy) == (7001, "a,b", "calm", "spread")


def test_the_labels_of_a_sailor_are_added_to_those_of_its_environment():
    """A unit file may hold some, the command line others."""
    settings = sailor.sailor_settings(replace(SAILOR, labels=("disk=ssd", "zone=eu")), Settings(node_labels="rack=7"))
    assert settings.node_labels == "rack=7,disk=ssd,zone=eu"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"share": "4/3"}, '--share "4/3" is no part'),
        ({"share": "half"}, '--share "half" is no part'),
        ({"labels": ("disk",)}, '--label "disk" is no label'),
        ({"labels": ("a b=c",)}, '--label "a b=c" is no key that a constraint can name'),
        ({"labels": ("os=mine",)}, '--label "os=mine" is a fact that every node has by itself'),
        ({"labels": ("room=4 a",)}, '--label "room=4 a" holds a space'),
        ({"name": "node 4"}, '"node 4" is no name for a node'),
    ],
)
def test_a_value_that_is_none_is_named_before_anything_starts(wrong, sentence):
    """With the form that it should have, and exit code 2."""
    with pytest.raises(LocalFailure) as caught:
        sailor.sailor_settings(replace(SAILOR, **wrong), Settings())
    assert sentence in caught.value.sentence
    assert caught.value.exit_code == 2


def test_an_agent_whose_name_is_taken_is_quoted(tmp_path):
    """Its own words of this run, its code and its hint; what an earlier run said does not count."""
    log = tmp_path / "node-2.log"
    log.write_text("error: of another day.  [NODE_REFUSED]\n")
    start = log.stat().st_size
    said = "error: the agent at 10.0.0.12, pid 812, is node-2; heard 0.6s ago.  [NODE_TAKEN]\nhint:  choose another.\n"
    with open(log, "a") as out:
        out.write(said)
    refusal = sailor.refusal(GaveUp(Program("node-2", (), log), End(4, None), True, start))
    assert refusal.sentence == "the agent at 10.0.0.12, pid 812, is node-2; heard 0.6s ago"
    assert (refusal.code, refusal.hint, refusal.exit_code) == ("NODE_TAKEN", "choose another.", 4)


def test_the_second_seeds_variables_are_understood(monkeypatch):
    """Its first version has no command line at all."""
    monkeypatch.setenv("CUBE_MANAGER_HOST", "localhost")
    monkeypatch.setenv("CUBE_WORKER_HOST", "127.0.0.2")
    monkeypatch.setenv("CUBE_WORKER_PORT", "5600")
    settings, status_port = read_settings(strategy=None, workers=None)
    assert (settings.host, settings.status_host, status_port) == ("localhost", "127.0.0.2", 5600)
    monkeypatch.setenv("CUBE_WORKER_PORT", "many")
    with pytest.raises(LocalFailure, match="many"):
        read_settings(strategy=None, workers=None)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["deck", "-H", "0.0.0.0", "-p", "6790"], 6, "no token protects it.  [TOKEN_MISSING]"),
        (["sailor", "--redis-url", "redis://10.0.0.6"], 6, "has no password"),
        (["sailor", "--redis-url", "10.0.0.6"], 2, "is no Redis URL"),
        (["down", "--purge", "--keep-containers"], 2, "choose one of the two"),
        (["deck", "--port", "70000"], 2, "70000"),
    ],
)
def test_what_is_not_safe_or_not_meant_is_refused(words, code, sentence, capsys, monkeypatch, tmp_path):
    """Sentence, remedy, exit code; nothing has been started."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("ORMEN_STATUS_PORT", "6792")
    assert run(words) == code
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_database_of_the_seeds_is_warned_of_once(capsys, monkeypatch, tmp_path):
    """--dbType is accepted, since their scripts say it, and does nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run(["manager", "-d", "memory", "-H", "0.0.0.0"]) == 6
    assert capsys.readouterr().err.count("--dbType does nothing") == 1


def test_purging_a_folder_that_never_was_a_clusters_says_so(tmp_path, capsys):
    """Nothing is forgotten there and nothing is left behind."""
    code = run(["down", "--purge", "-y", "--state-dir", str(tmp_path)])
    shown = capsys.readouterr()
    assert (code, list(tmp_path.iterdir())) == (0, [])
    assert "no cluster was ever started there" in shown.out + shown.err
    assert "Forgotten" not in shown.out + shown.err


def test_a_task_that_somebody_else_removed_meanwhile_is_no_trouble_of_a_purge():
    """Nor one that never had a node; one whose node has not said that its container is gone is left."""
    tasks = [{**WEB, "id": f"{WEB['id'][:-1]}{end}", "name": f"web-{end}"} for end in range(3)]
    tasks[1]["node"] = None
    answers = {
        "GET /v1/nodes": Answer(200, {"items": [node("node-1")], "strangers": [], "next": None}),
        "GET /v1/tasks": Answer(200, {"items": tasks, "next": None}),
        f"DELETE /v1/tasks/{tasks[0]['id']}": problem(404, "TASK_NOT_FOUND", "no task"),
        f"DELETE /v1/tasks/{tasks[1]['id']}": Answer(204),
        f"DELETE /v1/tasks/{tasks[2]['id']}": Answer(202, {"task": tasks[2]["id"], "node": "node-1"}),
    }
    with stub_deck({ask: [answer] for ask, answer in answers.items()}) as stub:
        assert down._remove_tasks(Client(stub.address)) == ["web-2 (node-1)"]


def test_a_redis_that_is_away_is_told_once_in_ten_seconds(tmp_path, capsys):
    """Each child notices by itself, in its own words; the service tells it once and then rarely."""
    log = tmp_path / "beat.log"
    journal = Journal(Session(), "deck")
    service = Service(journal, [Program("beat", (), log, {}, "beat")], lambda: False, StateFolder(tmp_path))
    followers = {"beat": Follower(log)}
    log.write_text(
        "2026-11-21T10:02:14.123Z warning beat: Connection error: Error 111 connecting to 127.0.0.1:1. "
        "Connection refused.. Trying again in 2.0 seconds...\n"
        "2026-11-21T10:02:15.123Z warning control: Redis at 127.0.0.1:1 refuses connections; waiting for it\n"
        "2026-11-21T10:02:15.123Z info beat: starts\n"
    )
    service.silence_told -= 60
    service.relay(followers)
    told = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["deck Redis does not answer; trying until it does", "deck beat: starts"]
