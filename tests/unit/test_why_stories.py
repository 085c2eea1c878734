"""What `why` says of each state, beyond the sketches, and that no code is left without a word."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from why_cases import MIB, at, case, event, exit_of, node, task, waiting

from ormen.brake import Brake
from ormen.cli.render.text import Look
from ormen.cli.render.why import why
from ormen.node import NodeState
from ormen.reasons import Code, Reason
from ormen.task import Attempt, Health, Probe, State, Task, Wanted
from ormen.why import catalogue, sending
from ormen.why.case import Case
from ormen.why.clues import cure
from ormen.why.document import explain, explain_node
from worker_agent import docker_faults, proof, pulls
from worker_agent.runtime import PullProgress

HEARS = {"consumed_age_s": 1.0}
LOST = Reason(Code.NODE_LOST, "Its agent last spoke 16s ago.")


def sent(name: str = "web", **fields: Any) -> Task:
    """Return a task that was sent to node-1 at 10:04:38."""
    attempt = Attempt(1, "node-1", None, at("10:04:38"))
    return task(name, State.SCHEDULED, {}, **{"attempt": 1, "node": "node-1", "attempts": (attempt,), **fields})


def runs(spec: dict[str, Any] | None = None, **fields: Any) -> Task:
    """Return a task that runs on node-1 since 10:00:00, an hour before the cases ask."""
    attempt = Attempt(1, "node-1", None, at("09:59:59"), at("10:00:00"))
    made = {"attempt": 1, "node": "node-1", "attempts": (attempt,), "started_ms": at("10:00:00"), **fields}
    return task("web", State.RUNNING, spec or {}, **made)


def silent(state: NodeState = NodeState.SUSPECT, **more: Any) -> Any:
    """Return node-1 silent for 16 s."""
    reason = Reason(Code.NODE_SUSPECT if state is NodeState.SUSPECT else Code.NODE_LOST, LOST.sentence)
    fields = {"heartbeat_ms": at("10:04:36"), "heartbeat_age_s": 16.0, "state_reason": reason, **more}
    return node("node-1", state=state, **fields)


def told(found: Case) -> tuple[str | None, str]:
    """Return the code and the sentence."""
    document = explain(found)
    return document["code"], document["sentence"]


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_page_and_its_remedies_can_be_worded(code: Code) -> None:
    """For any task: no placeholder is left."""
    assert catalogue.page(code) == f"docs/reasons/{code.value}.md"
    for fix in catalogue.fixes(code, case(runs(), "11:00:00")):
        assert not {"{", "TASK", "NODE", "HOST"} & set(re.split(r"\b", fix.sentence))


def test_ormens_own_part_of_a_late_start_is_named() -> None:
    """When it was sent, where to, and when that agent last spoke; then when it goes elsewhere."""
    found = case(sent(), "10:04:52", node=silent(), lost_ms=30_000)
    assert told(found) == ("NODE_SUSPECT", "web was sent to node-1 14s ago, whose agent last spoke 16s ago.")
    following = explain(found)["next"]
    assert (following["at"], following["kind"]) == ("2026-11-21T10:05:06.000Z", "node")


def test_a_start_says_first_what_ends_it() -> None:
    """That it is being stopped, or that its node is no more; what was sent a moment ago is on its way."""
    there = {"node": node("node-1")}
    assert told(case(sent(wanted=Wanted.STOPPED), "10:04:45", **there)) == (
        None, "web is being stopped before it runs on node-1.",
    )  # fmt: skip
    assert told(case(sent(), "10:04:45")) == (
        "NODE_LOST", "web was sent to node-1 7s ago, which is not a node of this cluster any more.",
    )  # fmt: skip
    assert told(case(sent(), "10:04:39", **there)) == (None, "web was sent to node-1 1s ago.")


def test_an_engine_that_is_down_is_told_in_its_agents_words() -> None:
    """The node is suspect for what its agent complains of, of a task that was sent there and of one that runs there."""
    down = Reason(Code.ENGINE_DOWN, "Docker does not answer at unix:///var/run/docker.sock; start it.")
    broken = node("node-1", state=NodeState.SUSPECT, state_reason=down, heartbeat_ms=at("10:04:51"))
    code, sentence = told(case(sent(), "10:04:52", node=broken))
    assert code == "ENGINE_DOWN"
    assert "that node is suspect: Docker does not answer at unix:///var/run/docker.sock" in sentence
    assert told(case(runs(), "11:00:00", node=broken)) == (
        "ENGINE_DOWN",
        "web runs on node-1, which is suspect: Docker does not answer at unix:///var/run/docker.sock; start it.",
    )


def test_a_pull_under_way_tells_amount_rate_and_what_is_left() -> None:
    """In the words of the agent that pulls, and as a step of its own."""
    detail = pulls.detail(PullProgress(140_000_000, 600_000_000, 31_000_000.0))
    events = (event("received", "10:04:39"), event("pulling", "10:04:40"))
    found = case(sent("report", detail=detail), "10:04:45", node=node("node-1"), events=events)
    assert told(found) == (
        None, "report is starting on node-1: it pulls acme/thing:1, 140 of 600 MB at 31 MB/s, about 14s left.",
    )  # fmt: skip
    assert explain(found)["steps"][-1] == {
        "step": "pull", "took_s": 5.0, "bytes": 140_000_000, "bytes_per_s": 31_000_000, "under_way": True,
    }  # fmt: skip


def test_a_message_that_nobody_took_says_what_follows() -> None:
    """After half a minute it is a stalled start; after a whole one another node has it."""
    early, late = (
        explain(
            case(sent(), clock, node=node("node-1", heartbeat_ms=at(clock) - 400, heartbeat_age_s=0.4, facts=HEARS))
        )
        for clock in ("10:05:07", "10:05:08")
    )
    assert (early["code"], late["code"]) == (None, "START_STALLED")
    assert late["sentence"].startswith("web was sent to node-1 30s ago and not received yet; its agent last spoke 0.4s")
    assert (late["next"]["at"], late["next"]["kind"]) == ("2026-11-21T10:05:38.000Z", "node")


def test_a_task_on_a_silent_node_says_when_it_was_last_seen() -> None:
    """And, while the brake holds, that it is not moved and why."""
    assert told(case(runs(), "11:00:00", node=silent())) == (
        "NODE_SUSPECT", "web ran on node-1 when that node's agent last spoke, 16s ago.",
    )  # fmt: skip
    held = silent(NodeState.LOST, held=True, state_reason=Reason(Code.BRAKE, "x"))
    brake = Brake(since_ms=at("10:59:00"), silent=3, known=5, nodes=("node-1",), tasks=7)
    found = case(runs(), "11:00:00", node=held, brake=brake, lost_ms=10**9)
    assert explain(found)["next"] is None
    code, sentence = told(found)
    assert (code, "the brake keeps it there: 3 of 5 nodes are silent" in sentence) == ("BRAKE", True)


def test_a_task_that_was_moved_says_from_where_and_why_for_ten_minutes() -> None:
    """Afterwards it runs as asked."""
    before = Attempt(1, "node-2", None, at("09:00:00"), at("09:00:01"), at("10:03:45"), reason=LOST)
    current = Attempt(2, "node-1", None, at("10:03:45"), at("10:03:46"))
    found = runs(attempt=2, attempts=(before, current), started_ms=at("10:03:46"))
    code, sentence = told(case(found, "10:05:00", node=node("node-1")))
    assert (code, sentence.startswith("web was moved from node-2 to node-1 at ")) == ("NODE_LOST", True)
    assert told(case(found, "10:15:00", node=node("node-1")))[0] is None


def test_a_task_that_got_its_node_back_was_not_moved() -> None:
    """It is where it was; when and why it had been taken from there."""
    lost = Reason(Code.NODE_LOST, "node-1 is lost: silent for 8.0s.")
    before = Attempt(1, "node-1", None, at("09:00:00"), at("09:00:01"), at("10:03:45"), reason=lost)
    found = runs(attempt=2, attempts=(before, Attempt(2, "node-1", None, at("10:03:45"), at("10:03:46"))),
                 started_ms=at("10:03:46"))  # fmt: skip
    code, sentence = told(case(found, "10:05:00", node=node("node-1")))
    assert (code, sentence.startswith("web runs on node-1 again, from which it was taken at ")) == ("NODE_LOST", True)
    assert sentence.endswith(": node-1 is lost: silent for 8.0s.")


def test_a_check_not_passed_yet_says_its_last_answer_and_until_when_failures_are_free() -> None:
    """The grace time is the task's own."""
    refused = Probe(at("10:00:05"), False, "GET :80/ refused the connection")
    spec = {"ports": [{"container": 80}], "health": {"http": "/", "grace": "1m"}}
    found = case(runs(spec, health=Health.STARTING, probes=(refused,)), "10:00:06", node=node("node-1"))
    assert told(found)[1] == "web runs on node-1 since 6s and has passed no check yet: GET :80/ refused the connection."
    assert explain(found)["next"]["at"] == "2026-11-21T10:01:00.000Z"


