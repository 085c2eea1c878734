"""``GET /v1/tasks/{t}/why``: the store's own records explained, and nothing changed by asking."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from ormen.reasons import Code
from ormen.store.agent import Remark
from ormen.store.loops import LoopStore
from ormen.task import Health, Probe
from tests.integration.sailors import Sailor
from tests.properties.raw import Raw

WEB = {"name": "web", "image": "nginx", "ports": [{"container": 80}]}


def submit(api: FlaskClient, **spec: Any) -> str:
    """Submit a task and return its id."""
    answer = api.post("/v1/tasks", json={**WEB, **spec})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return str(answer.get_json()["id"])


def why(api: FlaskClient, word: str = "web", **query: Any) -> dict[str, Any]:
    """Ask why."""
    answer = api.get(f"/v1/tasks/{word}/why", query_string=query)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_task_without_room_is_told_every_node_and_its_place(api: FlaskClient, sailor: Sailor) -> None:
    """The scheduler's own verdict: blockers with amounts, what would fit, and its place by priority, then age."""
    sailor.refuse(submit(api, name="zero"), Code.PULL_STALLED, "The pull made no progress.")
    submit(api, name="one", memory="3GiB")
    submit(api, name="two", memory="3GiB")
    submit(api, memory="2GiB", priority=80)
    found = why(api)
    assert (found["code"], found["could_fit"], found["queue"]["place"], found["queue"]["length"]) == (
        "FIT_MEMORY", "later", 1, 2,
    )  # fmt: skip
    assert found["sentence"] == (
        "web waits: it asks 2 GiB of memory, and of the nodes that take tasks node-1 has the most free, 1 GiB."
    )
    assert found["nodes"][0]["fits_if"][0]["sentence"] == "memory <= 1 GiB"
    assert found["fixes"][0]["sentence"] == "ask 1 GiB"


def test_a_refusal_of_the_node_is_told_with_the_next_try(api: FlaskClient, sailor: Sailor) -> None:
    """What the agent said, when it is tried again, and how to try it at once."""
    web = submit(api)
    sailor.refuse(web, Code.PULL_AUTH, "Registry docker.io does not let node-1 have nginx:latest.")
    found = why(api)
    assert found["code"] == "PULL_AUTH"
    assert found["sentence"].startswith("web does not start on node-1: registry docker.io does not let node-1 have")
    assert "next try in" in found["sentence"]
    assert [fix["command"] for fix in found["fixes"]] == [None, "ormen retry web"]
    assert found["next"]["kind"] == "attempt"
    assert found["page"] == "docs/reasons/PULL_AUTH.md"


def test_a_failed_task_shows_code_signal_and_last_lines(api: FlaskClient, sailor: Sailor) -> None:
    """By the task's name after it has ended, too."""
    web = submit(api, restart="no")
    sailor.start(web)
    sailor.end(web, exit_code=139, log=("starting", "KeyError: 'TOKEN'"))
    found = why(api)
    assert (found["state"], found["code"], found["log_tail"][-1]) == ("failed", "EXIT", "KeyError: 'TOKEN'")
    assert (found["attempts"][0]["signal"], found["attempts"][0]["ended_by"]) == ("SIGSEGV", "exit code 139 (SIGSEGV)")
    assert found["fixes"][0]["sentence"] == "start it with -e TOKEN=VALUE"
    assert found["sentence"].startswith("web failed: it exited with code 139")


def test_who_stopped_a_task_is_named(api: FlaskClient, guarded: FlaskClient, sailor: Sailor) -> None:
    """By the name of the token that asked."""
    admin = {"Authorization": "Bearer s3cret"}
    made = guarded.post("/v1/tokens", json={"name": "ann", "role": "operate"}, headers=admin).get_json()
    web = submit(api)
    sailor.start(web)
    ann = {"Authorization": f"Bearer {made['token']}"}
    assert guarded.post(f"/v1/tasks/{web}/stop", headers=ann).status_code == 202
    assert why(api)["sentence"].startswith("web is being stopped on node-1")
    sailor.stopped(web)
    assert "; ann asked for it " in why(api)["sentence"]


def test_a_sent_task_and_a_running_one_say_where_the_time_goes(api: FlaskClient, sailor: Sailor) -> None:
    """Until it runs the step under way; then every step of the start."""
    web = submit(api)
    assert [step["step"] for step in why(api)["steps"]] == ["placed", "queue"]
    for event, text in (("received", "by node-1"), ("pulling", "x"), ("pulled", "nginx:latest, 67 MB at 17 MB/s")):
        sailor.store.note(Remark(web, "node-1", 1, event=f"task.{event}", sentence=text))
    sailor.start(web)
    found = why(api)
    assert (found["code"], found["sentence"].startswith("web runs on node-1 as asked, since ")) == (None, True)
    assert [step["step"] for step in found["steps"]] == ["placed", "queue", "pull", "start"]
    assert found["steps"][2]["bytes"] == 67_000_000


