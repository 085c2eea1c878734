"""What `ormen why` prints, from the scheduler's own verdicts to the last line, against golden files."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from cli_golden import fits, golden
from why_cases import at, case, event, exit_of, node, task, waiting

from ormen.cli.render.text import Look
from ormen.cli.render.why import why
from ormen.node import NodeState
from ormen.reasons import Code, Reason
from ormen.task import Attempt, Health, Probe, State
from ormen.units import MIB
from ormen.why.case import Case
from ormen.why.document import explain


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC, so that the files hold anywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def drawn(name: str, found: Case, **use: object) -> None:
    """Draw a case at 80 columns against its golden file, and see that narrower terminals and pipes hold it, too.

    `use` is what the node says of the memory of what runs now.
    """
    document = explain(found)
    if use:
        document["now"] |= use
    now = found.now_ms / 1000
    golden(f"why_{name}", why(document, Look(80, now=now)))
    assert fits(why(document, Look(60, now=now)), 60)
    assert "\x1b" not in why(document, Look(None, now=now))
    assert document["sentence"].startswith(document["name"])


def test_no_room_names_every_node_every_blocker_and_the_cheapest_change() -> None:
    """Two nodes lack amounts, one drains: what would make each fit, and what to do."""
    asked = task("train", State.PENDING, {"memory": "4GiB", "cpu": 1}, reason=Reason(Code.FIT_MEMORY, "x"))
    drains = {"state": NodeState.DRAINING, "since_ms": at("10:02:00"), "marked_by": "ann"}
    nodes = (node("node-1", free=1.5), node("node-2", free=410 / 1024, cpu=0.5), node("node-3", free=6, **drains))
    drawn("no_room", waiting(asked, "10:14:21", *nodes, queue=(1, 3)))


def test_a_host_port_names_its_holders_also_those_outside_ormen() -> None:
    """Tasks by name, what no task is by what its agent found when it tried."""
    spec = {"ports": [{"container": 80, "host": 8080}]}
    said = "Host port 8080/tcp is held outside ormen by nginx, pid 812; end that, or publish another port."
    refused = Attempt(1, "node-3", None, at("10:02:12"), None, at("10:02:13"), reason=Reason(Code.PORT_IN_USE, said))
    asked = task("web-4", State.PENDING, spec, reason=refused.reason, attempt=1, node="node-3", attempts=(refused,),
                 avoid={"node-3": at("10:12:13")}, next_try_ms=at("10:02:53"), created_ms=at("10:02:11"))  # fmt: skip
    holders = {"node-1": "7f3c2a10-aa", "node-2": "c0a81f33-bb"}
    taken = {f"engine-{name}": {"8080/tcp": (("0.0.0.0", holder),)} for name, holder in holders.items()}
    names = {"7f3c2a10-aa": "web", "c0a81f33-bb": "shop"}
    nodes = [node(f"node-{n}") for n in (1, 2, 3)]
    drawn("port", waiting(asked, "10:02:54", *nodes, taken=taken, names=names, queue=(1, 1)))


def test_a_label_that_no_node_has_names_the_one_that_was_meant() -> None:
    """No table: the values that there are say it for every node."""
    asked = task("cache", State.PENDING, {"constraints": ["zone=eu-wset"]}, reason=Reason(Code.CONSTRAINT, "x"))
    zones = {"node-1": "eu-west", "node-2": "eu-west", "node-3": "eu-east"}
    nodes = [node(name, labels={"zone": zone}) for name, zone in zones.items()]
    drawn("label", waiting(asked, "10:05:13.390", *nodes, queue=(1, 1)))


def test_nodes_that_take_no_tasks_say_since_when_and_by_whom() -> None:
    """A cordon may be old: its day; one for which nobody gave a reason says so."""
    asked = task("mailer", State.PENDING, {"constraints": ["disk=ssd"]}, reason=Reason(Code.NODE_DRAINING, "x"))
    drains = {"state": NodeState.DRAINING, "since_ms": at("10:02:00"), "marked_by": "ann", "marked_why": "kernel"}
    closed = {"state": NodeState.CORDONED, "since_ms": at("11-18 09:00:00"), "marked_by": "bob"}
    ssd = {"labels": {"disk": "ssd"}}
    nodes = (node("node-1", labels={"disk": "hdd"}), node("node-2", **drains, **ssd), node("node-3", **closed, **ssd))
    drawn("closed", waiting(asked, "10:14:21", *nodes))


def test_a_crash_loop_shows_last_lines_attempts_and_pauses() -> None:
    """What is alike is said once, with the cure that the last line gives away."""
    tail = ('File "/app/load.py", line 31, in main', "KeyError: 'DATABASE_URL'")
    past = (
        exit_of(1, "node-1", "10:03:39.000", "10:03:41.000"),
        exit_of(2, "node-1", "10:03:41.050", "10:03:43.050"),
        exit_of(3, "node-1", "10:03:44.200", "10:03:46.400"),
        exit_of(4, "node-2", "10:03:48.750", "10:03:50.750"),
        exit_of(5, "node-2", "10:03:55.200", "10:03:57.300", log_tail=tail),
    )
    found = task("loader", State.PENDING, {}, reason=past[-1].reason, attempt=5, node="node-2", delays=5,
                 attempts=past, next_try_ms=at("10:04:06.200"))  # fmt: skip
    drawn("crash_loop", waiting(found, "10:04:00.200", node("node-1"), node("node-2")))


def out_of_memory() -> Case:
    """A task that was killed for want of memory and runs again."""
    said = Reason(
        Code.OOM, "Killed for want of memory: it reached its limit of 256 MiB, 6m8s after its start on node-1."
    )
    tail = ("INFO cache warmed, 41200 entries",)
    past = Attempt(1, "node-1", None, at("09:57:30"), at("09:57:31"), at("10:03:39"), 137, said, tail)
    current = Attempt(2, "node-1", None, at("10:03:39.100"), at("10:03:40"))
    found = task("api", State.RUNNING, {"memory": "256MiB"}, attempt=2, node="node-1", attempts=(past, current),
                 started_ms=at("10:03:40"))  # fmt: skip
    return case(found, "10:04:21", node=node("node-1", free=1.5))


def test_a_task_out_of_memory_says_so_although_it_runs_again() -> None:
    """The limit, the time until it was reached, and what runs now."""
    drawn("out_of_memory", out_of_memory(), memory_bytes=231 * MIB, rising=True)


def test_a_node_that_does_not_say_what_a_task_uses_is_told_with_the_rest() -> None:
    """What is known without it stands there, and why the amount is missing."""
    document = explain(out_of_memory())
    document["now"] |= {"error": "node-1 has not answered within 1.2s"}
    assert (
        "Now    attempt 2 runs on node-1 since 41s; how much memory it uses is not known: node-1 has not answered"
        " within 1.2s\n"
    ) in why(document, Look(None, now=at("10:04:21") / 1000))


def test_a_failing_check_shows_its_answers_and_when_it_is_too_much() -> None:
    """How often in a row, how many end the attempt, and what follows then."""
    down = ('GET :8080/health answered 503 "db down"', 503, '{"status":"db down"}')
    probes = (
        Probe(at("10:04:31"), False, down[0], 2, down[1], down[2]),
        Probe(at("10:04:21"), False, down[0], 3, down[1], down[2]),
        Probe(at("10:04:11"), True, "GET :8080/health answered 200", 2, 200, '{"status":"ok"}'),
    )
    spec = {"ports": [{"container": 8080}], "health": {"http": "/health"}}
    found = task("shop", State.RUNNING, spec, attempt=1, node="node-1", health=Health.FAILING, probes=probes,
                 started_ms=at("10:02:00"), detail=f"{down[0]} (2 of 3 failures)")  # fmt: skip
    drawn("failing_check", case(found, "10:04:33", node=node("node-1")))


def test_a_volume_on_a_lost_node_waits_for_it_or_is_given_up() -> None:
    """Its data is only there, so no other node is any help."""
    ran = Attempt(1, "node-2", None, at("09:00:00"), at("09:00:01"), at("10:03:45"), reason=Reason(Code.NODE_LOST, "x"))
    found = task("db", State.PENDING, {"volumes": [{"name": "pgdata", "target": "/data"}]}, node="node-2", attempt=1,
                 attempts=(ran,), reason=Reason(Code.NODE_LOST, "node-2 is lost"))  # fmt: skip
    lost = {"state": NodeState.LOST, "since_ms": at("10:03:45"), "heartbeat_age_s": 130.0}
    drawn("lost_volume", waiting(found, "10:05:47", node("node-1"), node("node-2", **lost), node("node-3")))


def test_a_deaf_agent_is_ormens_own_fault_and_named_so() -> None:
    """The heartbeat comes, the queue is not read, and when that ends by itself."""
    sent = Attempt(1, "node-3", None, at("10:04:47"))
    found = task("web-5", State.SCHEDULED, {}, attempt=1, node="node-3", attempts=(sent,), detail="sent to node-3")
    deaf = {"facts": {"consumed_age_s": 9.0}, "heartbeat_ms": at("10:04:52"), "heartbeat_age_s": 0.4}
    drawn("deaf_agent", case(found, "10:04:52", node=node("node-3", **deaf)))


def test_where_nothing_is_wrong_the_time_of_the_start_is_told() -> None:
    """As asked since when, and what took how long."""
    spec = {"image": "nginx", "ports": [{"container": 80, "host": 8080}], "health": {"http": "/"}}
    current = Attempt(1, "node-1", None, at("10:02:11.402"), at("10:02:15.791"))
    found = task("web", State.RUNNING, spec, attempt=1, node="node-1", attempts=(current,), health=Health.HEALTHY,
                 started_ms=at("10:02:15.791"), healthy_ms=at("10:02:16.402"))  # fmt: skip
    events = (
        event("placed", "10:02:11.402"),
        event("received", "10:02:11.431", "by node-1"),
        event("pulling", "10:02:11.440", "nginx:latest on node-1"),
        event("pulled", "10:02:15.460", "nginx:latest, 67 MB at 17 MB/s"),
        event("running", "10:02:15.791"),
    )
    drawn("well", case(found, "10:30:00", node=node("node-1"), events=events))