def test_what_follows_a_failed_check_is_what_the_agent_will_do() -> None:
    """At once the first time, after a pause later, nothing once the policy is spent; after the one too many its end."""
    probe = Probe(at("10:59:58"), False, "GET :80/ answered 500", 2, 500)
    failing = {"health": Health.FAILING, "probes": (probe,), "detail": "GET :80/ answered 500 (2 of 3 failures)"}
    spec = {"ports": [{"container": 80}], "health": {"http": "/"}}
    said = [
        explain(case(runs({**spec, **more}, **failing, **fields), "11:00:00", node=node("node-1")))["next"]["sentence"]
        for more, fields in (({}, {}), ({}, {"delays": 2}), ({"restart": "no"}, {}))
    ]
    assert [each.partition("if it fails, ")[2][:22] for each in said] == [
        "attempt 2 follows at o", "attempt 2 follows afte", "the task fails: its re",
    ]  # fmt: skip
    over = {**failing, "detail": "GET :80/ answered 500 (3 of 3 failures)"}
    found = explain(case(runs(spec, **over), "11:00:00", node=node("node-1")))
    assert found["sentence"].endswith("answered 500 three times in a row; its attempt is being ended.")
    assert found["next"] is None


def test_why_not_on_a_node_names_what_keeps_it_off_there() -> None:
    """Every blocker of that node; what would make it fit, or the command that opens it."""
    drains = node("node-2", state=NodeState.DRAINING, since_ms=at("10:02:00"), marked_by="ann")
    asked = task("train", State.PENDING, {"memory": "4GiB"}, reason=Reason(Code.FIT_MEMORY, "x"))
    found = waiting(asked, "10:14:21", node("node-1", free=1.5), drains, node("node-3"))
    said = [explain_node(found, one) for one in (found.fleet.nodes if found.fleet else ())]
    assert [(one["code"], one["could_fit"]) for one in said] == [
        ("FIT_MEMORY", "later"), ("NODE_DRAINING", "later"), (None, "now"),
    ]  # fmt: skip
    assert said[0]["sentence"] == "train does not go to node-1: memory: asks 4 GiB, 1.5 free."
    assert said[0]["fixes"][0]["sentence"] == "it fits if memory <= 1.5 GiB"
    assert said[1]["sentence"].startswith("train does not go to node-2: it is draining since ")
    assert said[1]["fixes"][0]["command"] == "ormen mast activate node-2"
    assert said[2]["sentence"] == "train waits for its next try; node-3 has room for it, too."