def test_a_failing_check_shows_its_last_answers(api: FlaskClient, sailor: Sailor) -> None:
    """As the agent wrote them into the record; a new attempt begins without them."""
    web = submit(api, health={"http": "/"})
    sailor.start(web, health=Health.STARTING)
    probe = Probe(1_795_255_471_000, False, "GET :80/ answered 503", 2, 503, "down")
    told = Remark(
        web, "node-1", 1, detail="GET :80/ answered 503 (1 of 3 failures)", health=Health.FAILING, probes=(probe,)
    )
    assert sailor.store.note(told)
    found = why(api)
    assert (found["code"], found["probes"]) == ("HEALTH_HTTP", [probe.to_json()])
    sailor.give_up(web)
    api.post(f"/v1/tasks/{web}/retry")
    again = sailor.store.read([web])[web]
    assert again is not None
    assert (again.attempt, again.probes) == (2, ())


def test_why_not_on_a_node_is_answered_for_a_running_task_too(api: FlaskClient, sailor: Sailor) -> None:
    """What it holds itself does not stand in its way; a node that is none is 404."""
    web = submit(api, memory="3GiB", ports=[{"container": 80, "host": 8080}])
    sailor.start(web)
    Sailor(sailor.store, name="node-2").join()
    assert why(api, node="node-2")["sentence"].startswith("web runs on node-1; node-2 has room for it, too; node-1 was")
    submit(api, name="two", memory="3GiB")
    found = why(api, node="node-2")
    assert (found["code"], found["could_fit"], len(found["nodes"])) == ("FIT_MEMORY", "later", 1)
    assert found["sentence"] == "web cannot go to node-2: memory: asks 3 GiB, 1 free."
    assert why(api, node="node-1")["sentence"].startswith("web runs on node-1 as asked")
    assert api.get("/v1/tasks/web/why?node=node-9").get_json()["code"] == "NODE_NOT_FOUND"


def test_a_lean_look_at_the_nodes_says_of_each_what_decides(sailor: Sailor, store: LoopStore) -> None:
    """States, labels, room and reasons as a full look has them, also after they have changed."""
    for name in ("node-2", "node-3", "node-10"):
        Sailor(sailor.store, name=name).join()

    def same() -> list[str]:
        lean, full = store.lean_nodes(), store.nodes()
        for few, all_ in zip(lean, full, strict=True):
            assert (few.state, few.labels, few.free, few.since_ms, few.marked_by, few.takes_tasks) == (
                all_.state, all_.labels, all_.free, all_.since_ms, all_.marked_by, all_.takes_tasks,
            )  # fmt: skip
        return [node.name for node in lean]

    assert same() == ["node-1", "node-2", "node-3", "node-10"]
    store.mark_node("node-2", mode="draining", by="ann", why="kernel")
    store.label_node("node-3", {"zone": "us"})
    same()
    assert [node.state.value for node in store.lean_nodes()] == ["ready", "draining", "ready", "ready"]
    assert store.lean_nodes()[2].labels["zone"] == "us"


def test_a_gpu_that_another_task_has_is_what_blocks_a_node(api: FlaskClient, sailor: Sailor) -> None:
    """By number and by name, although the node is ready and has all else."""
    sailor.facts = {"gpus": ["GPU-aa"]}
    sailor.join()
    submit(api, name="one", gpus=1)
    submit(api, name="two", gpus=1)
    submit(api, name="three", gpus=["GPU-aa"])
    two, three = why(api, "two"), why(api, "three")
    assert (two["code"], two["could_fit"], three["code"], three["could_fit"]) == (
        "FIT_GPU",
        "later",
        "FIT_GPU",
        "later",
    )
    assert "task one" in str(three["nodes"][0]["blockers"])


def test_tasks_that_are_each_to_be_near_the_other_wait_for_ever_and_it_is_said(
    api: FlaskClient, sailor: Sailor, store: LoopStore
) -> None:
    """Of both; once one that is free has the name of a group, the other can go there."""
    sailor.start(submit(api, name="other"))
    submit(api, near="cache")
    cache = submit(api, name="cache", near="web")
    assert why(api)["sentence"].startswith("web waits for ever: it is to be near cache and cache is to be near web,")
    assert (why(api, "cache")["could_fit"], why(api, "cache")["code"]) == ("never", "NEAR")
    store.client.hset(store.keys.groups("node-1"), "cache", 1)
    assert "for ever" not in why(api, "cache")["sentence"]
    store.client.hdel(store.keys.groups("node-1"), "cache")
    api.delete(f"/v1/tasks/{cache}?force=1")
    assert why(api)["sentence"] == "web waits because it is to be near cache, which is on no node."


def test_asking_why_changes_nothing(api: FlaskClient, sailor: Sailor, store: LoopStore) -> None:
    """Redis is the same to the last key before and after, whatever the task's state."""
    running = submit(api, name="one")
    sailor.start(running)
    submit(api, name="two", memory="40GiB", strategy="roundrobin")
    submit(api, name="three")
    before = Raw.read(store.client, store.settings.prefix).keys, store.client.xrange(store.keys.events)
    for word in ("one", "two", "three"):
        why(api, word)
        why(api, word, all=1)
    assert (Raw.read(store.client, store.settings.prefix).keys, store.client.xrange(store.keys.events)) == before
    assert api.get("/v1/tasks/four/why").get_json()["code"] == "TASK_NOT_FOUND"
    assert api.get("/v1/tasks/one/why?al=1").status_code == 422
