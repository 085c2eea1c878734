"""Real hosts: a deck, two machines with engines of their own, and who may do what there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import redis

from ormen.local.redis import find_server, start
from tests.acceptance.living import fetch, free_port, new_id
from tests.cluster.bed import Bed, Deck, running_deck
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)
HOST7 = ["disk=ssd"]


def test_a_task_runs_on_the_host_whose_label_it_asks_for(deck: Bed) -> None:
    """A sailor has joined by its Redis URL alone; the task's port answers on its host's address, as `status` says."""
    host = deck.hosts[0]
    task = deck.run(name="web", constraints=HOST7, ports=[{"container": 7777}], health={"http": "/health"})
    port = task["ports"][0]["host"]
    assert (task["node"], task["ports"][0]["address"]) == ("host7", host.address)
    task = deck.until("web", lambda now: now["health"] == "healthy")
    assert fetch(port, "/health", host=host.address).strip() == "ok"
    assert f"{host.address}:{port}->7777" in deck.ormen("status", "-o", "wide").out
    assert [len(each.containers(task["id"])) for each in deck.hosts] == [1, 0]


def test_a_host_that_is_not_listed_may_not_join(deck: Bed) -> None:
    """`deck -w` names who may join; another sailor ends with a sentence that says what to change."""
    host = deck.hosts[1]
    done = host.try_sailor(deck.url(host), "--name", "host9", "-p", "5557")
    assert done.code == 6
    assert "the deck does not list host9 among the nodes that may join.  [NODE_REFUSED]" in done.err
    assert "hint:  start the deck with -w" in done.err


def test_a_name_in_use_is_refused_to_another_engine(deck: Bed) -> None:
    """A second agent of the same name on another host is refused with the address and the age of the first."""
    first, second = deck.hosts
    done = second.try_sailor(deck.url(second), "--name", "host7", "-p", "5557")
    assert done.code == 4
    assert re.search(rf"the agent at {first.address} is host7; heard \d\.\ds ago\.  \[NODE_TAKEN\]", done.err), done
    assert deck.node("host7")["state"] == "ready"


@pytest.mark.parametrize("victim", ["agent", "sailor"])
def test_a_restarted_sailor_takes_its_name_over_at_once(deck: Bed, victim: str) -> None:
    """After kill -9 of the agent, or of the command, the next one is that node before it counts as lost."""
    host = deck.hosts[0]
    task = deck.run(name="web", constraints=HOST7)
    (agent,) = psutil.Process(host.sailors[-1].pid).children()
    joined = host.log.count("joined")
    if victim == "agent":
        agent.kill()
    else:
        deck.rejoin(host)
    wait_until(lambda: host.log.count("joined") > joined, timeout_s=7, what="for the next agent")
    deck.until_node("host7", "ready", timeout_s=5)
    assert deck.task(task["id"]) == task
    assert "node.lost" not in [event["type"] for event in deck.get("/v1/events?node=host7&limit=1000")["items"]]


def test_the_api_asks_for_the_token(deck: Bed) -> None:
    """A deck with a token answers 401 without it and with another, 200 with it; so does the command line."""
    nobody, stranger = replace(deck, token=""), replace(deck, token="another")
    assert [each.call("GET", "/v1/tasks").status for each in (nobody, stranger, deck)] == [401, 401, 200]
    assert [each.ormen("status").code for each in (nobody, stranger, deck)] == [6, 6, 0]
    assert "wants a token.  [TOKEN_MISSING]" in nobody.ormen("status").err
    assert "[TOKEN_WRONG]" in stranger.ormen("status").err
    assert "ORMEN_TOKEN" in nobody.ormen("status").err


def test_who_insists_needs_neither_token_nor_password(deck: Bed, tmp_path: Path) -> None:
    """`--insecure` lets a deck be reached by others without a token, and use a Redis without a password."""
    gateway = deck.hosts[1].gateway
    server = start(find_server(), tmp_path / "redis")
    with redis.Redis.from_url(server.url) as client:
        client.config_set("bind", f"127.0.0.1 {gateway}", "protected-mode", "no")
        client.config_set("requirepass", "")
    open_to_all = Deck(tmp_path / "deck", free_port(), host=gateway)
    with running_deck(open_to_all, f"redis://{gateway}:{server.port}", "--insecure"):
        assert open_to_all.ormen("mast", "-o", "json").out.strip() == "[]"
    server.stop()


def test_the_sailors_own_page(deck: Bed) -> None:
    """`-p` of the sailor serves what its host has and runs, and whether it is well, without the deck."""
    host = deck.hosts[0]
    task = deck.run(name="web", constraints=HOST7)
    page = {path: json.loads(fetch(5556, path, host=host.address)) for path in ("/stats", "/tasks", "/healthz")}
    assert page["/stats"]["TaskCount"] == 1
    assert page["/stats"]["MemStats"]["mem_total"] > 0
    assert [(item["ID"], item["State"]) for item in page["/tasks"]] == [(task["id"], 2)]
    assert page["/healthz"] == {"status": "ok"}


def test_the_policy_says_which_host_paths_are_mounted(deck: Bed) -> None:
    """A path of `host_paths` is mounted; any other is refused with 403, and by the command line with exit 6."""
    srv = deck.state.parent / "srv" / "x"
    srv.mkdir(parents=True, exist_ok=True)
    task = deck.run(name="web", volumes=[{"host": str(srv), "target": "/data"}])
    (container,) = deck.containers(task["id"])
    assert [(mount["Source"], mount["Destination"]) for mount in container.attrs["Mounts"]] == [(str(srv), "/data")]
    answer = deck.call("POST", "/v1/tasks", {"image": "ormen/echo:1", "volumes": [{"host": "/etc", "target": "/x"}]})
    assert (answer.status, answer.json["code"]) == (403, "POLICY")
    done = deck.ormen("run", "-v", "/etc:/x", "ormen/echo:1")
    assert done.code == 6
    assert "/etc" in done.err
    assert "[POLICY]" in done.err


def test_what_is_not_ours_is_never_touched(deck: Bed) -> None:
    """Whatever a task of ours goes through, containers of nobody and of another cluster beside it run on."""
    host, task_id = deck.hosts[0], new_id()
    theirs = {"ormen.cluster": "another", "ormen.node": "host7", "ormen.attempt": "99"}
    strangers = [
        host.own("nobodys"),
        host.own("web.0123456789", **theirs, **{"ormen.task": new_id()}),
        host.own("web", **theirs, **{"ormen.task": task_id}),
    ]
    task = deck.run(id=task_id, name="web", constraints=HOST7, restart="always")
    for verb in ("restart", "stop"):
        assert deck.call("POST", f"/v1/tasks/web/{verb}?wait=1", {}).status == 202
    deck.rejoin(host)
    deck.until_node("host7", "ready")
    deck.remove(task["id"])
    before = [container.attrs["State"] for container in strangers]
    for container in strangers:
        container.reload()
    assert [container.attrs["State"] for container in strangers] == before
    for container in strangers:
        container.remove(force=True)


def test_a_network_of_one_host_is_found_there(deck: Bed) -> None:
    """Tasks whose first node lacks their network go on to the one that has it; `run` waits for that, and succeeds."""
    backend = deck.hosts[1].client.networks.create("backend")
    try:
        words = ("--name", "near", "--count", "2", "--strategy", "spread", "--network", "backend", "ormen/echo:1")
        done = deck.ormen("run", *words)
        assert done.code == 0, done
        assert {deck.task(f"near-{number}")["node"] for number in (1, 2)} == {"host8"}
        told = [*deck.events("near-1"), *deck.events("near-2")]
        refusals = [event for event in told if event["type"] == "task.pending"]
        assert [event["reason"]["code"] for event in refusals] == ["NODE_LACKS"]
        assert "host7's Docker has no network backend" in refusals[0]["reason"]["sentence"]
    finally:
        deck.remove("near-1", "near-2")
        backend.remove()


def test_a_network_that_no_host_has_ends_the_wait(deck: Bed) -> None:
    """Once each node that fits has said that it lacks it, `run` gives up with the remedy; the task goes on trying.

    A node whose heartbeat is late just then does not fit: it is asked when it is back, after `run` has given up.
    """
    done = deck.ormen("run", "--name", "far", "--network", "nowhere", "ormen/echo:1")
    assert (done.code, "[NODE_LACKS]" in done.err, "docker network create nowhere" in done.err) == (1, True, True), done

    def asked() -> set[str]:
        return {one["node"] for one in deck.get("/v1/tasks/far/attempts")["items"]}

    wait_until(lambda: asked() == {"host7", "host8"}, timeout_s=60, what="for both hosts to have been asked")
    assert deck.task("far")["wanted"] == "running"