def test_why_not_on_a_node_that_would_do_compares_the_costs() -> None:
    """As the placement was recorded: the strategy, and what each node cost."""
    placement = {"strategy": "epvm", "cost": 0.041, "fitted": 3, "next": [{"node": "node-3", "cost": 0.046}]}
    found = waiting(runs(placement=placement), "11:00:00", node("node-1"), node("node-2"), node("node-3"))
    here, other, third = (explain_node(found, one)["sentence"] for one in (found.fleet.nodes if found.fleet else ()))
    assert here.startswith("web runs on node-1 as asked")
    assert third.startswith("web runs on node-1; node-3 has room for it, too; node-1 was chosen at ")
    assert third.endswith(" by epvm, at a cost of 0.041 against 0.046.")
    assert other.endswith(" by epvm, before node-3.")


def test_a_stop_and_a_restart_under_way_are_told_first() -> None:
    """Whatever its check says meanwhile."""
    stop = runs(wanted=Wanted.STOPPED, detail="stopping, at most 10s", health=Health.FAILING)
    assert told(case(stop, "11:00:00", node=node("node-1"))) == (
        "STOPPED", "web is being stopped on node-1: stopping, at most 10s.",
    )  # fmt: skip
    drain = runs(restart=1, restart_code=Code.NODE_DRAINING, health=Health.FAILING)
    assert told(case(drain, "11:00:00", node=node("node-1")))[0] == "NODE_DRAINING"


def test_a_paused_container_says_how_it_goes_on() -> None:
    """It runs no code; the command stands with its host."""
    found = explain(case(runs(paused_ms=at("10:30:00")), "11:00:00", node=node("node-1")))
    assert "is paused by somebody on node-1 since" in found["sentence"]
    assert found["fixes"][0]["sentence"] == "docker unpause web.x on node-1"


def test_a_task_whose_pause_is_nearly_over_says_where_it_can_go() -> None:
    """It waits for room no more."""
    found = task("web", State.PENDING, {}, reason=Reason(Code.FIT_MEMORY, "x"), next_try_ms=at("10:02:16"))
    assert told(waiting(found, "10:02:12", node("node-1"))) == ("FIT_MEMORY", "web is placed in 4s: node-1 fits.")


def test_ends_of_several_kinds_are_not_told_as_one() -> None:
    """Only what is alike is summed up: the reason and the code."""
    killed = Reason(Code.INTERRUPTED, "Interrupted on node-1: somebody sent it SIGTERM.")
    first = exit_of(1, "node-1", "10:00:00", "10:00:02", reason=killed)
    other = task("web", State.PENDING, {}, reason=Reason(Code.EXIT, "x"), attempt=2, node="node-1",
                 attempts=(first, exit_of(2, "node-1", "10:00:03", "10:00:05")))  # fmt: skip
    assert "exited with code 1, 2.0s after" in told(waiting(other, "10:00:05", node("node-1")))[1]
    past = (exit_of(1, "node-1", "10:00:00", "10:00:02", code=2), exit_of(2, "node-1", "10:00:03", "10:00:05"))
    found = task("web", State.PENDING, {}, reason=past[-1].reason, attempt=2, node="node-1", attempts=past,
                 next_try_ms=at("10:00:06"))  # fmt: skip
    assert told(waiting(found, "10:00:05", node("node-1")))[1] == (
        "web exited with code 1, 2.0s after its start on node-1; next try in 1s."
    )


def test_the_limit_that_was_reached_is_that_of_the_attempt() -> None:
    """Whoever has changed the limit since is told that to start it again is enough; who has not, what to change."""
    said = Reason(
        Code.OOM, "Killed for want of memory: it reached its limit of 20 MiB, 3.0s after its start on node-1."
    )
    past = (exit_of(1, "node-1", "10:00:00", "10:00:03", code=137, reason=said),)
    documents = [
        explain(case(task("web", State.FAILED, {"memory": size}, reason=said, attempts=past), "10:01:00"))
        for size in (20 * MIB + 1000, 120 * MIB)
    ]
    for document in documents:
        assert document["sentence"] == "web was killed for want of memory: it reached its limit of 20 MiB after 3s."
        assert (document["attempts"][0]["peak_bytes"], document["attempts"][0]["ended_by"]) == (
            20 * MIB, "out of memory, limit 20 MiB",
        )  # fmt: skip
    assert [document["fixes"][0]["sentence"] for document in documents] == [
        "ormen update web --memory 40m, then ormen restart web", "it has 120 MiB by now: ormen restart web",
    ]  # fmt: skip


def test_a_program_that_ends_as_soon_as_it_has_begun_is_told_so() -> None:
    """And not as 0.0 s."""
    past = tuple(exit_of(n, "node-1", f"10:00:0{n}.000", f"10:00:0{n}.020") for n in (1, 2))
    found = task("web", State.PENDING, {}, reason=past[-1].reason, attempt=2, node="node-1", attempts=past,
                 next_try_ms=at("10:00:06"))  # fmt: skip
    assert told(waiting(found, "10:00:05", node("node-1")))[1] == (
        "web exits with code 1 right after each start; next try in 1s."
    )


def test_a_port_held_outside_ormen_everywhere_is_tried_again_and_that_is_said() -> None:
    """Its holder tells nobody when it ends: when the next try is, and how to have it now."""
    said = "Host port 8080/tcp is held outside ormen by nginx, pid 812; end that, or publish another port."
    past = tuple(
        Attempt(n, f"node-{n}", None, at("10:00:01"), None, at("10:00:02"), reason=Reason(Code.PORT_IN_USE, said))
        for n in (1, 2)
    )
    spec = {"ports": [{"container": 80, "host": 8080}]}
    found = task("web", State.PENDING, spec, reason=past[-1].reason, attempt=2, attempts=past, node="node-2",
                 avoid={"node-1": at("10:10:00"), "node-2": at("10:10:00")}, next_try_ms=at("10:00:06"))  # fmt: skip
    document = explain(waiting(found, "10:00:05", node("node-1"), node("node-2")))
    assert document["sentence"] == "web waits because host port 8080 is taken on every node."
    assert (document["next"]["at"], document["fixes"][-1]["command"]) == ("2026-11-21T10:00:06.000Z", "ormen retry web")
    assert told(waiting(found, "10:00:05", *(node(f"node-{n}") for n in (1, 2, 3))))[0] == "PORT_IN_USE"
    code, sentence = told(waiting(found, "10:00:05", node("node-2")))
    assert (code, "is held outside ormen by nginx, pid 812; end that" in sentence) == ("PORT_IN_USE", True)


def test_a_deadline_is_told_with_what_was_waited_for() -> None:
    """As the task's own doing, and what to do."""
    reason = Reason(Code.DEADLINE_WAIT, "Did not run within 10m, its deadline.wait. Needs 640 cpu.")
    found = task("web", State.FAILED, {}, reason=reason, ended_ms=at("10:12:00"))
    code, sentence = told(case(found, "10:13:00"))
    assert (code, sentence) == (
        "DEADLINE_WAIT", "web failed: it did not run within 10m, its deadline.wait. Needs 640 cpu.",
    )  # fmt: skip
    (fix,) = explain(case(found, "10:13:00"))["fixes"]
    assert fix["sentence"] == "cure what its sentence says it waited for, then try again: ormen retry web"


def test_a_task_that_nobody_saw_end_says_so() -> None:
    """Its node was lost while it was to be stopped."""
    reason = Reason(Code.STOPPED_UNSEEN, "node-1 is lost; web counts as stopped.")
    found = task("web", State.COMPLETED, {}, reason=reason, node="node-1", ended_ms=at("10:00:00"))
    assert told(case(found, "10:01:00"))[1].startswith("web counts as stopped, but nobody saw it end: node-1 was lost")


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("KeyError: 'DATABASE_URL'", "start it with -e DATABASE_URL=VALUE"),
        ("fatal: environment variable DATABASE_URL is not set", "start it with -e DATABASE_URL=VALUE"),
        ("POSTGRES_PASSWORD is missing", "start it with -e POSTGRES_PASSWORD=VALUE"),
        ("ModuleNotFoundError: No module named 'acme.jobs'", "build acme.jobs into its image"),
        ("exec /app/run: exec format error", "run an image that is built for its node's processor"),
        ("PermissionError: [Errno 13] Permission denied: '/data/db'", "give its user the right to /data/db"),
        ("INFO listening on 8080", None),
        ("KeyError: 'name'", None),
    ],
)
def test_a_known_last_line_gives_its_cure_away(line: str, remedy: str | None) -> None:
    """What is not known is not guessed."""
    found = cure(["starting", line])
    assert found is None if remedy is None else found is not None and found.startswith(remedy)


def test_what_why_reads_in_sentences_is_what_agents_write() -> None:
    """The holder of a port, the amounts of a pull, and when a deaf agent restarts."""
    from ormen.task import Port
    from ormen.why.nodes import OUTSIDE, PORT
    from ormen.why.steps import _AMOUNT

    held = docker_faults.port_in_use(Port(80, 8080), holder="outside ormen by nginx, pid 812", message="in use")
    found = PORT.search(held.sentence)
    assert found is not None
    assert found["port"] == "8080"
    outside = OUTSIDE.fullmatch(found["holder"])
    assert outside is not None
    assert outside["name"] == "nginx"
    assert _AMOUNT.search(pulls.summary("nginx:latest", PullProgress(67_000_000, 67_000_000, 0.0), 4.0))
    assert (proof.QUIET_INTERVALS, proof.HEARD_WITHIN_S) == (sending.QUIET_INTERVALS, sending.HEARD_WITHIN_S)


def test_of_many_nodes_the_nearest_are_told_and_the_others_in_groups() -> None:
    """Every node is told or counted once; what no waiting cures is farthest, and `all` tells each."""
    label = {"labels": {"zone": "eu"}}
    fleet = [node(f"node-{n}", free=1 + n / 100, **label) for n in range(1, 31)]
    fleet += [node(f"node-{n}", cpu=0.5, free=1, **label) for n in range(31, 89)]
    fleet += [node(f"node-{n}", free=3) for n in range(89, 92)]
    asked = task("train", State.PENDING, {"memory": "2GiB", "cpu": 1, "constraints": ["zone=eu"]})
    found = waiting(replace(asked, reason=Reason(Code.FIT_MEMORY, "x")), "10:14:21", *fleet)
    short, whole = explain(found), explain(found, every=True)
    assert [row["node"] for row in short["nodes"]] == [f"node-{n}" for n in range(21, 31)]
    assert [(g["first"], g["last"], g["count"], g["sentence"], g["codes"]) for g in short["groups"]] == [
        ("node-31", "node-88", 58, "memory, cpu", ["FIT_MEMORY", "FIT_CPU"]),
        ("node-1", "node-20", 20, "memory", ["FIT_MEMORY"]),
        ("node-89", "node-91", 3, "label", ["CONSTRAINT"]),
    ]
    assert (len(whole["nodes"]), whole["groups"]) == (91, [])
    assert "node-31 … node-88 (58)  memory, cpu\n" in why(short, Look(80, now=found.now_ms / 1000))


def test_since_when_is_told_of_every_state() -> None:
    """Waiting since its last end, sent, begun, or ended."""
    past = (exit_of(1, "node-1", "10:00:00", "10:00:02"),)
    whole = {"attempt": 1, "node": "node-1", "attempts": past, "reason": past[0].reason, "ended_ms": at("10:00:02")}
    begun = {"started_ms": at("10:00:00")}
    found = (
        waiting(task("web", State.PENDING, {}, reason=Reason(Code.FIT_CPU, "x")), "10:20:00", node("node-1", cpu=0)),
        waiting(task("web", State.PENDING, {}, **whole), "10:20:00", node("node-1")),
        case(sent(), "10:20:00", node=node("node-1")),
        case(runs(), "11:00:00", node=node("node-1")),
        case(task("web", State.FAILED, {}, **whole, **begun), "10:20:00"),
    )
    times = ["10:02:11.390", "10:00:02.000", "10:04:38.000", "10:00:00.000", "10:00:02.000"]
    assert [explain(each)["since"] for each in found] == [f"2026-11-21T{time}Z" for time in times]


def test_who_waits_for_a_nodes_return_stands_in_no_line() -> None:
    """Freed room is nothing to it."""
    asked = task("web", State.PENDING, {"constraints": ["node=b"]}, reason=Reason(Code.NODE_LOST, "x"))
    away = node("b", state=NodeState.LOST)
    assert explain(waiting(asked, "10:14:21", node("a"), away, queue=(1, 3)))["queue"] is None
    small = task("web", State.PENDING, {"memory": "4GiB"}, reason=Reason(Code.FIT_MEMORY, "x"))
    found = explain(waiting(small, "10:14:21", node("a", free=1), queue=(1, 3)))["queue"]
    assert found == {"place": 1, "length": 3, "freed": True}


def test_what_a_node_refused_is_held_against_it_for_its_time_only() -> None:
    """Then it is as good as any other."""
    said = Reason(Code.NODE_LACKS, "node-1's Docker has no network backend; create it there.")
    past = (Attempt(1, "node-1", None, at("10:00:01"), None, at("10:00:02"), reason=said),)
    asked = task("web", State.PENDING, {}, reason=said, attempt=1, node="node-1", attempts=past,
                 avoid={"node-1": at("10:10:02")}, next_try_ms=at("10:10:30"))  # fmt: skip
    early, late = (explain(waiting(asked, clock, node("node-1"))) for clock in ("10:10:01", "10:10:03"))
    assert early["nodes"][0]["blockers"][0]["sentence"] == "refused: node-1's Docker has no network backend"
    assert late["nodes"] == []


def test_a_try_that_is_due_cannot_be_had_earlier() -> None:
    """To save the wait is a remedy only while there is one."""
    past = (exit_of(1, "node-1", "10:00:00", "10:00:02"),)
    asked = task("web", State.PENDING, {}, reason=past[0].reason, attempt=1, node="node-1", attempts=past,
                 next_try_ms=at("10:00:06"))  # fmt: skip
    kinds = [
        [fix["kind"] for fix in explain(waiting(asked, clock, node("node-1")))["fixes"]]
        for clock in ("10:00:05", "10:00:06")
    ]
    assert kinds == [["cure", "retry"], ["cure"]]


def test_an_ended_task_is_not_on_the_node_that_it_ran_on() -> None:
    """Asked for that node it is told like any other: it has ended, and there would be room."""
    past = (exit_of(1, "node-1", "10:00:00", "10:00:02"),)
    ended = task("web", State.FAILED, {}, reason=past[0].reason, attempt=1, node="node-1", attempts=past)
    found = waiting(ended, "10:20:00", node("node-1"))
    assert found.fleet is not None
    assert explain_node(found, found.fleet.nodes[0])["sentence"] == "web has failed; node-1 has room for it, too."
